"""What a run does with a committee: stops, warns, goes on from a restart file, refuses."""

import lammps_tools as tools
import models
import numpy as np
import pytest
from argon_committees import COMPUTES, DUMP, MOVE, RESPA, THERMO, pair, paths, run
from argon_levels import ATOMS

from md_bridge.ase import CommitteeCalculator, MDBridgeCalculator
from md_bridge.engine import structure_from_ase

HALT = """
    variable dev equal c_dev
    fix stop all halt 1 v_dev > {limit} error soft
    thermo 1
    """


def error_of(text, folder, ranks=1):
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 1, done.stdout[-2000:]
    return " ".join(line for line in done.stdout.splitlines() if "ERROR" in line)


def thermo_rows(out):
    """Step and the other columns of the last run."""
    lines = out.splitlines()
    start = max(n for n, line in enumerate(lines) if line.split()[:1] == ["Step"])
    rows = []
    for line in lines[start + 1 :]:
        if line.startswith("Loop time"):
            break
        if line.split() and line.split()[0].isdigit():
            rows.append([float(word) for word in line.split()])
    return np.array(rows)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_halts_where_the_members_are_apart(folder, box, tmp_path, ranks):
    text = box + pair(folder) + MOVE + COMPUTES + THERMO
    free = thermo_rows(run(text + "thermo 1\nrun 12\n", tmp_path, ranks))
    largest = free[:, 2]
    assert largest[-1] > largest[0]
    limit = 0.5 * (largest[0] + largest[-1])
    first = int(np.argmax(largest > limit))
    assert 0 < first < 12
    halted = thermo_rows(run(text + HALT.format(limit=limit) + "run 12\n", tmp_path, ranks))
    assert halted[-1, 0] == first


def test_deviations_in_averages_over_time(folder, box, tmp_path):
    averages = "fix mean all ave/time 1 4 4 c_dev c_dev[1] file mean.dat format ' %.12g'\n"
    text = box + pair(folder) + MOVE + COMPUTES + THERMO + averages
    rows = thermo_rows(run(text + "thermo 1\nrun 4\n", tmp_path))
    step, largest, energy = np.loadtxt(tmp_path / "mean.dat")
    assert step == 4
    np.testing.assert_allclose([largest, energy], rows[1:, 2:].mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("ranks", [1, 2])
def test_warnings_of_forces_and_energies(folder, box, tmp_path, ranks):
    """The uncertainty of a committee is the deviation of its atomic energies; also by fix pair."""
    committee = CommitteeCalculator(paths(folder))
    norms = np.linalg.norm(committee.get_property("forces_std", ATOMS), axis=1)
    energies = [
        engine.evaluate(structure_from_ase(ATOMS), atomic_energies=True).atomic_energies
        for engine in committee.committee.engines
    ]
    of_atoms = np.std(energies, axis=0, ddof=1)
    force, energy = np.sort(norms)[-3:-1].mean(), np.sort(of_atoms)[-4:-2].mean()
    keywords = f"uncertainty/forces {force:.10g} uncertainty {energy:.10g}"
    fix = "fix u all pair 1 mdbridge uncertainty 1\ncompute u all mdbridge/atom uncertainty\n"
    dump = "write_dump all custom end id f_u c_u modify sort id format float %.17g\n"
    out = run(box + pair(folder, keywords=keywords) + fix + f"run 0\n{dump}", tmp_path, ranks)
    assert f"the force uncertainty of 2 atoms is above {force:.10g}"[:45] in out
    assert f"on atom ID {1 + np.argmax(norms)} (Ar)" in out
    assert "the energy uncertainty of 3 atoms is above" in out
    end = np.loadtxt(tmp_path / "end", skiprows=9)
    np.testing.assert_allclose(end[:, 1], of_atoms, rtol=0, atol=1e-12)
    np.testing.assert_allclose(end[:, 2], of_atoms, rtol=0, atol=1e-12)
    quiet = box + pair(folder, keywords=f"uncertainty/forces {2 * norms.max():.10g}") + "run 0\n"
    assert "force uncertainty" not in run(quiet, tmp_path, ranks)


def test_warnings_at_outer_steps(folder, box, tmp_path):
    text = box + pair(folder, keywords="uncertainty/forces 1e-6") + MOVE + RESPA + "run 2\n"
    out = run(text, tmp_path)
    for step in range(3):
        assert f"in step {step} the force uncertainty of 32 atoms is above 1e-06 eV/Angstrom" in out


@pytest.mark.parametrize("driver", ["mean", "first"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_restart_files_know_the_members(folder, box, tmp_path, ranks, driver):
    style = pair(folder, keywords=f"committee/driver {driver}")
    run(box + style + MOVE + "run 2\nwrite_restart r\n", tmp_path, ranks)
    again = f"read_restart r\nfix nve all nve\n{MOVE}{COMPUTES}{THERMO}"
    out = run(again + f"run 2\nwrite_dump all custom end {DUMP}", tmp_path, ranks)
    assert "is not the one" not in out
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    atoms = ATOMS.copy()
    atoms.positions = end[:, :3]
    committee = CommitteeCalculator(paths(folder))
    drives = committee if driver == "mean" else MDBridgeCalculator(paths(folder)[0])
    np.testing.assert_allclose(end[:, 3:6], drives.get_forces(atoms), rtol=0, atol=1e-10)
    deviation = committee.get_property("forces_std", atoms)
    np.testing.assert_allclose(end[:, 6:], deviation, rtol=0, atol=1e-10)


def test_a_restart_file_knows_a_member_from_another_of_its_name(box, tmp_path):
    models.curl().export(tmp_path / "a.pt")
    models.stand_in().export(tmp_path / "b.pt")
    models.stand_in(size=0.02).export(tmp_path / "inner.pt")
    style = "pair_style mdbridge a.pt committee b.pt inner inner.pt threads 1\n"
    run(box + style + "pair_coeff * * Ar\nrun 0\nwrite_restart r\n", tmp_path)
    again = "read_restart r\nrun 0\n"
    assert "is not the one" not in run(again, tmp_path)
    models.stand_in(size=0.03).export(tmp_path / "b.pt")
    out = run(again, tmp_path)
    assert out.count("is not the one") == 1
    assert f"the model file '{tmp_path}/b.pt' is not the one" in out
    (tmp_path / "b.pt").unlink()
    assert "written with the model 'b.pt', which is neither here nor" in error_or_warning(
        again, tmp_path
    )


def error_or_warning(text, folder):
    return tools.run_input(text, folder).stdout


REFUSED = [
    ("committee", "keyword 'committee' needs a value after it"),
    ("committee {b} symetrize octahedral", "did you mean the keyword 'symmetrize'"),
    ("committee {b} absent.pt", "there is no model file 'absent.pt'"),
    ("committee {b} {b}", "a committee needs different models, found"),
    ("committee {a}", "a committee needs different models, found"),
    ("committee/driver first", "and there is none: add 'committee b.pt ...'"),
    ("committee {b} committee/driver second", "expects mean or first, found 'second'"),
    ("committee {b} variant/uncertainty x", "'variant/uncertainty' has no effect with a committee"),
    ("committee {b} committee/driver first uncertainty 1", "'uncertainty' looks at all members"),
    ("committee {b} uncertainty/forces -1", "expects a positive force in eV/Angstrom"),
    ("committee {no_direct} forces direct", "lennard_jones.pt' cannot give direct forces"),
    ("uncertainty/forces 1", "energy_ensemble"),
]


@pytest.mark.parametrize(("keywords", "message"), REFUSED)
def test_what_is_no_committee_is_refused(folder, box, tmp_path, keywords, message):
    names = {"a": "strong_curl", "b": "stand_in", "no_direct": "lennard_jones"}
    files = {name: folder / f"{file}.pt" for name, file in names.items()}
    text = f"pair_style mdbridge {files['a']} {keywords.format(**files)}\npair_coeff * * Ar\n"
    assert message in error_of(box + text + "run 0\n", tmp_path)


def test_an_element_that_one_member_lacks_is_named(folder, tmp_path):
    atoms = ATOMS.copy()
    atoms.symbols[0] = "Kr"
    style = pair(folder, ("stand_in", "strong_curl")).replace("* * Ar", "* * Ar Kr")
    text = tools.box_from_file(atoms, ["Ar", "Kr"], tmp_path / "box.data") + style
    message = error_of(text + "run 0\n", tmp_path)
    assert "element 'Kr' of atom type 2 is not in the model" in message
    assert "strong_curl.pt', which knows Ar" in message


def test_one_member_without_direct_forces_in_multiple_time_steps(folder, box, tmp_path):
    text = box + pair(folder, ("strong_curl", "lennard_jones")) + MOVE + RESPA
    assert "lennard_jones.pt' cannot give direct forces" in error_of(text + "run 0\n", tmp_path)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ("mdbridge/committee", "energy_ensemble"),
        ("mdbridge/atom forces_std", "energy_ensemble"),
        ("mdbridge/committee forces maybe", "expects 'forces yes' or 'forces no'"),
        ("mdbridge/committee energy", "expects 'forces yes' or 'forces no'"),
    ],
)
def test_computes_of_a_model_without_members(folder, box, tmp_path, compute, message):
    style = f"pair_style mdbridge {folder}/stand_in.pt\npair_coeff * * Ar\n"
    text = box + style + f"compute c all {compute}\nrun 0\n"
    assert message in error_of(text, tmp_path)


def test_committees_in_two_dimensions_and_hybrids(folder, tmp_path):
    """Forces along z are left out of a layer, and so are their deviations."""
    layer = ATOMS.copy()
    layer = layer[np.abs(layer.positions[:, 2] - layer.positions[0, 2]) < 1.0]
    layer.positions[:, 2] = 0.0
    layer.set_cell(np.diag(np.diag(layer.cell.array)))
    text = tools.box_from_file(layer, ["Ar"], tmp_path / "box.data", setup="dimension 2")
    lines = (
        (tmp_path / "box.data")
        .read_text()
        .replace(f"0 {layer.cell[2, 2]:.17g} zlo zhi", "-0.5 0.5 zlo zhi")
    )
    (tmp_path / "box.data").write_text(lines)
    style = pair(folder).replace("pair_style ", "pair_style hybrid/overlay ")
    style = style.replace("* * Ar", "* * mdbridge Ar")
    run(text + style + COMPUTES + f"run 0\nwrite_dump all custom end {DUMP}", tmp_path)
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    layer.pbc = (True, True, False)
    deviation = CommitteeCalculator(paths(folder)).get_property("forces_std", layer)
    np.testing.assert_allclose(end[:, 6:8], deviation[:, :2], rtol=0, atol=1e-10)
    assert (end[:, 8] == 0.0).all()
    assert deviation[:, :2].max() > 1e-3
