"""``md-bridge relax``, as a user types it: tables, page, numbers, files, exit statuses."""

import json

import ase.build
import ase.io
import crystals
import models
import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from model_commands import message, run

from md_bridge.cli.statics.relax import relax
from md_bridge.statics.report import relaxation
from md_bridge.statics.report.relaxation_plots import path_plots


@pytest.fixture
def files(folder):
    crystals.springs(swirl=0.1, push=1e-3).export("m.pt")
    frames = []
    for seed in range(2):
        atoms = crystals.fcc(2.82, cubic=True)
        atoms.rattle(0.03, seed=seed)
        frames.append(atoms)
    ase.io.write("s.extxyz", frames)
    return folder


def test_tables_page_and_numbers(files):
    kinds = "conservative,direct,direct-then-conservative"
    result = run(relax, "m.pt", "s.extxyz", "--forces", kinds, "--cell", "full", "--fmax", "1e-5")
    assert result.exit_code == 0, result.output
    text = message(result)
    assert "conservative 2 " in text
    assert "of 2 structures that came to rest both ways, direct-then-conservative took" in text
    assert "work and energy differ by" in text
    page = (files / "md-bridge-relax" / "report.html").read_text()
    assert "data:image/svg+xml;base64," in page
    assert "Where they end, seen from conservative" in page
    content = json.loads((files / "md-bridge-relax" / "summary.json").read_text())
    assert content["passed"] is True
    assert set(content["rows"]) == set(kinds.split(","))
    row = content["rows"]["direct-then-conservative"]
    assert row["converged"] == 2
    assert set(row["evaluations"]) == {"direct", "conservative"}
    for each in row["results"]:
        assert each["space_group"]["plateau"]["space_group"].startswith("Fm-3m")
        assert each["from_reference"]["rmsd_angstrom"] < 1e-4
        assert each["space_group"]["at_symprec_angstrom"]["0.01"]["verdict"] == "raised"
    assert row["space_groups"]["0.01"]["raised"] == 2
    relaxed = ase.io.read("md-bridge-relax/relaxed.extxyz", ":")
    assert [atoms.info["name"] for atoms in relaxed] == ["s-0", "s-1"] * 3
    ideal = ase.io.read("md-bridge-relax/standardised.extxyz", ":")
    assert {len(atoms) for atoms in ideal} == {4}


def test_json_and_going_on(files):
    arguments = ("m.pt", "s.extxyz", "--out", "found", "--trajectory", "none")
    first = run(relax, *arguments, "--json")
    assert first.exit_code == 0, first.output
    content = json.loads(first.stdout)
    assert content["kept_results"] == 0
    assert content["fmax_eV_per_angstrom"] == 1e-4
    assert not (files / "found" / "trajectories").exists()
    again = json.loads(run(relax, *arguments, "--json").stdout)
    assert again["kept_results"] == 2
    assert again["rows"]["conservative"]["results"] == content["rows"]["conservative"]["results"]


def test_presets_and_explicit_options(files):
    arguments = ("m.pt", "s.extxyz", "--json", "--preset")
    content = json.loads(run(relax, *arguments, "matbench").stdout)
    assert (content["cell"], content["optimizer"]) == ("full", "fire")
    assert content["fmax_eV_per_angstrom"] == 0.02
    content = json.loads(
        run(relax, *arguments, "matbench", "--fmax", "1e-4", "--steps", "77").stdout
    )
    assert content["fmax_eV_per_angstrom"] == 1e-4  # although this is the default without a preset
    assert content["steps"] == 77
    result = run(relax, *arguments, "matbnech")
    assert result.exit_code == 2
    assert "--preset found 'matbnech': did you mean 'matbench'?" in message(result)


def test_what_does_not_come_to_rest_is_an_exit_status(files):
    result = run(relax, "m.pt", "s.extxyz", "--steps", "3", "--optimizer", "fire")
    assert result.exit_code == 3
    text = message(result)
    assert "not converged" in text
    assert "'s-0' did not come to rest with conservative forces: after 3 steps" in text
    assert "the structure of its smallest forces is kept" in text
    content = json.loads((files / "md-bridge-relax" / "summary.json").read_text())
    assert content["passed"] is False
    assert content["rows"]["conservative"]["converged"] == 0
    assert len(ase.io.read("md-bridge-relax/relaxed.extxyz", ":")) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--forces", "directs"], "--forces found 'directs': did you mean 'direct'?"),
        (["--symmetrize", "random"], "--symmetrize random draws another rotation"),
        (["--cell", "ful"], "--cell found 'ful': did you mean 'full'?"),
        (["--space-group", "keep"], "--space-group found 'keep'"),
        (["--pressure", "1"], "--pressure has no effect"),
        (["--symprec", "a,b"], "expected lengths with commas between them"),
        (["--fixed-point"], "--fixed-point compares direct and conservative forces"),
    ],
)
def test_bad_options(files, options, expected):
    result = run(relax, "m.pt", "s.extxyz", *options)
    assert result.exit_code == 2
    assert expected in message(result)


def test_the_space_group_of_the_start(folder):
    """An anisotropic energy pulls an fcc crystal out of shape, unless it is kept in it."""
    crystals.springs(legendre={2: 0.05}).export("m.pt")
    ase.io.write("s.extxyz", ase.build.bulk("Al", "fcc", a=4.0, cubic=True))
    options = ("--cell", "full", "--json", "--fmax", "1e-5")
    verdicts = {}
    for space_group in ("free", "fix", "project"):
        result = run(relax, "m.pt", "s.extxyz", *options, "--space-group", space_group)
        assert result.exit_code == 0, result.output
        verdicts[space_group] = json.loads(result.stdout)["rows"]["conservative"]["space_groups"]
    assert verdicts["free"]["1e-05"]["lowered"] == 1
    assert verdicts["fix"]["1e-05"]["kept"] == 1
    assert verdicts["project"]["1e-05"]["kept"] == 1


def test_fixed_point(folder):
    crystals.springs(push=1e-3).export("m.pt")
    ase.io.write("s.extxyz", crystals.rock_salt())
    result = run(
        *(relax, "m.pt", "s.extxyz", "--forces", "conservative,direct", "--fixed-point"),
        *("--fmax", "1e-6", "--json", "--steps", "2000"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    (point,) = content["fixed_points_angstrom"]["none"]
    assert point["predicted"] == pytest.approx(0.5 * 6e-3 / (2 * crystals.K), rel=1e-3)
    crossed = content["crossed_forces_eV_per_angstrom"]["none"]
    assert {each["forces"] for each in crossed} == {"direct", "conservative"}


def test_lammps_moves_the_atoms(folder):
    """It fails on the first start, and relaxes the second, of which some atoms are held, as ASE
    does; the same command does again what failed alone."""
    models.nan_when_close(2.5).export("m.pt")
    bad = Atoms("Ar2", [[0.0, 0.0, 0.0], [2.4, 0.0, 0.0]], cell=[20.0] * 3, pbc=True)
    good = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True)
    good.rattle(0.05, seed=1)
    good.set_constraint(FixAtoms([0, 1]))
    ase.io.write("bad.extxyz", bad)
    ase.io.write("good.extxyz", good)
    found = {}
    for host in ("ase", "lammps", "lammps"):
        arguments = ("m.pt", "bad.extxyz", "good.extxyz", "--host", host, "--out", host)
        result = run(relax, *arguments, "--fmax", "1e-5")
        assert result.exit_code == 3, result.output
        assert "conservative 1 " in message(result)
        assert "'bad' was stopped with conservative forces: " in message(result)
        content = json.loads((folder / host / "summary.json").read_text())
        stopped, rest = content["rows"]["conservative"]["results"]
        assert (stopped["status"], rest["status"]) == ("stopped", "converged")
        assert stopped["energy_eV"] is None
        assert content["rows"]["conservative"]["space_groups"]["0.01"]["unknown"] == 1
        assert rest["largest_force_eV_per_angstrom"] < 1e-5
        found[host] = rest["energy_eV"]
        ends = ase.io.read(f"{host}/relaxed.extxyz", ":")
        assert np.abs(ends[1].positions - good.positions)[:2].max() < 1e-7
        assert np.abs(ends[1].positions - good.positions)[2:].max() > 1e-3
    assert content["kept_results"] == 1
    assert found["lammps"] == pytest.approx(found["ase"], abs=1e-8)
    path = ase.io.read("lammps/trajectories/conservative/good.extxyz", ":")
    assert len(path) == rest["steps"] + 1
    assert path[-1].get_potential_energy() == pytest.approx(found["lammps"], abs=1e-7)


def test_two_kinds_of_forces_with_two_sets(folder, monkeypatch):
    """Each set has an energy of its own: only within one are energies and forces compared."""
    crystals.springs(swirl=0.05, push=1e-3, legendre={2: 0.02}).export("m.pt")
    atoms = crystals.rock_salt()
    atoms.rattle(0.03, seed=1)
    ase.io.write("s.extxyz", atoms)
    drawn = []
    monkeypatch.setattr(relaxation, "path_plots", lambda found: drawn.append(found) or ())
    options = ("--forces", "conservative,direct", "--symmetrize", "none,octahedral")
    result = run(relax, "m.pt", "s.extxyz", *options, "--fmax", "1e-4", "--steps", "2000")
    assert result.exit_code == 0, result.output
    text = message(result)
    content = json.loads((folder / "md-bridge-relax" / "summary.json").read_text())
    labels = ["conservative", "conservative, octahedral", "direct", "direct, octahedral"]
    assert sorted(content["rows"]) == labels
    assert content["reference"] == "conservative"
    away = {label: content["rows"][label]["results"][0]["from_reference"] for label in labels}
    assert away["conservative"]["rmsd_angstrom"] == 0.0
    assert {label for label in labels if away[label]["energy_meV_per_atom"] is not None} == {
        "conservative",
        "direct",
    }
    assert away["direct"]["rmsd_angstrom"] > 1e-5
    crossed = content["crossed_forces_eV_per_angstrom"]
    assert {name: len(each) for name, each in crossed.items()} == {"none": 2, "octahedral": 2}
    for vanishing in ("direct where conservative", "conservative where direct"):
        assert f"{vanishing} vanish " in text
        assert f"{vanishing} vanish, octahedral " in text
    for label in ("direct", "direct, octahedral"):  # each beside the gradient with its own average
        assert f"Along the paths of {label} forces work and energy differ by" in text
    assert text.count("for conservative ones, where it is the error of the trapezoidal rule") == 2
    _, energies = path_plots(drawn[0])
    lowest = {curve.label: curve.y.min() for curve in energies.curves}
    assert sorted(lowest) == labels
    for name in ("", ", octahedral"):
        assert min(lowest[f"{kind}{name}"] for kind in ("conservative", "direct")) == 0.0


def test_files_of_a_folder_that_are_no_structures(files):
    result = run(relax, "m.pt", ".", "--json", "--fmax", "0.01")
    assert result.exit_code == 0, result.output
    (warning,) = json.loads(result.stdout)["warnings"]
    assert warning == (
        "2 files that ASE cannot read as structures were passed over: m.pt, my_models.py."
    )
