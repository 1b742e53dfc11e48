"""Lennard-Jones through our own export and pair style equals LAMMPS's lj/cut."""

import lammps_tools as tools
import models
import numpy as np
import pytest

TOLERANCE = 1e-10

ARGON = models.ARGON
LJ_CUT = (
    f"pair_style lj/cut {ARGON['cutoff']}\npair_coeff * * {ARGON['epsilon']} {ARGON['sigma']}\n"
)

BOXES = {
    "orthogonal": {"cells": (3, 3, 3)},
    "smaller than the cutoff": {"cells": (1, 1, 1)},
    "smaller than the cutoff, one way": {"cells": (1, 2, 3)},
    "triclinic": {"cells": (2, 2, 2), "tilt": (2.0, -1.5, 3.0)},
    "triclinic and strongly tilted": {"cells": (2, 2, 2), "tilt": (9.0, -7.0, 8.0)},
    "triclinic and smaller than the cutoff": {"cells": (1, 1, 1), "tilt": (1.0, 2.0, -1.3)},
}


def ours(path, elements="Ar", keywords="") -> str:
    return f"pair_style mdbridge {path} threads 1 {keywords}\npair_coeff * * {elements}\n"


def assert_equal(found: tools.Results, expected: tools.Results) -> None:
    scale = max(1.0, abs(expected.energy))
    assert found.energy == pytest.approx(expected.energy, abs=TOLERANCE * scale)
    np.testing.assert_allclose(found.forces, expected.forces, atol=TOLERANCE, rtol=TOLERANCE)
    scale = max(1.0, np.abs(expected.pressure).max())
    np.testing.assert_allclose(found.pressure, expected.pressure, atol=TOLERANCE * scale, rtol=0)


@pytest.mark.parametrize("shape", BOXES)
def test_periodic_boxes(model_file, shape):
    atoms = tools.argon(**BOXES[shape])
    expected = tools.evaluate(atoms, LJ_CUT, ["Ar"])
    assert np.abs(expected.forces).max() > 1e-3
    assert_equal(tools.evaluate(atoms, ours(model_file("lennard_jones")), ["Ar"]), expected)


@pytest.mark.parametrize("boundary", ["p p f", "p f f", "f p s", "f f f", "s s s", "m p m"])
@pytest.mark.parametrize("tilt", [0.0, 1.2])
def test_open_directions(model_file, boundary, tilt):
    if tilt and boundary.split()[1] != "p":
        pytest.skip("LAMMPS wants the second direction of a tilt periodic")
    atoms = tools.argon(cells=(2, 1, 2), tilt=(tilt, 0.0, 0.0))
    atoms.positions += 1e-3  # off the faces of the box
    expected = tools.evaluate(atoms, LJ_CUT, ["Ar"], boundary=boundary)
    found = tools.evaluate(atoms, ours(model_file("lennard_jones")), ["Ar"], boundary=boundary)
    assert_equal(found, expected)


@pytest.mark.parametrize("units", ["metal", "real"])
def test_units_and_elements(model_file, units):
    factor = tools.KCAL_PER_MOL if units == "real" else 1.0
    parameters = models.ARGON_KRYPTON
    atoms = tools.argon(cells=(2, 2, 2))
    atoms.symbols[::3] = "Kr"
    lines = ["pair_style lj/cut 8.5"]
    for i, j in ((0, 0), (0, 1), (1, 1)):
        epsilon, sigma, cutoff = (parameters[key][i][j] for key in ("epsilon", "sigma", "cutoff"))
        # types in the order krypton, argon
        lines.append(f"pair_coeff {2 - j} {2 - i} {epsilon * factor:.17g} {sigma} {cutoff}")
    expected = tools.evaluate(atoms, "\n".join(lines), ["Kr", "Ar"], units=units)
    pair = ours(model_file("lennard_jones_mixture"), "Kr Ar")
    assert_equal(tools.evaluate(atoms, pair, ["Kr", "Ar"], units=units), expected)


@pytest.mark.parametrize(
    ("units", "length", "energy"),
    [
        ("electron", 1 / 0.529177210903, 1 / 27.211386245988),
        ("si", 1e-10, 1.602176634e-19),
    ],
)
def test_units_of_other_lengths(model_file, units, length, energy):
    dimer = f"""
        units {units}
        atom_modify map array
        region box block 0 {30 * length} 0 {30 * length} 0 {30 * length}
        create_box 1 box
        mass 1 {39.948 if units == "electron" else 6.63e-26}
        create_atoms 1 single {length} {length} {length} units box
        create_atoms 1 single {4.6 * length} {length} {length} units box
        neighbor {length} bin
        """
    with tools.lammps(dimer, ours(model_file("lennard_jones")), "run 0") as lmp:
        found = tools.results(lmp)
    sr6 = (3.4 / 3.6) ** 6
    expected_energy = 4 * 0.0104 * (sr6**2 - sr6)
    expected_force = 24 * 0.0104 * (2 * sr6**2 - sr6) / 3.6
    assert found.energy == pytest.approx(expected_energy * energy, rel=1e-9)
    assert found.forces[1, 0] == pytest.approx(expected_force * energy / length, rel=1e-9)


@pytest.mark.parametrize("newton", ["on", "off"])
@pytest.mark.parametrize("shape", ["orthogonal", "triclinic"])
def test_trajectory(model_file, shape, newton):
    atoms = tools.argon(**BOXES[shape])
    run = "velocity all create 150 7\nneighbor 0.5 bin\nneigh_modify every 1 delay 0\nrun 60\n"
    found, expected = (
        trajectory_end(atoms, pair, run, setup=f"newton {newton}\natom_modify sort 3 2.5")
        for pair in (ours(model_file("lennard_jones")), LJ_CUT)
    )
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-9)
    assert found.energy == pytest.approx(expected.energy, abs=1e-9)


def trajectory_end(atoms, pair, run, **options) -> tools.Results:
    with tools.lammps(tools.box(atoms, ["Ar"], **options), pair, run) as lmp:
        return tools.results(lmp)


def test_changing_box(model_file):
    atoms = tools.argon(cells=(2, 2, 2), tilt=(2.0, 1.0, 0.5))
    run = """
        velocity all create 80 7
        neighbor 0.5 bin
        unfix nve
        fix npt all npt temp 80 80 0.1 tri 0 0 0.5
        timestep 0.002
        run 100
        unfix npt
        fix nve all nve
        fix deform all deform 1 xy erate 2.0 x erate 0.5 remap v
        run 100
        """
    found, expected = (
        trajectory_end(atoms, pair, run) for pair in (ours(model_file("lennard_jones")), LJ_CUT)
    )
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-8)
    np.testing.assert_allclose(found.pressure, expected.pressure, rtol=1e-8)


def test_energies_per_atom(model_file):
    atoms = tools.argon()
    setup = "compute pe all pe/atom\nrun 0"
    energies = []
    for pair in (LJ_CUT, ours(model_file("lennard_jones"))):
        with tools.lammps(tools.box(atoms, ["Ar"]), pair, setup) as lmp:
            energies.append(np.array(lmp.gather("c_pe", 1, 1)))
    np.testing.assert_allclose(energies[1], energies[0], atol=TOLERANCE)


def test_atoms_are_sorted_in_these_tests(model_file):
    """As for users, who leave LAMMPS's default: results are compared by ID."""
    with tools.lammps(tools.box(tools.argon(), ["Ar"]), ours(model_file("lennard_jones"))) as lmp:
        lmp.command("run 0")
        ids = lmp.numpy.extract_atom("id")[: lmp.get_natoms()]
        assert not np.array_equal(ids, np.sort(ids))


def test_minimize(model_file):
    atoms = tools.argon()
    minimize = "minimize 1e-12 1e-8 200 1000"
    found, expected = (
        trajectory_end(atoms, pair, minimize)
        for pair in (ours(model_file("lennard_jones")), LJ_CUT)
    )
    assert found.energy == pytest.approx(expected.energy, abs=1e-7)
    start = tools.evaluate(atoms, LJ_CUT, ["Ar"])
    assert found.energy < start.energy - 0.1


def test_no_atom_map_needed(model_file):
    atoms = tools.argon(cells=(1, 1, 1))
    script = tools.box(atoms, ["Ar"]).replace("atom_modify map array", "")
    with tools.lammps(script, LJ_CUT, "run 0") as lmp:
        expected = lmp.get_thermo("pe")
    with tools.lammps(script, ours(model_file("lennard_jones")), "run 0") as lmp:
        assert lmp.get_thermo("pe") == pytest.approx(expected, abs=TOLERANCE)
