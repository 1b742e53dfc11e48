"""Structures for the checks, made for any set of elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ase
import numpy as np
from ase.data import covalent_radii

__all__ = [
    "ball",
    "choose_elements",
    "chosen",
    "cluster",
    "droplet",
    "lattice",
    "spacing",
    "star",
]

_COMMON = (1, 6, 8, 7, 14, 26, 29, 13)  # preferred, where a model knows many elements


def choose_elements(atomic_types: Sequence[int], most: int = 3) -> list[int]:
    """Some of the elements of a model, common ones first.

    :param atomic_types: atomic numbers of all of them
    :param most: so many at most
    :returns: atomic numbers
    """
    common = [number for number in _COMMON if number in atomic_types]
    return [*common, *[n for n in atomic_types if n not in common]][:most]


def chosen(
    known: Sequence[int], structures: Sequence[ase.Atoms] | None
) -> tuple[list[int], list[ase.Atoms]]:
    """What a model is checked on: the structures given, or some that are made up.

    :param known: atomic numbers that the model knows
    :param structures: of those elements; None: a lattice and a cluster are made
    :returns: atomic numbers for further structures, and structures
    """
    if structures is None:
        elements = choose_elements(known)
        return elements, [lattice(elements), cluster(elements)]
    used = {int(number) for atoms in structures for number in atoms.numbers}
    return choose_elements(sorted(used) or known), list(structures)


def spacing(elements: Sequence[int]) -> float:
    """A distance between atoms, in Å, that is neither a bond nor a collision.

    :param elements: atomic numbers
    """
    return float(max(2.0, 2.6 * np.mean([covalent_radii[number] for number in elements])))


def lattice(elements: Sequence[int], side: int = 3, seed: int = 0) -> ase.Atoms:
    """A jittered, slightly triclinic periodic lattice of side³ atoms in shuffled order.

    :param elements: atomic numbers, which alternate
    :param side: atoms along each cell vector
    :param seed: of jitter, cell and order
    """
    generator = np.random.default_rng(seed)
    step = spacing(elements)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return ase.Atoms(
        numbers=generator.permutation(np.resize(elements, len(grid))),
        positions=step * (grid + generator.uniform(-0.15, 0.15, grid.shape)),
        cell=side * step * (np.eye(3) + generator.uniform(-0.05, 0.05, (3, 3))),
        pbc=True,
    )


def cluster(elements: Sequence[int], seed: int = 1) -> ase.Atoms:
    """Eight atoms, not periodic.

    :param elements: atomic numbers, which alternate
    :param seed: of their jitter
    """
    atoms = lattice(elements, side=2, seed=seed)
    atoms.pbc = False
    atoms.cell = np.zeros((3, 3))
    return atoms


def ball(
    elements: Sequence[int], radius: float, largest_spacing: float, most: int = 500, seed: int = 2
) -> ase.Atoms:
    """Atoms on a jittered grid within ``radius`` (Å) of the first atom, which is at the origin.

    The grid is as wide as it takes to have about ``most`` atoms, but not wider than
    ``largest_spacing``, so that each atom keeps neighbours.

    :param elements: atomic numbers, which alternate
    :param radius: of the ball, Å
    :param largest_spacing: of the grid, Å
    :param most: number of atoms aimed at
    :param seed: of their jitter
    """
    generator = np.random.default_rng(seed)
    wanted = (4 / 3 * np.pi * radius**3 / most) ** (1 / 3)
    step = max(spacing(elements), min(wanted, largest_spacing))
    count = int(np.ceil(radius / step))
    axis = np.arange(-count, count + 1)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = step * (grid + generator.uniform(-0.15, 0.15, grid.shape))
    positions[(grid == 0).all(axis=1)] = 0.0
    distances = np.linalg.norm(positions, axis=1)
    order = np.argsort(distances, kind="stable")
    positions = positions[order][distances[order] < radius]
    return ase.Atoms(numbers=np.resize(elements, len(positions)), positions=positions)


def star(elements: Sequence[int], radius: float, cutoff: float) -> ase.Atoms:
    """An atom at the origin and six arms of atoms that have two neighbours each, far apart.

    Where atoms are few, adaptive cutoffs are at their largest, so information travels as far as it
    ever does: 0.85 to 0.95 of the cutoff from atom to atom.

    :param elements: atomic numbers, which alternate along each arm
    :param radius: length of the arms, Å
    :param cutoff: of the model, Å
    """
    positions = [np.zeros(3)]
    numbers = [elements[0]]
    for arm, step in enumerate(cutoff * np.linspace(0.85, 0.95, 6)):
        direction = np.eye(3)[arm % 3] * (1 if arm < 3 else -1)
        for place in range(1, int(radius / step) + 1):
            positions.append(place * step * direction)
            numbers.append(elements[place % len(elements)])
    return ase.Atoms(numbers=numbers, positions=positions)


def droplet(
    elements: Sequence[int], apart: float, molecules: int = 8, vapour: int = 64, seed: int = 3
) -> ase.Atoms:
    """Two-atomic molecules side by side, and a vapour of atoms that have no neighbours.

    :param elements: atomic numbers, drawn at random for the molecules
    :param apart: distance between the atoms of the vapour, Å
    :param molecules: in the droplet, each as long as a bond
    :param vapour: number of atoms without neighbours
    :param seed: of elements and directions
    """
    generator = np.random.default_rng(seed)
    side = math.ceil(molecules ** (1 / 3))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    pairs = generator.choice(elements, (molecules, 2))
    bonds = np.sum([[covalent_radii[number] for number in pair] for pair in pairs], axis=1)
    directions = generator.standard_normal((molecules, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    first = (1.2 * bonds.max() + 1.5) * grid[:molecules]
    second = first + bonds[:, None] * directions
    lonely = np.zeros((vapour, 3))
    lonely[:, 0] = np.max(second) + apart * np.arange(1, vapour + 1)
    return ase.Atoms(
        numbers=[*pairs.T.ravel(), *np.resize(elements, vapour)],
        positions=np.concatenate([first, second, lonely]),
    )
