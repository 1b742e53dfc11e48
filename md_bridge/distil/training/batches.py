"""Frames as tensors, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from md_bridge.distil.labelling.frames import Block
from md_bridge.export import make_batch

__all__ = ["ATOMS_OF_BATCH", "Frames", "Item", "TrainingBatch", "collate", "epoch_of_batches"]

ATOMS_OF_BATCH = 320
DISTORTED_WEIGHT = 0.3
"""Of strained and rattled frames in the loss."""


@dataclass(frozen=True)
class _Frame:
    """One frame with its pairs, small: int32 and int8."""

    types: Tensor
    positions: Tensor
    cell: Tensor
    forces: Tensor
    masses: Tensor
    pairs: Tensor
    shifts: Tensor


@dataclass(frozen=True)
class Item:
    """What stays together in a batch: a pair of neighbours, or a distorted frame."""

    frames: tuple[int, ...]
    atoms: int
    """Of all frames."""

    @property
    def is_pair(self) -> bool:
        """Whether the frames are neighbours in time."""
        return len(self.frames) == 2


@dataclass(frozen=True)
class TrainingBatch:
    """Some items, one after the other."""

    arguments: tuple[Tensor, ...]
    """Of the student."""
    forces: Tensor
    """``[N, 3]``, the labels, eV/Å."""
    masses: Tensor
    """``[N]``, u."""
    weights: Tensor
    """``[N]``, of the frame of each atom in the loss."""
    earlier: Tensor
    """``[K]``, atoms of the first frames of pairs."""
    later: Tensor
    """``[K]``, the same atoms in the second frames."""


class Frames:
    """All frames that a student learns from, and those held out.

    :param cutoff: of the student, Å
    """

    def __init__(self, cutoff: float) -> None:
        self.cutoff = cutoff
        self.training: list[Item] = []
        self.held_out: list[Item] = []
        self.composition: list[np.ndarray] = []
        """Atomic numbers of each frame."""
        self.energies: list[float] = []
        """Of each frame, eV."""
        self._frames: list[_Frame] = []

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, block: Block, held_out: bool) -> None:
        """Take the frames of a block.

        :param block: with pairs, and distorted frames after them
        :param held_out: whether they are for the test
        """
        first = len(self)
        for index in range(len(block)):
            self._frames.append(_frame(block, index, self.cutoff))
            self.composition.append(block.numbers)
            self.energies.append(float(block.energies[index]))
        n = len(block.numbers)
        pairs = [Item((first + 2 * k, first + 2 * k + 1), 2 * n) for k in range(block.pairs)]
        others = [Item((first + k,), n) for k in range(2 * block.pairs, len(block))]
        if held_out:
            self.held_out += pairs
        else:
            self.training += pairs + others

    def batch(self, items: Sequence[Item], device: torch.device) -> TrainingBatch:
        """Items as tensors, float32.

        :param items: at least one
        :param device: where the tensors go
        """
        return collate(self._frames, items, device)


def epoch_of_batches(items: Sequence[Item], seed: Sequence[int]) -> list[list[Item]]:
    """All items in random order, in batches of about :data:`ATOMS_OF_BATCH` atoms.

    :param items: at least one
    :param seed: of the order, so that an epoch can be made again
    """
    order = np.random.default_rng(list(seed)).permutation(len(items))
    return list(_filled([items[index] for index in order]))


def collate(frames: Sequence[_Frame], items: Sequence[Item], device: torch.device) -> TrainingBatch:
    """The tensors of some items, float32.

    :param frames: those that the items count
    :param items: at least one
    :param device: where the tensors go
    """
    chosen = [(frames[index], item) for item in items for index in item.frames]
    sizes = [len(frame.types) for frame, _ in chosen]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).tolist()
    parts = [frame for frame, _ in chosen]
    earlier, later = [], []
    row = 0
    for item in items:
        if item.is_pair:
            n = sizes[row]
            earlier.append(torch.arange(first[row], first[row] + n))
            later.append(torch.arange(first[row + 1], first[row + 1] + n))
        row += len(item.frames)
    none = torch.zeros(0, dtype=torch.int64)
    arguments = (
        torch.cat([frame.types for frame in parts]),
        torch.cat([frame.positions for frame in parts]),
        torch.stack([frame.cell for frame in parts]),
        torch.cat([frame.pairs.long() + start for frame, start in zip(parts, first, strict=True)]),
        torch.cat([frame.shifts.float() for frame in parts]),
        torch.repeat_interleave(torch.tensor(sizes)),
    )
    weights = [
        torch.full((size,), 1.0 if item.is_pair else DISTORTED_WEIGHT)
        for size, (_, item) in zip(sizes, chosen, strict=True)
    ]
    return TrainingBatch(
        tuple(tensor.to(device) for tensor in arguments),
        torch.cat([frame.forces for frame in parts]).to(device),
        torch.cat([frame.masses for frame in parts]).to(device),
        torch.cat(weights).to(device),
        torch.cat([none, *earlier]).to(device),
        torch.cat([none, *later]).to(device),
    )


def _frame(block: Block, index: int, cutoff: float) -> _Frame:
    atoms = Atoms(block.numbers, block.positions[index], cell=block.cells[index], pbc=block.pbc)
    batch = make_batch([atoms], cutoff, torch.float64)
    return _Frame(
        batch.types,
        (batch.positions - batch.positions.mean(0)).float(),  # far from the origin digits are few
        batch.cell[0].float(),
        torch.as_tensor(block.forces[index]).float(),
        torch.as_tensor(block.masses).float(),
        batch.pairs.int(),
        batch.shifts.to(torch.int16),
    )


def _filled(items: Sequence[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        if batch and sum(each.atoms for each in batch) + item.atoms > ATOMS_OF_BATCH * 1.05:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
