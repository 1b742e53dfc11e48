"""`pair_style mdbridge a.pt committee b.pt c.pt`: means and deviations, as ASE has them."""

import re

import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from argon_committees import (
    COMPUTES,
    DUMP,
    MEMBERS,
    MOVE,
    PRINT,
    RESPA,
    THERMO,
    M,
    numbers,
    pair,
    paths,
    run,
)
from argon_levels import ATOMS, INNER_STEP, MASSES, assert_same, forces_of, velocities

from md_bridge.ase import CommitteeCalculator, MDBridgeCalculator


def check_against_ase(folder, tmp_path, names=MEMBERS, tolerance=1e-10, **options):
    """The last frame, whose atoms are where the dump has them."""
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    atoms = ATOMS.copy()
    atoms.positions = end[:, :3]
    atoms.calc = calculator = CommitteeCalculator(paths(folder, names), **options)
    np.testing.assert_allclose(end[:, 3:6], atoms.get_forces(), rtol=0, atol=tolerance)
    deviation = calculator.get_property("forces_std", atoms)
    np.testing.assert_allclose(end[:, 6:], deviation, rtol=0, atol=tolerance)
    found = numbers(tmp_path)
    energy_std = calculator.get_property("energy_std", atoms)
    norms = np.linalg.norm(deviation, axis=1)
    assert np.ptp(norms) > 1e-3
    assert found["pe"] == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    assert found["energy_std"] == pytest.approx(energy_std, abs=1e-9)
    assert found["per_atom"] == pytest.approx(energy_std / len(atoms), abs=1e-10)
    assert found["scalar"] == found["largest"] == pytest.approx(norms.max(), abs=tolerance)
    assert found["smallest"] == pytest.approx(norms.min(), abs=tolerance)
    assert found["mean"] == pytest.approx(norms.mean(), abs=tolerance)
    assert found["id"] == 1 + np.argmax(norms)


@pytest.mark.parametrize("forces", ["conservative", "direct"])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_mean_and_deviations_as_in_ase(folder, box, tmp_path, ranks, forces):
    text = box + pair(folder, keywords=f"forces {forces}") + MOVE + COMPUTES + THERMO
    run(text + f"run 4\n{PRINT}write_dump all custom end {DUMP}", tmp_path, ranks)
    check_against_ase(folder, tmp_path, forces=forces)


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_mean_of_averages_over_orientations(folder, box, tmp_path, ranks):
    names = ("anisotropic_1", "stand_in")
    text = box + pair(folder, names, "symmetrize octahedral") + MOVE + COMPUTES + THERMO
    run(text + f"run 2\n{PRINT}write_dump all custom end {DUMP}", tmp_path, ranks)
    check_against_ase(folder, tmp_path, names, symmetrize="octahedral")


def mean_of(folder, kind):
    functions = [forces_of(path, kind) for path in paths(folder)]
    return lambda positions: np.mean([each(positions) for each in functions], axis=0)


@pytest.mark.parametrize("inner", ["", "other_curl"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_multiple_time_steps_of_the_mean(folder, box, tmp_path, ranks, inner):
    """The mean of the direct forces inside, or an inner model; the mean of the gradients outside;
    deviations at outer steps."""
    keywords = f"inner {folder / inner}.pt" if inner else ""
    text = box + pair(folder, keywords=keywords) + MOVE + RESPA + COMPUTES + THERMO
    velocity = "write_dump all custom velocities id vx vy vz modify sort id format float %.17g\n"
    run(text + f"run 8\n{PRINT}write_dump all custom end {DUMP}{velocity}", tmp_path, ranks)
    inside = forces_of(folder / f"{inner}.pt", "direct") if inner else mean_of(folder, "direct")
    frame = mts_reference.multiple_time_step(
        ATOMS.positions,
        velocities(),
        MASSES,
        mean_of(folder, "conservative"),
        inside,
        INNER_STEP,
        M,
        8,
    )[-1]
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    speeds = np.loadtxt(tmp_path / "velocities", skiprows=9)[:, 1:]
    assert_same(end[:, :3], speeds, frame)
    atoms = ATOMS.copy()
    atoms.positions = end[:, :3]
    deviation = CommitteeCalculator(paths(folder)).get_property("forces_std", atoms)
    np.testing.assert_allclose(end[:, 6:], deviation, rtol=0, atol=1e-10)
    assert numbers(tmp_path)["largest"] == pytest.approx(
        np.linalg.norm(deviation, axis=1).max(), abs=1e-10
    )


@pytest.mark.parametrize("style", ["run_style verlet\n", RESPA], ids=["verlet", "respa"])
def test_deviations_cost_no_evaluation_of_their_own(folder, box, tmp_path, style):
    """Of the members, whose forces drive: as many evaluations with computes as without."""

    def evaluations(computes, thermo):
        text = box + pair(folder, keywords="timing yes") + MOVE + style + computes + thermo
        out = run(text + "thermo 1\nrun 4\n", tmp_path)
        return re.search(r"^  evaluations .*$", out, flags=re.M)[0]

    plain = evaluations("", "thermo_style custom step pe\n")
    assert evaluations(COMPUTES + "dump d all custom 1 d id c_std[1]\n", THERMO) == plain


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_first_model_drives_if_it_is_told_to(folder, box, tmp_path, ranks):
    """The others are evaluated where their deviations are read: in no step but the last here."""
    keywords = "committee/driver first timing yes"
    text = box + pair(folder, keywords=keywords) + MOVE + COMPUTES
    out = run(text + f"run 4\n{PRINT}write_dump all custom end {DUMP}", tmp_path, ranks)
    assert "of which the first one drives" in out
    assert re.search(r"^  evaluations 5$", out, flags=re.M), out
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    atoms = ATOMS.copy()
    atoms.positions = end[:, :3]
    atoms.calc = MDBridgeCalculator(paths(folder)[0])
    np.testing.assert_allclose(end[:, 3:6], atoms.get_forces(), rtol=0, atol=1e-10)
    committee = CommitteeCalculator(paths(folder))
    deviation = committee.get_property("forces_std", atoms)
    np.testing.assert_allclose(end[:, 6:], deviation, rtol=0, atol=1e-10)
    found = numbers(tmp_path)
    assert found["energy_std"] == pytest.approx(
        committee.get_property("energy_std", atoms), abs=1e-9
    )


def test_pressure_and_virials_of_atoms_are_those_of_the_mean(folder, box, tmp_path):
    """Of members with pair lists of their own."""
    names = ("strong_curl", "stand_in")
    virials = """
        compute v all stress/atom NULL
        compute c all centroid/stress/atom NULL
        """
    names_of = "id " + " ".join(
        f"c_{n}[{k}]" for n, top in (("v", 6), ("c", 9)) for k in range(1, top + 1)
    )
    dump = f"write_dump all custom end {names_of} modify sort id format float %.17g\n"
    state = 'print "$(pxx:%.17g) $(pxy:%.17g) $(pzz:%.17g) $(pe:%.17g)" file press\n'

    def of(style):
        run(box + style + MOVE + virials + f"run 0\n{dump}{state}", tmp_path)
        return np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:], np.loadtxt(tmp_path / "press")

    alone = [
        of(f"pair_style mdbridge {path} threads 1\npair_coeff * * Ar\n")
        for path in paths(folder, names)
    ]
    atoms, state_of_all = of(pair(folder, names))
    np.testing.assert_allclose(
        atoms, np.mean([one[0] for one in alone], axis=0), rtol=1e-9, atol=1e-6
    )
    np.testing.assert_allclose(state_of_all, np.mean([one[1] for one in alone], axis=0), rtol=1e-9)
    assert np.abs(alone[0][0] - alone[1][0]).max() > 1.0


def test_units_of_lammps(folder, tmp_path):
    commands = tools.box_from_file(ATOMS, ["Ar"], tmp_path / "box.data", units="real")
    text = commands + pair(folder) + COMPUTES + THERMO
    run(text + f"run 0\n{PRINT}write_dump all custom end {DUMP}", tmp_path)
    committee = CommitteeCalculator(paths(folder))
    deviation = committee.get_property("forces_std", ATOMS)
    end = np.loadtxt(tmp_path / "end", skiprows=9)[:, 1:]
    np.testing.assert_allclose(end[:, 6:], deviation * tools.KCAL_PER_MOL, rtol=1e-7, atol=1e-10)
    assert numbers(tmp_path)["energy_std"] == pytest.approx(
        committee.get_property("energy_std", ATOMS) * tools.KCAL_PER_MOL, rel=1e-7
    )


def test_the_numbers_of_a_group(folder, box, tmp_path):
    text = box + pair(folder) + "group few id 3 5\ncompute dev few mdbridge/committee\n" + THERMO
    run(text + f"run 0\n{PRINT}", tmp_path, 2)
    deviation = CommitteeCalculator(paths(folder)).get_property("forces_std", ATOMS)
    norms = np.linalg.norm(deviation[[2, 4]], axis=1)
    found = numbers(tmp_path)
    assert found["largest"] == pytest.approx(norms.max(), abs=1e-10)
    assert found["smallest"] == pytest.approx(norms.min(), abs=1e-10)
    assert found["id"] == (3, 5)[np.argmax(norms)]
