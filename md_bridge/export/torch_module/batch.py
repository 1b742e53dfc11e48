"""Structures as the plain tensors that an exported module sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch
import vesin

__all__ = ["Batch", "make_batch", "probe_structures"]


@dataclass
class Batch:
    """Some structures, one after the other, and their pairs.

    :param types: ``[N]`` int64, atomic numbers
    :param positions: ``[N, 3]``
    :param cell: ``[S, 3, 3]``, zero rows where a structure is not periodic
    :param pairs: ``[P, 2]`` int64, full list: each pair is there in both directions
    :param shifts: ``[P, 3]``, cell vectors to add to the second atom, in the dtype of the positions
    :param structure: ``[N]`` int64, the structure of each atom
    """

    types: torch.Tensor
    positions: torch.Tensor
    cell: torch.Tensor
    pairs: torch.Tensor
    shifts: torch.Tensor
    structure: torch.Tensor

    def arguments(self) -> tuple[torch.Tensor, ...]:
        """The arguments of a plain module's forward, in their order."""
        return self.types, self.positions, self.cell, self.pairs, self.shifts, self.structure


def make_batch(structures: Sequence[ase.Atoms], cutoff: float, dtype: torch.dtype) -> Batch:
    """The plain tensors of ``structures`` with all pairs closer than ``cutoff``.

    :param structures: in any unit of length; periodic or not
    :param cutoff: in the same unit
    :param dtype: of the floating-point tensors
    :returns: tensors on the CPU, in the same unit
    """
    types, positions, cells, pairs, shifts, structure = [], [], [], [], [], []
    first_atom = 0
    for index, atoms in enumerate(structures):
        cell = np.where(atoms.pbc[:, None], atoms.cell[:], 0.0)
        ij, shift = _pairs(atoms, cell, cutoff)
        types.append(torch.as_tensor(atoms.numbers, dtype=torch.int64))
        positions.append(torch.as_tensor(atoms.positions, dtype=dtype))
        cells.append(torch.as_tensor(cell, dtype=dtype))
        pairs.append(torch.as_tensor(ij, dtype=torch.int64) + first_atom)
        shifts.append(torch.as_tensor(shift, dtype=dtype))
        structure.append(torch.full((len(atoms),), index, dtype=torch.int64))
        first_atom += len(atoms)
    return Batch(
        torch.cat(types),
        torch.cat(positions),
        torch.stack(cells),
        torch.cat(pairs),
        torch.cat(shifts),
        torch.cat(structure),
    )


def _pairs(atoms: ase.Atoms, cell: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    if len(atoms) == 0:  # vesin wants at least one point
        return np.zeros((0, 2), dtype=np.int64), np.zeros((0, 3))
    ij, shifts = vesin.NeighborList(cutoff=cutoff, full_list=True).compute(
        points=atoms.positions, box=cell, periodic=atoms.pbc, quantities="PS"
    )
    return ij.astype(np.int64).reshape(-1, 2), shifts.reshape(-1, 3).astype(np.float64)


def probe_structures(elements: Sequence[int], cutoff: float, seed: int = 0) -> list[ase.Atoms]:
    """Two small structures that hold every element: a jittered periodic lattice, a free cluster.

    :param elements: atomic numbers
    :param cutoff: the spacing follows it (0.6 cutoffs), so that each atom has neighbours
    :param seed: of the jitter
    """
    generator = np.random.default_rng(seed)
    spacing = 0.6 * cutoff
    side = max(2, int(np.ceil(len(elements) ** (1 / 3) - 1e-9)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = spacing * (grid + generator.uniform(-0.1, 0.1, grid.shape))
    lattice = ase.Atoms(
        numbers=np.resize(elements, len(grid)),
        positions=positions,
        cell=side * spacing * (np.eye(3) + generator.uniform(-0.05, 0.05, (3, 3))),
        pbc=True,
    )
    cluster = ase.Atoms(numbers=np.resize(elements[::-1], 3), positions=positions[:3] + spacing)
    return [lattice, cluster]
