"""The space group of a crystal, as it acts on force constants of a supercell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.ase.space_group import find_space_group
from md_bridge.engine import rotation_set
from md_bridge.statics.phonons.crystal import Crystal

__all__ = ["Operations", "find_operations", "lacking_rotations", "project_on_space_group"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SAME_ROTATION = 1e-3
"""By how much a component of two matrices of one rotation may differ."""


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations of a crystal that its supercell has, too; without lattice translations.

    Operation g takes the pair of atom i of the primitive cell and atom k of the supercell to that
    of ``rows[g, i]`` and ``columns[g, i, k]``, and turns tensors by ``rotations[g]``.
    """

    symbol: str
    """Of the crystal, as in ``Fd-3m (227)``."""
    is_trigonal_or_hexagonal: bool
    """The crystal."""
    left_out: int
    """Operations of the crystal that the shape of the supercell does not allow."""
    rotations: Array
    """[G, 3, 3], orthogonal, r' = Q r."""
    rows: Integers
    """[G, n]."""
    columns: Integers
    """[G, n, N]."""

    def __len__(self) -> int:
        return len(self.rotations)


def find_operations(crystal: Crystal, symprec: float) -> Operations:
    """The space group of the primitive cell, as far as the supercell has it.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param symprec: how far atoms may be from where an operation takes others, Å
    :raises SpaceGroupError: spglib cannot read the cell
    """
    group = find_space_group(crystal.primitive, symprec)
    turned = crystal.boundaries @ group.fractional_rotations.transpose(0, 2, 1)
    inside = turned @ np.linalg.inv(crystal.boundaries)
    kept = np.flatnonzero(np.abs(inside - np.round(inside)).max(axis=(1, 2)) < 1e-6)
    places = crystal.primitive.get_scaled_positions(wrap=False)
    columns = []
    for g in kept:
        rotation, image = group.fractional_rotations[g], group.permutations[g]
        moved = places @ rotation.T + group.translations[g]
        cells = np.round(moved - places[image]).astype(np.int64)
        of_all = cells[crystal.home] + crystal.lattice @ rotation.T
        columns.append(
            crystal.locate(image[crystal.home][None, :], of_all[None, :] - cells[:, None])
        )
    return Operations(
        symbol=group.symbol,
        is_trigonal_or_hexagonal=group.is_trigonal_or_hexagonal,
        left_out=len(group) - len(kept),
        rotations=group.rotations[kept],
        rows=group.permutations[kept],
        columns=np.array(columns),
    )


def project_on_space_group(operations: Operations, compact: Array) -> Array:
    """The part of force constants that all operations leave as it is.

    |G|⁻¹ Σ_g Γ(g)ᵀ Φ Γ(g), a projection, because the operations are a group.

    :param operations: of the crystal
    :param compact: [n, N, 3, 3], eV/Å²
    :returns: [n, N, 3, 3]
    """
    mean = np.zeros_like(compact)
    for turn, rows, columns in zip(
        operations.rotations, operations.rows, operations.columns, strict=True
    ):
        mean[rows[:, None], columns] += turn @ compact @ turn.T
    return mean / len(operations)


def lacking_rotations(operations: Operations, symmetrize: str) -> tuple[int, int]:
    """How many rotations of a crystal, as it is turned, an average over copies does not have.

    :param operations: of the crystal
    :param symmetrize: name of a fixed set, or "none"
    :returns: how many of them, and how many the crystal has; (0, 0) for "none"
    """
    copies, _ = rotation_set(symmetrize)
    if len(copies) == 0:
        return 0, 0
    turns = operations.rotations
    own = np.unique(np.round(turns[np.linalg.det(turns) > 0], 6), axis=0)
    distance = np.abs(own[:, None] - np.asarray(copies)[None]).max(axis=(2, 3)).min(axis=1)
    return int((distance > _SAME_ROTATION).sum()), len(own)
