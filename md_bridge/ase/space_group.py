"""The space group of a crystal, and the part of forces and stresses that it allows.

A model that is not symmetric by construction breaks the symmetry of a crystal a little. What a
perfect one would give is the mean over the operations of the crystal's own group, and this takes no
further evaluations: :func:`project_vectors`, :func:`project_tensor` and their kin make it of what
was computed once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.spatial import cKDTree

from md_bridge.errors import MDBridgeError
from md_bridge.extras import missing_as_sentence

__all__ = [
    "OPERATIONS",
    "SpaceGroup",
    "SpaceGroupError",
    "SpaceGroupType",
    "find_space_group",
    "project_scalars",
    "project_tensor",
    "project_tensors",
    "project_vectors",
    "space_group_type",
]

Array = NDArray[np.float64]

OPERATIONS = ("all", "point")
"""Which operations are looked for: all of the space group, or those alone that leave the origin of
the cell where it is."""

_VACUUM = 10.0
"""Å, by which what is open in a direction is farther from its image than its own size: so none of
its gaps is as wide as the vacuum, and no translation fits that takes a part across it."""
_ALIKE = 0.13
"""The first of x, y and z is taken of those as far as this (of 1) from being least along a lattice:
no direction of small indices is as far from another as that, so that rounding does not decide."""
_TRIGONAL, _CUBIC = 143, 195
"""The first space groups of these: what is between is trigonal or hexagonal."""
_NOT_A_GROUP = 1e-8
"""By how much (of 1) a mean over a group, taken twice, may differ from the same taken once."""


class SpaceGroupError(MDBridgeError, ValueError):
    """A structure has no operations that can be found or used, or other ones than it should."""


@dataclass(frozen=True)
class SpaceGroupType:
    """Which of the 230 space groups a structure has; of :func:`space_group_type`."""

    symbol: str
    """International symbol and number, as in ``Fd-3m (227)``."""
    number: int
    """From 1 to 230."""
    operations: int
    """How many take the structure to itself: of a supercell its translations count, too."""


@dataclass(frozen=True)
class SpaceGroup:
    """Operations of G that take a structure of N atoms to itself; of :func:`find_space_group`.

    Atom i of the structure goes to where atom ``permutations[g, i]`` is, in fractional coordinates
    by x' = ``fractional_rotations[g]`` x + ``translations[g]``.
    """

    symbol: str
    """International symbol and number, as in ``Fd-3m (227)``."""
    fractional_rotations: NDArray[np.int64]
    """[G, 3, 3], whole numbers."""
    translations: Array
    """[G, 3], fractional."""
    permutations: NDArray[np.int64]
    """[G, N]."""
    rotations: Array
    """[G, 3, 3]: orthogonal matrices Q of the same rotations, r' = Q r, Å."""
    numbers: NDArray[np.int64]
    """[N], atomic numbers of the structure."""
    periodic: NDArray[np.bool_]
    """[3], along which cell vectors the structure is periodic."""

    def __len__(self) -> int:
        return len(self.rotations)

    @property
    def is_trigonal_or_hexagonal(self) -> bool:
        """Whether it has axes of order 3 or 6 along one direction alone."""
        return _TRIGONAL <= int(self.symbol.rpartition("(")[2].rstrip(")")) < _CUBIC

    def fits(self, atoms: Atoms) -> bool:
        """Whether a structure has the same atoms in this order, periodic in the same directions.

        :param atoms: another structure, or the same one later
        """
        return np.array_equal(atoms.numbers, self.numbers) and np.array_equal(
            atoms.pbc, self.periodic
        )

    def follow(self, atoms: Atoms) -> SpaceGroup:
        """The same operations for another cell, as after a relaxation.

        :param atoms: a structure that :meth:`fits`
        """
        cell = _symmetric_cell(_closed_cell(atoms), self.fractional_rotations)
        return replace(self, rotations=_cartesian(cell, self.fractional_rotations))

    def deviation(self, atoms: Atoms) -> float:
        """How far a structure is from having these operations: the largest distance between where
        an operation takes an atom and the atom that should be there, or between a cell vector and
        that of the symmetric cell, Å. A shift of the whole structure does not count.

        :param atoms: a structure that :meth:`fits`
        """
        cell = _closed_cell(atoms)
        symmetric = _symmetric_cell(cell, self.fractional_rotations)
        worst = float(np.linalg.norm(symmetric - cell, axis=1).max())
        for gap, _ in self._gaps(_fractional(atoms, cell)):
            worst = max(worst, float(np.linalg.norm(gap @ cell, axis=1).max()))
        return worst

    def symmetrised(self, atoms: Atoms) -> Atoms:
        """The nearest structure that has these operations to rounding; whatever the atoms carry
        besides positions is that of the structure given.

        Its cell is not turned against that of the structure, and each atom is at the mean of where
        the operations take the atoms that they take to it.

        :param atoms: a structure that :meth:`fits` and has the operations within a fraction of the
            distances between its atoms, Å
        """
        cell = _closed_cell(atoms)
        symmetric = _symmetric_cell(cell, self.fractional_rotations)
        places = _fractional(atoms, cell)
        moves = np.zeros_like(places)
        for gap, image in self._gaps(places):
            moves[image] += gap
        result: Atoms = atoms.copy()
        kept = np.where(self.periodic[:, None], symmetric, atoms.cell.array)
        result.set_cell(kept, scale_atoms=False, apply_constraint=False)
        positions = (places + moves / len(self)) @ symmetric
        result.set_positions(positions, apply_constraint=False)
        return result

    def _gaps(self, places: Array) -> Iterator[tuple[Array, NDArray[np.int64]]]:
        """For each operation: how far each atom is taken from the atom that should be there, in
        fractional coordinates, [N, 3], without what all have in common; and which atom that is.
        """
        for rotation, shift, image in zip(
            self.fractional_rotations, self.translations, self.permutations, strict=True
        ):
            gap = places @ rotation.T + shift - places[image]
            gap -= gap[0]
            gap -= np.round(gap)
            yield gap - gap.mean(axis=0), image


def find_space_group(atoms: Atoms, symprec: float = 1e-5, *, operations: str = "all") -> SpaceGroup:
    """The operations that take a structure to itself.

    A direction without periodicity is closed by vacuum, whatever cell vector it has: of a slab
    these are the operations of its layer group. A molecule is put into a cube, so that these are
    those of its point group that a cube *along x, y and z* has: they depend on how the molecule is
    turned, and axes of order 3 and 6 are found along the diagonals of the cube only.

    :param atoms: N atoms, Å
    :param symprec: how far atoms may be from where an operation takes others, Å
    :param operations: one of :data:`OPERATIONS`
    :raises SpaceGroupError: there are no atoms; spglib finds nothing; or with this ``symprec``
        atoms coincide, or the operations are no group
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    if operations not in OPERATIONS:
        known = " or ".join(repr(name) for name in OPERATIONS)
        raise SpaceGroupError(f"operations must be {known}, found {operations!r}")
    dataset, cell, places = _read(atoms, symprec)
    rotations = np.asarray(dataset.rotations, dtype=np.int64)
    shifts = np.asarray(dataset.translations, dtype=float)
    kept = _of_open_directions(rotations, atoms.pbc)
    if operations == "point":
        symmetric = _symmetric_cell(cell, rotations)
        kept &= np.linalg.norm((shifts - np.round(shifts)) @ symmetric, axis=1) < symprec
    rotations, shifts = rotations[kept], shifts[kept]
    permutations, shifts = _permutations(
        places, cell, atoms, rotations, shifts, tolerance=10.0 * symprec
    )
    symmetric = _symmetric_cell(cell, rotations)
    group = SpaceGroup(
        symbol=_symbol(dataset),
        fractional_rotations=rotations,
        translations=shifts,
        permutations=permutations,
        rotations=_cartesian(symmetric, rotations),
        numbers=atoms.numbers.copy(),
        periodic=np.array(atoms.pbc),
    )
    _require_group(group, symprec)
    return group


def space_group_type(atoms: Atoms, symprec: float = 1e-5) -> SpaceGroupType:
    """Which space group a structure has, as :func:`find_space_group` finds it, without what would
    be needed to use it: also where the operations found are no group.

    :param atoms: N atoms, Å
    :param symprec: how far atoms may be from where an operation takes others, Å
    :raises SpaceGroupError: there are no atoms, or spglib finds nothing
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    dataset, _, _ = _read(atoms, symprec)
    rotations = np.asarray(dataset.rotations, dtype=np.int64)
    kept = _of_open_directions(rotations, atoms.pbc)
    return SpaceGroupType(_symbol(dataset), int(dataset.number), int(kept.sum()))


def project_vectors(group: SpaceGroup, vectors: Array) -> Array:
    """The part of a vector of each atom, such as forces, that all operations leave as it is.

    F ← n⁻¹ Σ_g P_g F Q_gᵀ with the permutation matrices P_g: the mean over n operations.

    :param group: of the structure
    :param vectors: [N, 3]
    :returns: [N, 3]
    """
    mean = np.zeros((len(group.numbers), 3))
    for rotation, image in zip(group.rotations, group.permutations, strict=True):
        mean[image] += vectors @ rotation.T
    return mean / len(group)


def project_tensor(group: SpaceGroup, tensor: Array) -> Array:
    """The same of a tensor of the whole structure, such as the stress: σ ← n⁻¹ Σ_g Q_g σ Q_gᵀ.

    :param group: of the structure
    :param tensor: [3, 3]
    :returns: [3, 3]
    """
    return np.einsum("gab,bc,gdc->ad", group.rotations, tensor, group.rotations) / len(group)


def project_tensors(group: SpaceGroup, tensors: Array) -> Array:
    """The same of a tensor of each atom.

    :param group: of the structure
    :param tensors: [N, 3, 3]
    :returns: [N, 3, 3]
    """
    mean = np.zeros((len(group.numbers), 3, 3))
    for rotation, image in zip(group.rotations, group.permutations, strict=True):
        mean[image] += rotation @ tensors @ rotation.T
    return mean / len(group)


def project_scalars(group: SpaceGroup, scalars: Array) -> Array:
    """The same of a number of each atom, such as its energy: the mean over equivalent atoms.

    :param group: of the structure
    :param scalars: [N]
    :returns: [N]
    """
    mean = np.zeros(len(group.numbers))
    for image in group.permutations:
        mean[image] += scalars
    return mean / len(group)


def _read(atoms: Atoms, symprec: float) -> tuple[Any, Array, Array]:
    """What spglib says of a structure, the cell it was given, and the places in it."""
    if not symprec > 0.0:
        raise SpaceGroupError(f"symprec must be a positive length in Å, found {symprec!r}")
    if len(atoms) == 0:
        raise SpaceGroupError("a structure without atoms has no space group")
    astray = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(astray):
        raise SpaceGroupError(f"the position of atom {astray[0]} is not finite")
    cell = _closed_cell(atoms)
    places = _fractional(atoms, cell)
    return _dataset(cell, places, atoms.numbers, symprec), cell, places


def _symbol(dataset: Any) -> str:
    return f"{dataset.international} ({dataset.number})"


def _closed_cell(atoms: Atoms) -> Array:
    """The cell, with vacuum along the directions that are not periodic: [3, 3], vectors in rows, Å.

    :param atoms: whose cell vectors along the other directions span a lattice
    :raises SpaceGroupError: they do not
    """
    periodic = np.array(atoms.pbc)
    cell = np.array(atoms.cell.array)
    if np.linalg.matrix_rank(cell[periodic]) < periodic.sum():
        raise SpaceGroupError(
            f"a structure with pbc {periodic.tolist()} needs cell vectors along these directions "
            f"that span a lattice, found {cell.tolist()}"
        )
    if periodic.all():
        return cell
    across = _across(cell[periodic])
    extent = float(np.ptp(atoms.positions @ across.T, axis=0).max())
    cell[~periodic] = (2.0 * extent + _VACUUM) * across
    return cell


def _across(lattice: Array) -> Array:
    """Directions at right angles to a lattice and to each other, [3 − P, 3].

    They are made of x, y and z, each time of the one that is least along what there is already. The
    singular vectors of the lattice would do, but for a lattice that is turned by rounding they are
    other ones, by which the same operations have other fractional coordinates.

    :param lattice: [P, 3], of rank P
    """
    left = np.eye(3) - np.linalg.pinv(lattice) @ lattice
    found = []
    for _ in range(3 - len(lattice)):
        share = np.diag(left)
        axis = int(np.argmax(share > share.max() - _ALIKE))
        direction = left[axis] / np.sqrt(share[axis])
        left = left - np.outer(direction, direction)
        found.append(direction)
    return np.array(found)


def _fractional(atoms: Atoms, cell: Array) -> Array:
    """Positions in terms of cell vectors, not wrapped, [N, 3].

    :param atoms: N atoms
    :param cell: of full rank, vectors in rows, Å
    """
    return np.linalg.solve(cell.T, atoms.positions.T).T


def _symmetric_cell(cell: Array, rotations: NDArray[np.int64]) -> Array:
    """The cell nearest to this one, not turned against it, whose metric these operations leave as
    it is, [3, 3].

    :param cell: vectors in rows, Å
    :param rotations: [G, 3, 3], in fractional coordinates; a group
    """
    metric = np.einsum("gca,cd,gdb->ab", rotations, cell @ cell.T, rotations) / len(rotations)
    inverse = np.linalg.inv(cell)
    return cell @ np.real(sqrtm(inverse @ metric @ inverse.T))


def _cartesian(cell: Array, rotations: NDArray[np.int64]) -> Array:
    return cell.T @ rotations @ np.linalg.inv(cell.T)


def _dataset(cell: Array, places: Array, numbers: NDArray[np.int64], symprec: float) -> Any:
    """What spglib says of a structure."""
    with missing_as_sentence("the space group of a structure"):
        import spglib
    problem = ""
    with warnings.catch_warnings():
        # how spglib announces that it will raise errors where it returns None now
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            crystal: Any = (cell, places, numbers)  # declared as sequences
            dataset = spglib.get_symmetry_dataset(crystal, symprec=symprec)
        except Exception as error:  # of spglib, which has no one class for them in all its releases
            dataset, problem = None, f" ({error})"
    if dataset is None:
        raise SpaceGroupError(
            f"spglib finds no space group with symprec {symprec:g} Å{problem}: are two atoms "
            "nearer to each other than that? Choose a smaller symprec"
        )
    return dataset


def _of_open_directions(rotations: NDArray[np.int64], periodic: Any) -> NDArray[np.bool_]:
    """Which rotations keep what is periodic and what is not apart."""
    inside, outside = np.flatnonzero(periodic), np.flatnonzero(~np.asarray(periodic))
    mixed = [np.abs(rotations[:, a][:, :, b]).sum(axis=(1, 2)) for a, b in _both(inside, outside)]
    return np.asarray(sum(mixed) == 0)


def _both(a: Any, b: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    return (a, b), (b, a)


def _permutations(
    places: Array,
    cell: Array,
    atoms: Atoms,
    rotations: NDArray[np.int64],
    shifts: Array,
    tolerance: float,
) -> tuple[NDArray[np.int64], Array]:
    """Where each operation takes each atom, [G, N]; and the translations, those along open
    directions such that no atom crosses the vacuum."""
    tree = cKDTree(_wrapped(places), boxsize=1.0)
    images = np.empty((len(rotations), len(places)), dtype=np.int64)
    shifts = shifts.copy()
    open_ = ~np.array(atoms.pbc)
    every = np.arange(len(places))
    for g, (rotation, shift) in enumerate(zip(rotations, shifts, strict=True)):
        moved = places @ rotation.T + shift
        _, images[g] = tree.query(_wrapped(moved))
        gap = moved - places[images[g]]
        crossed = np.round(gap)
        distances = np.linalg.norm((gap - crossed) @ cell, axis=1)
        if (
            not np.array_equal(np.sort(images[g]), every)
            or not np.array_equal(atoms.numbers[images[g]], atoms.numbers)
            or distances.max() > tolerance
        ):
            raise SpaceGroupError(
                "an operation that spglib finds takes atoms to where there are none of their kind: "
                f"the largest distance is {distances.max():.2g} Å. The structure is symmetric only "
                "about so far: choose a smaller symprec"
            )
        shifts[g, open_] -= crossed[0, open_]
    return images, shifts


def _wrapped(places: Array) -> Array:
    inside = places - np.floor(places)
    return np.where(inside < 1.0, inside, 0.0)  # rounding makes 1 of -1e-17


def _require_group(group: SpaceGroup, symprec: float) -> None:
    """A mean over operations is a projection only if they are closed: taken twice it is one."""
    vectors = np.random.default_rng(0).normal(size=(len(group.numbers), 3))
    once = project_vectors(group, vectors)
    error = float(np.abs(project_vectors(group, once) - once).max())
    if len(group) == 0 or not error < _NOT_A_GROUP:
        raise SpaceGroupError(
            f"the {len(group)} operations that spglib finds with symprec {symprec:g} Å are no "
            f"group (a mean over them, taken twice, differs by {error:.2g} of 1): the structure is "
            "between two symmetries. Choose a smaller symprec"
        )
