"""``md-bridge phonons``, as a user types it: tables, page, numbers, files, exit statuses."""

import json
import re

import ase.io
import crystals as static_crystals
import crystals_phonons as crystals
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from model_commands import message, run
from phonopy.file_IO import parse_FORCE_CONSTANTS

from md_bridge.cli.statics.phonons import phonons
from md_bridge.statics.phonons import api

QUICK = ("--supercell", "2,2,2", "--mesh", "4")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    crystals.bonds(swirl=0.05, quartic=0.01).export("m.pt")
    ase.io.write("c.xyz", crystals.fcc())
    return tmp_path


def test_everything(files):
    result = run(
        *(phonons, "m.pt", "c.xyz", *QUICK, "--forces", "conservative,direct"),
        *("--symmetrize", "none,octahedral", "--fc", "raw,symfc"),
        *("--out", "found", "--scan", "0.01:0.2:4"),
    )
    assert result.exit_code == 0, result.output
    for label in ("conservative", "direct, octahedral"):
        for correction in ("raw", "symfc"):
            assert re.search(rf"^{label} +{correction} ", result.stdout, re.M), (label, correction)
    text = message(result)
    assert "The others are compared with conservative, octahedral: symfc" in text
    assert "The force constants of direct forces are not symmetric, π = " in text
    assert "modes that the crystal's symmetry makes degenerate differ" not in text
    assert "less than twice the range of the model" in text
    assert "Displacement scan" in text
    page = (files / "found" / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert (files / "found" / "bands.svg").read_bytes().startswith(b"<?xml")
    content = json.loads((files / "found" / "summary.json").read_text())
    assert content["passed"] is True
    assert content["space_group"] == "Fm-3m (225)"
    assert len(content["results"]) == 8
    found = {
        (each["forces"], each["symmetrize"], each["correction"]): each
        for each in content["results"]
    }
    raw = found["direct", "none", "raw"]
    assert 0.03 < raw["violations"]["permutation"] < 0.1
    assert raw["growth"]["fastest_per_ps"] > 0.1
    # an average over rotations takes the axis of the swirl away
    assert found["direct", "octahedral", "raw"]["growth"]["fastest_per_ps"] < 1e-6
    assert found["direct", "none", "symfc"]["growth"]["fastest_per_ps"] < 1e-6
    assert found["conservative", "octahedral", "symfc"]["difference_cm"] == 0.0
    assert raw["evaluations"] == 6
    assert all(each["imaginary"]["any"] is False for each in found.values())
    assert len(content["scans"]) == 4
    assert content["scans"][0]["slope_above"] == pytest.approx(2.0, abs=0.1)
    bands = json.loads((files / "found" / "bands.json").read_text())
    assert len(bands["frequencies_THz"]) == 8
    assert len(bands["frequencies_THz"]["direct: raw"]) == len(bands["qpoints"])


@pytest.mark.parametrize("correction", ["raw", "symfc"])
def test_phonopy_reads_the_files(files, correction):
    import phonopy

    result = run(phonons, "m.pt", "c.xyz", *QUICK, "--fc", correction, "--out", "found", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    folder = files / "found" / f"conservative-{correction}"
    loaded = phonopy.load(folder / "phonopy_params.yaml", symmetrize_fc=False, log_level=0)
    bands = json.loads((files / "found" / "bands.json").read_text())
    loaded.run_qpoints(bands["qpoints"][::10])
    ours = bands["frequencies_THz"][f"conservative: {correction}"][::10]
    assert np.array(loaded.qpoints.frequencies) == pytest.approx(np.array(ours), abs=2e-4)
    again = phonopy.load(
        *(None,),
        unitcell_filename=None,
        unitcell=loaded.unitcell,
        supercell_matrix=loaded.supercell_matrix,
        primitive_matrix=loaded.primitive_matrix,
        force_constants_filename=folder / "FORCE_CONSTANTS",
        log_level=0,
    )
    assert np.array(again.force_constants) == pytest.approx(
        np.array(loaded.force_constants), abs=1e-9
    )
    assert content["results"][0]["correction"] == correction
    assert content["reference"] == f"conservative: {correction}"


def test_fast_and_double(files):
    crystals.bonds().export("single.pt", "float32")
    result = run(
        *(phonons, "single.pt", "c.xyz", *QUICK, "--fast", "--double", "--out", "found"),
        *("--fc", "raw", "--json"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["results"][0]["evaluations"] == 2
    assert content["settings"]["precision"] == "float64"
    assert max(content["noise_eV_per_angstrom"].values()) < 1e-10
    assert any(sentence.startswith("fast: ") for sentence in content["sentences"])


@pytest.mark.parametrize(
    ("host", "forces"), [("lammps", "conservative"), ("i-pi", "direct"), ("autograd", "direct")]
)
def test_other_hosts_give_the_same(files, host, forces):
    """Of rock salt; direct forces with a swirl, whose transposed Φ is another one."""
    ase.io.write("rs.xyz", crystals.rock_salt())
    found = []
    for name in ("phonopy", host):
        options = ("--supercell", "2,1,1", "--mesh", "2", "--forces", forces, "--fc", "raw")
        result = run(phonons, "m.pt", "rs.xyz", *options, "--host", name, "--out", name, "--json")
        assert result.exit_code == 0, result.output
        (row,) = json.loads(result.stdout)["results"]
        constants = parse_FORCE_CONSTANTS(files / name / f"{forces}-raw" / "FORCE_CONSTANTS")
        found.append((row["evaluations"], constants))
    (ours, expected), (theirs, matrix) = found
    assert (ours, theirs) == (12, 0 if host == "autograd" else 24)
    assert matrix == pytest.approx(expected, abs=2e-5)  # the quartic bonds bend the differences


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        (("--forces", "dirct"), 2, "--forces found 'dirct': did you mean 'direct'?"),
        (("--fc", "simfc"), 2, "--fc found 'simfc': did you mean 'symfc'?"),
        (("--supercell", "2,2"), 2, "--supercell must be three whole numbers"),
        (("--symmetrize", "random"), 2, "--symmetrize random draws another rotation"),
        (("--displacements", "1e-16"), 1, "choose a larger one"),
        (("--path", "nowhere"), 2, "--path must be auto or a file"),
        (("--variant", "pbe"), 1, "pbe"),
    ],
)
def test_bad_options(files, options, status, text):
    result = run(phonons, "m.pt", "c.xyz", *QUICK, *options)
    assert result.exit_code == status, result.output
    assert text in message(result).replace("│", "")


def test_no_crystal(files):
    ase.io.write("water.xyz", molecule("H2O"))
    result = run(phonons, "m.pt", "water.xyz")
    assert result.exit_code == 1
    assert "phonons are those of a crystal, periodic in all three directions" in message(result)


def test_a_crystal_that_is_not_at_rest(files):
    atoms = crystals.rock_salt()
    atoms.positions[1, 0] += 0.05
    ase.io.write("moved.xyz", atoms)
    result = run(
        phonons, "m.pt", "moved.xyz", *QUICK, "--fc", "raw", "--symprec", "1e-5", "--out", "found"
    )
    assert result.exit_code == 0, result.output
    assert "With conservative forces the crystal is not at rest" in message(result)


def test_relaxed_first(files):
    """The same crystal comes back to rest."""
    atoms = crystals.rock_salt()
    atoms.positions[1, 0] += 0.05
    ase.io.write("moved.xyz", atoms)
    result = run(
        *(phonons, "m.pt", "moved.xyz", *QUICK, "--fc", "raw", "--relax", "--json"),
        *("--out", "found"),
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["relaxed"] is True
    assert max(content["residual_forces_eV_per_angstrom"].values()) < 1e-4
    assert content["space_group"] == "Fm-3m (225)"


def test_atoms_that_do_not_come_to_rest(files, monkeypatch):
    """The phonons are those of the best structure, with a sentence and an exit status."""
    monkeypatch.setattr(api, "_RELAX_STEPS", 1)
    atoms = crystals.rock_salt()
    atoms.positions[1, 0] += 0.05
    ase.io.write("moved.xyz", atoms)
    options = (*QUICK, "--fc", "raw", "--symprec", "1e-5", "--relax", "--json")
    result = run(phonons, "m.pt", "moved.xyz", *options)
    assert result.exit_code == 3, result.output
    content = json.loads(result.stdout)
    assert content["relaxed"] is False
    assert content["passed"] is False
    assert content["sentences"][0].startswith("The atoms did not come to rest (after 1 steps its")
    assert len(content["results"]) == 1


def test_rest_below_the_noise_is_refused(files, monkeypatch):
    static_crystals.springs(quartic=1e3).export("single.pt", "float32")  # rounds by 8e-6 eV/Å
    monkeypatch.setattr(api, "_RELAX_FMAX", 1e-5)
    atoms = static_crystals.fcc(cubic=True)
    atoms.rattle(0.05, seed=1)
    ase.io.write("moved.extxyz", atoms)
    result = run(phonons, "single.pt", "moved.extxyz", "--supercell", "1,1,1", "--relax")
    assert result.exit_code == 2
    text = message(result).replace("│", "")
    assert "--relax cannot bring the atoms to rest, to 1e-05 eV/Å, with forces whose own" in text


def test_a_cell_that_spglib_cannot_read(files):
    ase.io.write("twice.xyz", Atoms("Ar2", [[0, 0, 0], [0, 0, 1e-6]], cell=[6.0] * 3, pbc=True))
    result = run(phonons, "m.pt", "twice.xyz", *QUICK)
    assert result.exit_code == 1
    assert "nearer to each other than that" in message(result)
    assert not (files / "md-bridge-phonons").exists()


def test_elastic_constants_beside(files):
    """T-E1 as a user has it: C₁₁ = 2K/a, C₁₂ = C₄₄ = K/a."""
    static_crystals.springs().export("m.pt")
    ase.io.write("c.xyz", static_crystals.fcc())
    result = run(
        *(phonons, "m.pt", "c.xyz", *QUICK, "--forces", "conservative,direct", "--elastic"),
        *("--fc", "raw", "--out", "found"),
    )
    assert result.exit_code == 0, result.output
    stiffness = 160.21766208 * static_crystals.K / (np.sqrt(2.0) * static_crystals.REST)
    numbers = rf"C11 {2 * stiffness:.1f}\d, C12 {stiffness:.1f}\d"
    assert len(re.findall(numbers, result.stdout)) == 4  # relaxed and clamped of both forces
    content = json.loads((files / "found" / "summary.json").read_text())
    assert [each["row"] for each in content["elastic_GPa"]] == ["conservative", "direct"]


def test_direct_stress_is_missing(files):
    """Said before the first row is computed, whose result would be lost."""
    result = run(
        *(phonons, "m.pt", "c.xyz", *QUICK, "--forces", "conservative,direct", "--elastic"),
        *("--out", "found"),
    )
    assert result.exit_code == 1
    assert "stress" in message(result)
    assert "conservative: raw" not in message(result)


def test_elastic_constants_of_each_row(files):
    """T-P2's springs have C₁₁ = 2K/a and C₁₂ = C₄₄ = K/a; the model has no direct stress."""
    models.harmonic(2.0, 2.0, cutoff=2.4).export("h.pt")
    ase.io.write("h.xyz", bulk("H", "fcc", a=2.0 * np.sqrt(2.0)))
    result = run(
        *(phonons, "h.pt", "h.xyz", *QUICK, "--fc", "raw", "--elastic", "--json", "--out", "found")
    )
    assert result.exit_code == 0, result.output
    (elastic,) = json.loads(result.stdout)["elastic_GPa"]
    expected = 160.21766208 * 2.0 / (2.0 * np.sqrt(2.0))
    stiffness = np.array(elastic["relaxed"]["projected"])
    assert stiffness[0, 0] == pytest.approx(2.0 * expected, rel=1e-3)
    assert stiffness[0, 1] == pytest.approx(expected, rel=1e-3)
    assert stiffness[3, 3] == pytest.approx(expected, rel=1e-3)


def test_another_host(files):
    found = []
    for host in ("phonopy", "autograd"):
        result = run(
            *(phonons, "m.pt", "c.xyz", *QUICK, "--fc", "raw", "--forces", "direct"),
            *("--host", host, "--json", "--out", host),
        )
        assert result.exit_code == 0, result.output
        found.append(json.loads(result.stdout)["results"][0])
    assert found[1]["largest_frequency_THz"] == pytest.approx(
        found[0]["largest_frequency_THz"], rel=1e-4
    )
    assert found[1]["violations"]["permutation"] == pytest.approx(
        found[0]["violations"]["permutation"], rel=1e-3
    )


@pytest.mark.parametrize("forces", ["conservative,direct", "direct,conservative"])
def test_a_row_that_fails_leaves_the_others(files, forces):
    """Direct forces that are NaN as soon as an atom is displaced."""
    models.nan_when_close(crystals.BOND - 0.005, "direct").export("nan.pt")
    options = (*QUICK, "--forces", forces, "--symmetrize", "none", "--fc", "raw")
    result = run(phonons, "nan.pt", "c.xyz", *options, "--out", "found")
    assert result.exit_code == 3, result.output
    text = message(result)
    assert "No force constants with direct forces: " in text
    assert "a direct force that is not finite" in text
    assert re.search(r"^direct( +-){7} +failed", result.stdout, re.M)
    content = json.loads((files / "found" / "summary.json").read_text())
    assert content["passed"] is False
    assert [each["forces"] for each in content["results"]] == ["conservative"]
    (failure,) = content["failures"]
    assert (failure["forces"], failure["part"]) == ("direct", "force constants")
    assert (files / "found" / "conservative-raw" / "phonopy_params.yaml").exists()
    bands = json.loads((files / "found" / "bands.json").read_text())
    assert list(bands["frequencies_THz"]) == ["conservative: raw"]


@pytest.mark.parametrize(
    ("options", "closest", "part"),
    [(("--scan", "0.01:0.3:4"), 0.1, "scan"), (("--elastic",), 0.012, "elastic constants")],
)
def test_a_part_that_fails_leaves_the_rest(files, options, closest, part):
    """Force constants with 0.01 Å, and NaN with what is asked for besides."""
    models.nan_when_close(crystals.BOND - closest).export("nan.pt")
    result = run(phonons, "nan.pt", "c.xyz", *QUICK, "--fc", "raw", *options, "--json")
    assert result.exit_code == 3, result.output
    content = json.loads(result.stdout)
    assert len(content["results"]) == 1
    assert [each["part"] for each in content["failures"]] == [part]
    assert content["sentences"][0].startswith(f"No {part} with conservative forces: ")
    assert content["scans"] == content["elastic_GPa"] == []


def test_a_model_that_breaks(files):
    """NaN as soon as atoms come nearer than they are at rest."""
    models.nan_when_close(crystals.BOND - 0.005).export("nan.pt")
    result = run(phonons, "nan.pt", "c.xyz", *QUICK, "--out", "found")
    assert result.exit_code == 1, result.output
    assert "a conservative force that is not finite on atom 0" in message(result)
    assert not (files / "found").exists()
