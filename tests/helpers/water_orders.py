"""Water in several sizes, and orders of its atoms: what rounding errors of a PET depend on."""

import numpy as np
from ase import Atoms
from ase.io import read

from md_bridge._paths import DATA
from md_bridge.engine import Pairs, structure_from_ase


def rattled(atoms: Atoms) -> Atoms:
    """The atoms, moved by 0.02 Å at random, always the same way."""
    atoms.rattle(0.02, rng=np.random.default_rng(11))
    return atoms


def waters() -> list[Atoms]:
    """81, 192 and 648 atoms."""
    start = read(DATA / "water-start.xyz")
    return [
        rattled(start.copy()),
        rattled(read(DATA / "water-192.xyz")),
        rattled(start * (2, 2, 2)),
    ]


def orders(atoms: Atoms) -> list[np.ndarray]:
    """Ways to number the atoms: as they are, backwards, and two that begin with a covalent bond.

    The first pair of these is long, so that an adaptive cutoff drops it.
    """
    count = len(atoms)
    found = [np.arange(count), np.arange(count)[::-1]]
    for oxygen in (3, 30):
        distances = atoms.get_distances(oxygen, np.arange(count), mic=True)
        far = int(np.flatnonzero((distances > 3.0) & (distances < 3.9))[0])
        hydrogen = int(np.flatnonzero((distances > 0.5) & (distances < 1.2))[0])
        first = [oxygen, far, hydrogen]
        found.append(np.array(first + [i for i in range(count) if i not in first]))
    return found


def bond_first(atoms: Atoms, cutoff: float) -> Pairs:
    """A pair list that begins with a covalent bond: the worst for a padding with that pair."""
    structure = structure_from_ase(atoms)
    built = Pairs(0.0)
    built.update(structure, cutoff)
    labels, vectors = built.select(structure, cutoff)
    of_first = np.flatnonzero(labels[:, 0] == 0)
    bond = of_first[np.argmin(np.linalg.norm(vectors[of_first], axis=1))]
    pairs = Pairs(0.0)
    pairs.provide(np.concatenate([labels[bond : bond + 1], np.delete(labels, bond, axis=0)]))
    return pairs


def forces_of(engine, atoms: Atoms, order: np.ndarray, pairs: Pairs | None = None) -> np.ndarray:
    """Conservative forces with the atoms in this order, in the original order."""
    structure = structure_from_ase(atoms[order])
    found = engine.evaluate(structure, pairs, conservative_forces=True)
    forces = np.empty_like(found.conservative_forces)
    forces[order] = found.conservative_forces
    return forces
