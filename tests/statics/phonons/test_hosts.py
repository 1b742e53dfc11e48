"""One matrix of force constants from our differences, LAMMPS, i-PI and autograd."""

import crystals_silicon
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation

from md_bridge.errors import ArgumentError
from md_bridge.forces import FORCES
from md_bridge.model_options import ModelOptions
from md_bridge.processes import RunError
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.crystal import make_crystal
from md_bridge.statics.phonons.force_constants import finite_differences
from md_bridge.statics.phonons.hosts import HOSTS, host_force_constants
from md_bridge.statics.phonons.hosts.cells import triangular, turned_back
from md_bridge.statics.phonons.hosts.lammps import dynamical_matrix
from md_bridge.statics.rows import Row

STEP = 2e-4
"""Å: the error of the differences is far below 1e-6."""
OPTIONS = ModelOptions(threads=1)


def differences(path, row, supercell, step=STEP):
    """Φ_{iα,jβ} = −∂F_{iα}/∂u_{jβ} by the engine."""
    structures = []
    for j in range(3 * len(supercell)):
        for sign in (1.0, -1.0):
            moved = supercell.copy()
            moved.positions[j // 3, j % 3] += sign * step
            structures.append(moved)
    found = Evaluator(path, OPTIONS, row)(structures)
    forces = np.array([each.forces.ravel() for each in found])
    return -(forces[::2] - forces[1::2]).T / (2.0 * step)


def assert_same(found, expected, tolerance=1e-6):
    assert found.shape == expected.shape
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert difference < tolerance


def alloy():
    """Argon and krypton, rattled, in a cell with angles of 60° that need not be turned."""
    atoms = bulk("Ar", "fcc", a=5.4).repeat(2)
    atoms.symbols[[1, 2, 6]] = "Kr"
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture(scope="module")
def anisotropic(tmp_path_factory):
    """Sees how the crystal is turned; its direct forces have no potential."""
    model = models.anisotropic({2: 2e-3, 4: 1e-3}, axis=(1.0, 2.0, 3.0))
    return model.export(tmp_path_factory.mktemp("anisotropic") / "a, model.pt")


@pytest.mark.parametrize(
    ("host", "forces"),
    [(host, kind) for host in HOSTS for kind in FORCES if (host, kind) != ("lammps", "direct")],
)
def test_one_matrix_from_all_hosts(anisotropic, host, forces):
    """T-P8, for a matrix that is not symmetric where forces are direct."""
    row, told = Row(forces), []
    expected = differences(anisotropic, row, alloy())
    asymmetry = np.linalg.norm(expected - expected.T) / np.linalg.norm(expected)
    assert (asymmetry > 1e-2) == (forces == "direct")
    found = host_force_constants(
        host, anisotropic, OPTIONS, row, alloy(), STEP, lambda *counts: told.append(counts)
    )
    assert_same(found, expected)
    assert all(0 <= done <= total == 24 for done, total in told)


@pytest.mark.parametrize("host", HOSTS)
def test_rows_of_the_primitive_cell(tmp_path, host):
    """As the phonons of a crystal take them, from our differences and from a host."""
    path = models.curl(size=0.0).export(tmp_path / "pairs.pt")
    crystal = make_crystal(bulk("Ar", "fcc", a=5.24, cubic=True), (2, 1, 1))
    row = Row("conservative")
    expected = finite_differences(Evaluator(path, OPTIONS, row), crystal, STEP)
    full = host_force_constants(host, path, OPTIONS, row, crystal.supercell, STEP)
    assert_same(crystal.compact(full), expected)


@pytest.mark.parametrize("host", HOSTS)
def test_averages_over_copies(anisotropic, host):
    row, atoms = Row("conservative", "octahedral"), alloy()[:2]
    found = host_force_constants(host, anisotropic, OPTIONS, row, atoms, STEP)
    assert_same(found, differences(anisotropic, row, atoms))


def test_a_crystal_that_has_to_be_turned(tmp_path):
    path = models.curl(size=2e-3).export(tmp_path / "curl.pt")
    q = Rotation.random(random_state=4).as_matrix()
    atoms = bulk("Ar", "fcc", a=5.3).repeat(2)
    atoms.rattle(0.1, seed=2)
    atoms.set_cell(atoms.cell.array @ q.T, scale_atoms=True)
    row = Row("conservative")
    found = host_force_constants("lammps", path, OPTIONS, row, atoms, STEP)
    assert_same(found, differences(path, row, atoms))


def test_argon_as_lammps_has_it(tmp_path):
    """The same potential as ``lj/cut``, far from where it is cut; frequencies to 1e-4, too."""
    path = crystals_silicon.argon_model().export(tmp_path / "argon.pt")
    atoms = crystals_silicon.argon().repeat(2)
    expected = dynamical_matrix(atoms, crystals_silicon.pair_lj(), 0.01)
    found = differences(path, Row("conservative"), atoms, 0.01)
    assert_same(found, expected, 1e-4)
    assert_same(np.linalg.eigvalsh(found)[3:], np.linalg.eigvalsh(expected)[3:], 1e-4)
    assert_same(
        host_force_constants("lammps", path, OPTIONS, Row("conservative"), atoms, 0.01),
        expected,
        1e-8,
    )


@pytest.fixture(scope="module")
def silicon(tmp_path_factory):
    path = tmp_path_factory.mktemp("silicon") / "sw.pt"
    return crystals_silicon.stillinger_weber().export(path)


def test_energy_and_forces_of_silicon(silicon):
    """The exported model is ``pair_style sw``, at a strained and rattled crystal."""
    atoms = crystals_silicon.silicon()
    atoms.set_cell(atoms.cell.array @ [[0.98, 0.01, 0], [0, 1.01, 0.02], [0, 0, 0.97]], True)
    atoms.rattle(0.15, seed=3)
    expected = crystals_silicon.native(atoms, crystals_silicon.pair_sw())
    (found,) = Evaluator(silicon, OPTIONS, Row("conservative"))([atoms], stress=True)
    assert found.energy == pytest.approx(expected.energy, rel=1e-12)
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-10)
    np.testing.assert_allclose(found.stress, expected.pressure, rtol=0, atol=1e-8)


def test_silicon_as_lammps_has_it(silicon):
    atoms = crystals_silicon.silicon()
    expected = dynamical_matrix(atoms, crystals_silicon.pair_sw(), 0.01)
    found = differences(silicon, Row("conservative"), atoms, 0.01)
    assert_same(found, expected, 1e-4)
    assert_same(np.linalg.eigvalsh(found)[3:], np.linalg.eigvalsh(expected)[3:], 1e-4)


@pytest.mark.parametrize(
    "cell",
    [
        bulk("Si", "diamond", a=5.431).cell.array,
        bulk("Fe", "bcc", a=2.87).cell.array,
        bulk("Al", "fcc", a=4.05).repeat((2, 3, 1)).cell.array,
        bulk("Al", "fcc", a=4.05).cell.array[[1, 0, 2]],  # left-handed
    ],
)
def test_cells_along_the_axes_are_not_turned(cell):
    atoms = Atoms("Si", positions=[[0.1, 0.2, 0.3]], cell=cell, pbc=True)
    found, rotation = triangular(atoms)
    np.testing.assert_array_equal(rotation, np.eye(3))
    np.testing.assert_array_equal(found.positions, atoms.positions)
    new = found.cell.array
    np.testing.assert_array_equal(np.triu(new, 1), 0.0)
    assert np.all(np.diag(new) > 0.0)
    change = np.linalg.solve(cell.T, new.T).T
    np.testing.assert_allclose(change, np.round(change), atol=1e-9)
    assert abs(np.linalg.det(change)) == pytest.approx(1.0)


@pytest.mark.parametrize("left_handed", [False, True])
def test_other_cells_are_turned(left_handed):
    q = Rotation.random(random_state=5).as_matrix()
    cell = np.array([[3.0, 0.2, 0.1], [0.3, 4.0, 0.5], [0.7, 0.6, 5.0]]) @ q.T
    cell = cell[[1, 0, 2]] if left_handed else cell
    atoms = Atoms("Si", positions=[[0.1, 0.2, 0.3]], cell=cell, pbc=True)
    found, rotation = triangular(atoms)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(found.positions, atoms.positions @ rotation.T, atol=1e-12)
    assert np.all(np.diag(found.cell.array) > 0.0)


def test_turned_back():
    q = Rotation.random(random_state=6).as_matrix()
    matrix = np.random.default_rng(7).normal(size=(6, 6))
    both = np.kron(np.eye(2), q)
    np.testing.assert_allclose(turned_back(both @ matrix @ both.T, q), matrix, atol=1e-12)


def test_an_unknown_host(anisotropic):
    with pytest.raises(ArgumentError, match="did you mean 'lammps'"):
        host_force_constants("lamps", anisotropic, OPTIONS, Row("direct"), alloy(), STEP)


def test_lammps_takes_conservative_forces_only(anisotropic):
    with pytest.raises(ArgumentError, match="choose the host phonopy, i-pi or autograd"):
        host_force_constants("lammps", anisotropic, OPTIONS, Row("direct"), alloy(), STEP)


@pytest.mark.parametrize("host", HOSTS)
def test_what_cannot_be_displaced(anisotropic, host):
    atoms = alloy()
    with pytest.raises(StaticsError, match="a displacement is a length"):
        host_force_constants(host, anisotropic, OPTIONS, Row("conservative"), atoms, 0.0)
    atoms.pbc = [True, True, False]
    with pytest.raises(StaticsError, match="periodic in all three"):
        host_force_constants(host, anisotropic, OPTIONS, Row("conservative"), atoms, STEP)


@pytest.mark.parametrize("host", ["lammps", "i-pi"])
def test_a_program_that_fails_is_quoted(anisotropic, host):
    atoms = Atoms("Xe", cell=[5.0] * 3, pbc=True)
    with pytest.raises(RunError, match="Xe"):
        host_force_constants(host, anisotropic, OPTIONS, Row("conservative"), atoms, STEP)
