"""What limits M: the error of the accelerations, and how fast the correction changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from md_bridge.distil.training.batches import TrainingBatch

__all__ = ["LabelScales", "Sums", "sums_of"]


@dataclass(frozen=True)
class LabelScales:
    """Mean squares of the labels, which the errors are measured by."""

    acceleration: float
    """Of F/√m."""
    change: float
    """Of the difference of F/√m between neighbouring frames."""


@dataclass
class Sums:
    """Sums over the atoms of a batch; batches can be added."""

    acceleration: Tensor
    """Of w |ΔF|²/m, where ΔF = student − teacher is minus the correction, and w the weight of the
    frame."""
    atoms: int
    change: Tensor
    """Of |ΔF(t') − ΔF(t)|²/m for neighbouring frames."""
    pairs: int
    """Atoms with a neighbouring frame."""

    def loss(self, scales: LabelScales) -> Tensor:
        """Both mean squares, each relative to that of the labels.

        :param scales: of the labels
        """
        acceleration = self.acceleration / max(self.atoms, 1) / scales.acceleration
        return acceleration + self.change / max(self.pairs, 1) / scales.change


def sums_of(difference: Tensor, batch: TrainingBatch) -> Sums:
    """The sums that the loss is made of.

    :param difference: ``[N, 3]``, forces of the student minus those of the teacher (of the teacher
        alone: the scales), eV/Å
    :param batch: that the forces belong to
    """
    squares = difference.square().sum(1) / batch.masses
    change = difference[batch.later] - difference[batch.earlier]
    changes = change.square().sum(1) / batch.masses[batch.earlier]
    return Sums(torch.sum(batch.weights * squares), len(squares), torch.sum(changes), len(changes))
