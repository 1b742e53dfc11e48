"""Supercells as programs want them: lower triangular, turned only where that cannot be helped."""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.statics.errors import StaticsError
from md_bridge.structures import standard_orientation

__all__ = ["check_request", "triangular", "turned_back"]

Array = NDArray[np.float64]

_MULTIPLES = 8
"""Largest multiple of a cell vector that is tried for a lattice vector along an axis."""
_TOLERANCE = 1e-8
"""Of the length of a cell: what is shorter is zero."""


def check_request(supercell: Atoms, displacement: float) -> None:
    """Refuse what no host can displace.

    :param supercell: Å
    :param displacement: Å
    :raises StaticsError: there is no lattice in three directions, or no step
    """
    if not supercell.pbc.all() or abs(np.linalg.det(supercell.cell.array)) < 1e-6:
        raise StaticsError(
            "force constants from a host need a supercell that is periodic in all three "
            f"directions, found pbc {supercell.pbc.tolist()} and a volume of "
            f"{abs(np.linalg.det(supercell.cell.array)):.3g} Å³: put vacuum and a cell vector "
            "where the structure does not repeat"
        )
    if not 0.0 < displacement < 1.0:
        raise StaticsError(
            f"a displacement is a length between 0 and 1 Å, found {displacement!r}; 0.01 is usual"
        )


def triangular(supercell: Atoms) -> tuple[Atoms, Array]:
    """The same crystal in a lower triangular cell, as LAMMPS and i-PI want it.

    Where its lattice has vectors along x, in the xy plane and out of it that span the same volume
    (any cell of a cubic crystal along x, y and z), these are taken, and nothing is turned: forces
    of an unconstrained model depend on that. Else the crystal is turned.

    :param supercell: N atoms, periodic in all directions, Å
    :returns: the atoms in the same order, and the rotation Q, [3, 3]: r' = Q r, but for lattice
        vectors
    """
    cell = _without_turning(supercell.cell.array)
    if cell is not None:
        atoms = _bare(supercell)
        atoms.set_cell(cell)
        return atoms, np.eye(3)
    atoms = _bare(supercell)
    if np.linalg.det(atoms.cell.array) < 0.0:
        # −c is a lattice vector as good as c
        atoms.set_cell(atoms.cell.array * [[1.0], [1.0], [-1.0]])
    _, rotation = atoms.cell.standard_form()
    return standard_orientation(atoms), np.asarray(rotation)


def turned_back(matrix: Array, rotation: Array) -> Array:
    """Force constants of a turned crystal in the frame of the one that was turned.

    :param matrix: [3N, 3N]
    :param rotation: Q, [3, 3], orthogonal: r' = Q r
    :returns: Qᵀ Φ'_ij Q for each pair of atoms, [3N, 3N]
    """
    count = len(matrix) // 3
    blocks = matrix.reshape(count, 3, count, 3)
    turned = np.einsum("ax,iajb,by->ixjy", rotation, blocks, rotation, optimize=True)
    return np.ascontiguousarray(turned.reshape(3 * count, 3 * count))


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell.array, pbc=True)


def _without_turning(cell: Array) -> Array | None:
    """Lower triangular vectors of the same lattice; None if there are none among small multiples.

    :param cell: vectors in rows, Å
    """
    volume = abs(float(np.linalg.det(cell)))
    zero = _TOLERANCE * np.cbrt(volume)
    multiples = np.array(list(itertools.product(range(-_MULTIPLES, _MULTIPLES + 1), repeat=3)))
    vectors = multiples @ cell
    x, y, z = vectors.T
    flat, straight = np.abs(z) < zero, np.abs(y) < zero
    rows = [vectors[mask] for mask in (flat & straight & (x > zero), flat & (y > zero), z > zero)]
    if any(len(found) == 0 for found in rows):
        return None
    a, b, c = (found[np.argmin(found[:, k])] for k, found in enumerate(rows))
    if abs(a[0] * b[1] * c[2] - volume) > 1e-6 * volume:
        return None
    b = b - np.round(b[0] / a[0]) * a
    c = c - np.round(c[1] / b[1]) * b
    c = c - np.round(c[0] / a[0]) * a
    return np.tril(np.array([a, b, c]))
