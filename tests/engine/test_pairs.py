"""Verlet pair lists: complete at every step, and rebuilt no more often than needed."""

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from md_bridge.engine import EngineError, Pairs, Structure


def structure(positions, cell, periodic=(True, True, True)):
    periodic = np.asarray(periodic)
    cell = np.where(periodic[:, None], cell, 0.0)
    return Structure(np.full(len(positions), 18), positions, cell, periodic.tolist())


def reference(positions, cell, periodic, cutoff):
    """The pairs that ASE finds, as a set of (i, j, shift)."""
    from ase import Atoms

    atoms = Atoms(numbers=[18] * len(positions), positions=positions, cell=cell, pbc=periodic)
    i, j, shifts = neighbor_list("ijS", atoms, cutoff)
    return {(int(a), int(b), *map(int, s)) for a, b, s in zip(i, j, shifts, strict=True)}


def found(pairs, system, cutoff, full=True):
    labels, vectors = pairs.select(system, cutoff, full)
    as_set = {tuple(int(x) for x in row) for row in labels}
    assert len(as_set) == len(labels), "a pair is listed twice"
    expected = (
        system.positions[labels[:, 1]]
        - system.positions[labels[:, 0]]
        + labels[:, 2:] @ system.cell
    )
    np.testing.assert_allclose(vectors, expected, atol=1e-12)
    return as_set


CELLS = {
    "orthogonal": np.diag([9.0, 10.0, 11.0]),
    "triclinic": np.array([[9.0, 0.0, 0.0], [3.0, 9.5, 0.0], [-2.0, 4.0, 10.0]]),
    "smaller than the cutoff": np.array([[3.0, 0.0, 0.0], [0.5, 3.2, 0.0], [0.0, -0.4, 3.4]]),
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("periodic", [(1, 1, 1), (1, 1, 0), (0, 1, 0), (0, 0, 0)])
def test_same_pairs_as_ase_while_atoms_and_cell_move(cell, periodic):
    rng = np.random.default_rng(0)
    periodic = np.asarray(periodic, dtype=bool)
    cutoff = 4.0
    positions = rng.uniform(0, 1, (12, 3)) @ cell
    pairs = Pairs(skin=1.0)
    for _ in range(40):
        system = structure(positions, cell, periodic)
        pairs.update(system, cutoff)
        assert found(pairs, system, cutoff) == reference(
            positions, np.where(periodic[:, None], cell, 0), periodic, cutoff
        )
        positions = positions + rng.normal(0, 0.05, positions.shape)
        strain = np.eye(3) + rng.normal(0, 0.002, (3, 3))
        cell = cell @ strain
        positions = positions @ strain
    assert pairs.reuses > pairs.builds > 1


def test_half_list_holds_each_pair_once():
    rng = np.random.default_rng(1)
    cell = CELLS["smaller than the cutoff"]
    system = structure(rng.uniform(0, 1, (4, 3)) @ cell, cell)
    pairs = Pairs(0.5)
    pairs.update(system, 4.0)
    full, half = found(pairs, system, 4.0), found(pairs, system, 4.0, full=False)
    mirrored = {(j, i, -a, -b, -c) for i, j, a, b, c in half}
    assert not half & mirrored
    assert half | mirrored == full


def test_list_is_reused_until_two_atoms_have_together_moved_by_the_skin():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    start = atoms.positions.copy()
    pairs = Pairs(skin=1.0)
    assert pairs.update(structure(start, atoms.cell.array), 4.0)
    moved = start.copy()
    moved[:2, 0] += [0.499, -0.499]
    assert not pairs.update(structure(moved, atoms.cell.array), 4.0)
    moved[:2, 0] += [0.002, -0.002]
    assert pairs.update(structure(moved, atoms.cell.array), 4.0)


def test_atoms_that_moved_by_less_than_half_the_skin_keep_the_list():
    """Also if most move together and a few against them: LAMMPS relies on it."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    pairs = Pairs(skin=1.0)
    assert pairs.update(structure(atoms.positions, atoms.cell.array), 4.0)
    moved = atoms.positions + np.array([0.49, 0.0, 0.0])
    moved[:2, 0] -= 0.98
    assert not pairs.update(structure(moved, atoms.cell.array), 4.0)


def test_translation_and_dilation_about_any_point_do_not_rebuild():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    pairs = Pairs(skin=1.0)
    assert pairs.update(structure(atoms.positions, atoms.cell.array), 4.0)
    moved = 1.01 * (atoms.positions - 30.0) + 30.0 + [3.0, -5.0, 7.0]
    assert not pairs.update(structure(moved, 1.01 * atoms.cell.array), 4.0)


def test_images_that_a_shrinking_cell_brings_near_are_found():
    """The atom itself never moves; only its images do."""
    pairs = Pairs(skin=1.0)
    assert pairs.update(structure([[0.0, 0.0, 0.0]], 5.2 * np.eye(3)), 4.0)
    for length in (4.8, 4.4, 4.05, 3.95):
        shrunk = structure([[0.0, 0.0, 0.0]], length * np.eye(3))
        pairs.update(shrunk, 4.0)
        assert len(found(pairs, shrunk, 4.0)) == (6 if length < 4.0 else 0)


def test_changed_cutoff_periodicity_or_size_rebuilds():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    pairs = Pairs(skin=1.0)
    whole = structure(atoms.positions, atoms.cell.array)
    assert pairs.update(whole, 4.0)
    assert pairs.update(whole, 4.5)
    assert pairs.update(structure(atoms.positions, atoms.cell.array, (1, 1, 0)), 4.5)
    assert pairs.update(structure(atoms.positions[:-1], atoms.cell.array, (1, 1, 0)), 4.5)


def test_zero_skin_rebuilds_every_time():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    pairs = Pairs(0.0)
    system = structure(atoms.positions, atoms.cell.array)
    assert pairs.update(system, 4.0)
    assert pairs.update(system, 4.0)


def test_negative_skin_is_refused():
    with pytest.raises(EngineError, match="skin of a pair list must be a length of at least 0"):
        Pairs(-1.0)


@pytest.mark.parametrize(
    ("positions", "cell", "periodic", "message"),
    [
        ([[0.0, 0.0, np.nan]], np.eye(3), (1, 1, 1), "position of atom 0 .* is not finite"),
        ([[0.0, 0.0, 0.0]], np.diag([1.0, 0.0, 1.0]), (1, 1, 1), "lattice vector 2 is zero"),
        ([[0.0, 0.0, 0.0]], np.ones((3, 3)), (1, 1, 1), "cell has no volume"),
    ],
)
def test_impossible_structures_are_refused(positions, cell, periodic, message):
    with pytest.raises(EngineError, match=message):
        structure(np.array(positions), cell, periodic)


def test_pairs_come_in_the_order_of_their_first_atoms():
    """Built or provided: some networks take rows of one atom for neighbours in the list."""
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (2, 1, 1)
    atoms.rattle(0.1, seed=3)
    system = structure(atoms.positions, atoms.cell.array)
    built = Pairs(0.5)
    built.update(system, 4.0)
    labels, vectors = built.select(system, 4.0)
    assert np.all(np.diff(labels[:, 0]) >= 0)
    given = Pairs(0.0)
    order = np.random.default_rng(1).permutation(len(labels))
    given.provide(labels[order])
    ours, our_vectors = given.select(system, 4.0)
    # within an atom the order of the host stays
    expected = np.concatenate([[p for p in order if labels[p, 0] == i] for i in range(len(atoms))])
    np.testing.assert_array_equal(ours, labels[expected])
    np.testing.assert_allclose(our_vectors, vectors[expected])
    given.provide(np.empty((0, 5), dtype=np.int32))
    assert len(given.select(system, 4.0)[0]) == 0
