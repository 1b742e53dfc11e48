"""Closed paths through configuration space, for protocol ``loop``: configurations and tangents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.neighborlist import NeighborList, natural_cutoffs
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

__all__ = [
    "ClosedPath",
    "circle_path",
    "collective_path",
    "default_paths",
    "strain_path",
    "turn_path",
]

CIRCLE_RADIUS = 0.1
"""Radius of the circle a single atom is led around (Å): about its thermal amplitude."""
COLLECTIVE_AMPLITUDE = 0.05
"""Root-mean-square displacement of an atom when all move at once (Å)."""
STRAIN_AMPLITUDE = 0.01
"""Largest strain of a deformation cycle."""

_TURN_POINTS = 4
# bonded: closer than the sum of the covalent radii, times this
_BOND_FACTOR = 1.1
_LARGEST_MOLECULE = 60


@dataclass(frozen=True)
class ClosedPath:
    """A path x(θ) with period 2π, at K equidistant θ.

    :param kind: ``displacement``: ``tangents`` are dx/dθ, shape (K, N, 3), Å. ``strain``: they are
        the strain rates d(strain)/dθ, shape (K, 3, 3), of a homogeneous deformation
    """

    name: str
    kind: str
    moved: int
    configurations: tuple[Atoms, ...] = field(repr=False)
    tangents: NDArray[np.float64] = field(repr=False)
    whole: bool = False
    """Whether the system turns as a whole. Dynamics removes the net torque of direct forces, and
    with it all their work on such a path, so here it is left in."""


def default_paths(atoms: Atoms, points: int, seed: int) -> list[ClosedPath]:
    """What a system lends itself to: circles of atoms, a collective loop, turns, strain cycles.

    :param atoms: the structure at which the paths begin and end, Å
    :param points: points on a circle
    :param seed: of the direction of the collective loop
    """
    paths = [
        circle_path(atoms, _nearest_to_centre(atoms, symbol), "xy", points)
        for symbol in sorted(set(atoms.get_chemical_symbols()))
    ]
    if len(atoms) > 1:
        paths.append(collective_path(atoms, 2 * points, seed))
    molecule = _smallest_molecule(atoms)
    if molecule is not None:
        name = f"turn of a molecule ({atoms[molecule].get_chemical_formula()})"
        paths.append(turn_path(atoms, molecule, (0, 0, 1), name, _TURN_POINTS * points))
    if not atoms.pbc.any() and len(atoms) > 1:
        everything = list(range(len(atoms)))
        name = "turn of the whole system"
        paths.append(turn_path(atoms, everything, (0, 0, 1), name, _TURN_POINTS * points))
    if atoms.pbc.all():
        paths += [strain_path(atoms, plane, points) for plane in ("xy", "yz", "zx")]
    return paths


def circle_path(
    atoms: Atoms, index: int, plane: str, points: int, radius: float = CIRCLE_RADIUS
) -> ClosedPath:
    """One atom around a circle through its place, from x to y in the plane ``xy``.

    :param atoms: the structure
    :param index: of the atom that moves
    :param plane: of the circle, ``xy``, ``yz``, …
    :param points: on the path
    :param radius: of the circle (Å)
    """
    u, v = np.eye(3)["xyz".index(plane[0])], np.eye(3)["xyz".index(plane[1])]
    directions = np.zeros((2, len(atoms), 3))
    directions[0, index], directions[1, index] = u, v
    symbol = atoms.get_chemical_symbols()[index]
    name = f"circle of atom {index + 1} ({symbol}), radius {radius:g} Å"
    return _ellipse(atoms, directions * radius, name, 1, points)


def collective_path(
    atoms: Atoms, points: int, seed: int, amplitude: float = COLLECTIVE_AMPLITUDE
) -> ClosedPath:
    """All atoms at once around a circle in a random plane of configuration space.

    The centre of mass rests, and u and v are orthogonal.

    :param atoms: the structure
    :param points: on the path
    :param seed: of the two random directions
    :param amplitude: rms displacement of an atom (Å)
    """
    random = np.random.default_rng(seed)
    directions = random.normal(size=(2, len(atoms), 3))
    directions -= directions.mean(axis=1, keepdims=True)
    basis, _ = np.linalg.qr(directions.reshape(2, -1).T)
    u, v = (basis.T * amplitude * np.sqrt(len(atoms))).reshape(2, len(atoms), 3)
    name = f"loop of all atoms, amplitude {amplitude:g} Å"
    return _ellipse(atoms, np.stack([u, v]), name, len(atoms), points)


def turn_path(
    atoms: Atoms, indices: Sequence[int], axis: ArrayLike, name: str, points: int
) -> ClosedPath:
    """A full rigid turn of some atoms about an axis through their centre of mass.

    Atoms that a periodic boundary parts from the first one of them turn as its nearest images.

    :param atoms: the structure
    :param indices: of the atoms that turn, the first of them where it is
    :param axis: shape (3,), of any length
    :param name: of the path, for people
    :param points: on the path
    """
    direction = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    chosen = np.asarray(indices)
    places = atoms.positions[chosen[0]] + atoms.get_distances(
        chosen[0], chosen, mic=bool(atoms.pbc.any()), vector=True
    )
    centre = np.average(places, axis=0, weights=atoms.get_masses()[chosen])

    def place(angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        arms = Rotation.from_rotvec(angle * direction).apply(places - centre)
        return centre + arms, np.cross(direction, arms)

    configurations, tangents = [], np.zeros((points, len(atoms), 3))
    for k, angle in enumerate(_angles(points)):
        moved = atoms.copy()
        moved.positions[chosen], tangents[k, chosen] = place(angle)
        configurations.append(moved)
    whole = len(chosen) == len(atoms)
    return ClosedPath(name, "displacement", len(chosen), tuple(configurations), tangents, whole)


def strain_path(
    atoms: Atoms, plane: str, points: int, amplitude: float = STRAIN_AMPLITUDE
) -> ClosedPath:
    """The cell stretched along two axes in turn: ln λ_u = a (cos θ - 1), ln λ_v = a sin θ.

    Both stretches are along Cartesian axes, so the strain rate is symmetric and nothing turns: the
    work then needs only the symmetric part of the stress, all that a stress is.

    :param atoms: the structure
    :param plane: of the two axes that are stretched, ``xy``, ``yz``, …
    :param points: on the path
    :param amplitude: a
    """
    u, v = ("xyz".index(letter) for letter in plane)
    configurations, tangents = [], np.zeros((points, 3, 3))
    for k, angle in enumerate(_angles(points)):
        logarithms = np.zeros(3)
        logarithms[u] = amplitude * (np.cos(angle) - 1)
        logarithms[v] = amplitude * np.sin(angle)
        tangents[k, u, u] = -amplitude * np.sin(angle)
        tangents[k, v, v] = amplitude * np.cos(angle)
        deformed = atoms.copy()
        deformed.set_cell(atoms.cell.array * np.exp(logarithms), scale_atoms=True)
        configurations.append(deformed)
    name = f"strain cycle in {plane}, {100 * amplitude:g} %"
    return ClosedPath(name, "strain", len(atoms), tuple(configurations), tangents)


def _smallest_molecule(atoms: Atoms) -> list[int] | None:
    """Atoms of the smallest group of bonded atoms that is not all there is; None without one.

    Bonds are guessed from covalent radii, so crystals and metals have no molecule.

    :param atoms: the structure, Å
    :returns: their indices, ascending
    """
    radii = [_BOND_FACTOR * radius for radius in natural_cutoffs(atoms)]
    neighbours = NeighborList(radii, skin=0.0, self_interaction=False, bothways=True)
    neighbours.update(atoms)
    _, labels = connected_components(neighbours.get_connectivity_matrix(), directed=False)
    sizes = np.bincount(labels)
    candidates = np.flatnonzero((sizes > 1) & (sizes <= _LARGEST_MOLECULE) & (sizes < len(atoms)))
    if not candidates.size:
        return None
    best = candidates[np.argmin(sizes[candidates])]
    return [int(i) for i in np.flatnonzero(labels == best)]


def _ellipse(
    atoms: Atoms, axes: NDArray[np.float64], name: str, moved: int, points: int
) -> ClosedPath:
    """x(θ) = x0 + u (cos θ - 1) + v sin θ, through the configuration that was given."""
    configurations, tangents = [], np.zeros((points, len(atoms), 3))
    for k, angle in enumerate(_angles(points)):
        at = atoms.copy()
        at.positions += axes[0] * (np.cos(angle) - 1) + axes[1] * np.sin(angle)
        tangents[k] = -axes[0] * np.sin(angle) + axes[1] * np.cos(angle)
        configurations.append(at)
    return ClosedPath(name, "displacement", moved, tuple(configurations), tangents)


def _angles(points: int) -> NDArray[np.float64]:
    return 2 * np.pi * np.arange(points) / points


def _nearest_to_centre(atoms: Atoms, symbol: str) -> int:
    """The atom of an element that lies nearest to the centre: in a molecule or cluster, inside."""
    indices = np.flatnonzero(np.array(atoms.get_chemical_symbols()) == symbol)
    distances = np.linalg.norm(atoms.positions[indices] - atoms.positions.mean(axis=0), axis=1)
    return int(indices[np.argmin(distances)])
