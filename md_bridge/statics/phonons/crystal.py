"""A crystal with its primitive cell and its supercell: which atom is which, and how far apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.ase.space_group import find_space_group
from md_bridge.extras import missing_as_sentence
from md_bridge.statics.errors import StaticsError

__all__ = ["EXACT", "Crystal", "make_crystal", "multiples_for", "require_crystal"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

EXACT = 1e-5
"""Å, by which atoms may differ that a translation of the primitive cell takes to each other."""
_LARGEST_SUPERCELL = 20_000
"""Atoms; more are a slip of the keyboard."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """A cell as given, its primitive cell of n atoms, and a supercell of N atoms.

    Force constants are kept *compact*, [n, N, 3, 3]: Φ[i, k] belongs to the force on atom i of the
    primitive cell and the displacement of atom k of the supercell. What a model sees are vectors
    between atoms, so that lattice translations give all the others.
    """

    unit_cell: Atoms
    """As given."""
    multiples: tuple[int, int, int]
    """Of its cell vectors in the supercell."""
    primitive: Atoms
    """n atoms."""
    supercell: Atoms
    """N atoms, in the order of phonopy."""
    phonopy: Any
    """``phonopy.Phonopy`` of these cells. Its force constants are whatever was set last."""
    home: Integers
    """[N], which atom of the primitive cell an atom of the supercell is."""
    lattice: Integers
    """[N, 3], by how many primitive cell vectors it is away from that."""
    first: Integers
    """[n], the atoms of the primitive cell in the supercell."""
    boundaries: Integers
    """[3, 3], vectors of the supercell in terms of those of the primitive cell, in rows."""

    def locate(self, home: Any, lattice: Any) -> Integers:
        """Which atoms of the supercell are these.

        :param home: [...], atoms of the primitive cell
        :param lattice: [..., 3], by how many primitive cell vectors they are moved
        :returns: [...], numbers of atoms of the supercell
        """
        keys, order = self._sorted_keys
        found = np.searchsorted(keys, self._keys(np.asarray(home), np.asarray(lattice)))
        return np.asarray(order[found], dtype=np.int64)

    def _keys(self, home: Integers, lattice: Integers) -> Integers:
        """A number for each atom, the same for all its images in other supercells."""
        cells = self.cells
        adjugate = np.round(cells * np.linalg.inv(self.boundaries)).astype(np.int64)
        place = np.mod(lattice @ adjugate, cells)
        key = np.asarray(home, dtype=np.int64)
        for axis in range(3):
            key = key * cells + place[..., axis]
        return key

    @cached_property
    def _sorted_keys(self) -> tuple[Integers, Integers]:
        keys = self._keys(self.home, self.lattice)
        order = np.argsort(keys)
        return keys[order], order

    @property
    def cells(self) -> int:
        """Primitive cells in the supercell."""
        return round(abs(float(np.linalg.det(self.boundaries))))

    @cached_property
    def opposite(self) -> Integers:
        """[n, N]: Φ[k, i] of the whole supercell is the compact Φ[home[k], opposite[i, k]]."""
        homes = np.arange(len(self.primitive))[:, None]
        return self.locate(np.broadcast_to(homes, (len(homes), len(self.home))), -self.lattice)

    @cached_property
    def shortest(self) -> tuple[Array, Array]:
        """From atom i of the primitive cell to atom k of the supercell, the nearest of its images.

        :returns: [n, N, M, 3] fractional coordinates of the primitive cell, of M images that are
            equally near, and their weights [n, N, M] of sum 1
        """
        vectors, addresses = self.phonopy.primitive.get_smallest_vectors()
        counts = addresses[:, :, 0].T
        starts = addresses[:, :, 1].T
        place = np.arange(counts.max())
        inside = place < counts[..., None]
        picked = np.where(inside, starts[..., None] + place, 0)
        return np.asarray(vectors)[picked], inside / counts[..., None]

    def compact(self, full: Array) -> Array:
        """The rows of the primitive cell.

        :param full: [3 N, 3 N] or [N, N, 3, 3], eV/Å²
        :returns: [n, N, 3, 3]
        """
        atoms = len(self.supercell)
        if full.ndim == 2:
            full = full.reshape(atoms, 3, atoms, 3).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(full[self.first])

    def full(self, compact: Array) -> Array:
        """All rows.

        :param compact: [n, N, 3, 3], eV/Å²
        :returns: [N, N, 3, 3]
        """
        columns = self.locate(self.home[None, :], self.lattice[None, :] - self.lattice[:, None])
        return np.asarray(compact[self.home[:, None], columns])

    def in_primitive(self, qpoints: Array) -> Array:
        """Wave vectors of the given cell in terms of the primitive one.

        :param qpoints: [Q, 3], fractional coordinates of the reciprocal lattice of the given cell
        :returns: [Q, 3]
        """
        turned = self.primitive.cell.array @ np.linalg.inv(self.unit_cell.cell.array)
        return np.asarray(qpoints @ turned.T)

    @property
    def widths(self) -> Array:
        """[3], of the supercell between opposite faces, Å."""
        return _widths(self.supercell)


def make_crystal(atoms: Atoms, multiples: Sequence[int]) -> Crystal:
    """Primitive cell and supercell of a crystal.

    The primitive cell is that of the lattice whose translations are exact (1e-5 Å); where atoms of
    an element have several masses it is the given cell.

    :param atoms: periodic in all directions, Å
    :param multiples: three whole numbers, of the cell vectors in the supercell
    :raises StaticsError: no crystal, or a supercell of too many atoms
    :raises SpaceGroupError: spglib cannot read the cell
    """
    require_crystal(atoms)
    counts = (int(multiples[0]), int(multiples[1]), int(multiples[2]))
    if np.prod(counts) * len(atoms) > _LARGEST_SUPERCELL:
        raise StaticsError(
            f"a supercell {','.join(map(str, counts))} of {len(atoms)} atoms has "
            f"{np.prod(counts) * len(atoms)} atoms, and {_LARGEST_SUPERCELL} is the most that "
            "makes sense here: choose a smaller supercell or length"
        )
    phonon = _phonopy(atoms, counts)
    primitive, supercell = phonon.primitive, phonon.supercell
    basis = np.linalg.inv(primitive.cell)
    home = np.array([primitive.p2p_map[place] for place in primitive.s2p_map], dtype=np.int64)
    first = np.array(primitive.p2s_map, dtype=np.int64)
    offsets = (supercell.positions - supercell.positions[first[home]]) @ basis
    cell = _as_ase(primitive)
    cell.positions = supercell.positions[first]  # phonopy wraps them
    return Crystal(
        unit_cell=atoms.copy(),
        multiples=counts,
        primitive=cell,
        supercell=_as_ase(supercell),
        phonopy=phonon,
        home=home,
        lattice=np.round(offsets).astype(np.int64),
        first=first,
        boundaries=np.round(supercell.cell @ basis).astype(np.int64),
    )


def require_crystal(atoms: Atoms) -> None:
    """Refuse what is not periodic along x, y and z.

    :param atoms: any structure
    :raises StaticsError: there are no atoms, it is open in a direction, or its cell is flat
    """
    if len(atoms) == 0:
        raise StaticsError("phonons are those of atoms, and the structure has none")
    if not all(atoms.pbc) or atoms.cell.rank < 3:
        raise StaticsError(
            "phonons are those of a crystal, periodic in all three directions; found a structure "
            f"with pbc {[bool(each) for each in atoms.pbc]} and a cell of rank {atoms.cell.rank}: "
            "give a slab or a molecule a cell with vacuum and set its pbc"
        )


def multiples_for(atoms: Atoms, length: float) -> tuple[int, int, int]:
    """The smallest supercell whose opposite faces are all so far apart.

    :param atoms: with a cell, Å
    :param length: Å
    """
    counts = np.maximum(1, np.ceil(length / _widths(atoms) - 1e-9).astype(int))
    return int(counts[0]), int(counts[1]), int(counts[2])


def _widths(atoms: Atoms) -> Array:
    """Between opposite faces of the cell, [3], Å."""
    return np.asarray(1.0 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0))


def _phonopy(atoms: Atoms, multiples: tuple[int, int, int]) -> Any:
    with missing_as_sentence("a crystal's phonons"):
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    group = find_space_group(atoms, EXACT)
    translations = np.all(group.fractional_rotations == np.eye(3, dtype=int), axis=(1, 2)).sum()
    masses = atoms.get_masses()
    mixed = any(np.ptp(masses[atoms.numbers == number]) > 0 for number in set(atoms.numbers))
    cell = PhonopyAtoms(
        numbers=list(map(int, atoms.numbers)),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=masses,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of choices that are made here on purpose
        return Phonopy(
            cell,
            supercell_matrix=np.diag(multiples),
            primitive_matrix="P" if mixed or translations == 1 else "auto",
            symprec=EXACT,
            log_level=0,
        )


def _as_ase(cell: Any) -> Atoms:
    """A cell of phonopy with its masses."""
    return Atoms(
        numbers=cell.numbers, positions=cell.positions, cell=cell.cell, masses=cell.masses, pbc=True
    )
