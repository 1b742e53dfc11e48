"""How far a student is from its teacher on dynamics that it has not seen, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from md_bridge.distil.student import Student
from md_bridge.distil.training.batches import Frames, epoch_of_batches

__all__ = ["ElementErrors", "as_data", "fit_free_atoms", "held_out_errors"]


@dataclass(frozen=True)
class ElementErrors:
    """Root mean squares over Cartesian components; each beside that of the labels."""

    element: str
    """Symbol; ``all`` for all atoms."""
    force: float
    """meV/Å."""
    force_of_labels: float
    acceleration: float
    """Force over √m, meV/Å/√u."""
    acceleration_of_labels: float
    change: float
    """Of the error of the force between neighbouring frames, meV/Å: what limits M."""
    change_of_labels: float


@torch.no_grad()
def held_out_errors(
    student: Student, frames: Frames, elements: Sequence[int], device: torch.device
) -> list[ElementErrors]:
    """Errors of a student on held-out dynamics, of each element and of all atoms.

    :param student: in float32
    :param frames: with held-out pairs
    :param elements: atomic numbers
    :param device: where the student is
    """
    types, masses, columns, changes, change_types = [], [], [], [], []
    for items in epoch_of_batches(frames.held_out, [0]):
        batch = frames.batch(items, device)
        error = student(*batch.arguments)["forces"] - batch.forces
        both = torch.stack([error, batch.forces]).double().cpu()
        earlier, later = batch.earlier.cpu(), batch.later.cpu()
        types.append(batch.arguments[0].cpu())
        masses.append(batch.masses.double().cpu())
        columns.append(both)
        changes.append(both[:, later] - both[:, earlier])
        change_types.append(types[-1][earlier])
    all_types, all_masses = torch.cat(types), torch.cat(masses)
    values, change = torch.cat(columns, 1), torch.cat(changes, 1)
    of_change = torch.cat(change_types)

    def errors(name: str, here: torch.Tensor, there: torch.Tensor) -> ElementErrors:
        force = values[:, here]
        weighted = force / all_masses[here].sqrt()[:, None]
        numbers = [
            1e3 * float(part[kind].square().mean().sqrt())
            for part in (force, weighted, change[:, there])
            for kind in (0, 1)
        ]
        return ElementErrors(name, *numbers)

    found = [
        errors(chemical_symbols[number], all_types == number, of_change == number)
        for number in elements
        if bool((all_types == number).any())
    ]
    everything = errors("all", all_types > 0, of_change > 0)
    return [*found, everything]


@torch.no_grad()
def fit_free_atoms(
    student: Student, frames: Frames, elements: Sequence[int], device: torch.device
) -> None:
    """Give a student that has learned forces the energies of its elements: least squares over the
    frames; where compositions do not tell them apart, the smallest ones.

    :param student: in float32, changed
    :param frames: with energies
    :param elements: atomic numbers
    :param device: where the student is
    """
    student.free_atom.zero_()
    items = frames.training
    chosen = [items[k] for k in np.unique(np.linspace(0, len(items) - 1, 200).astype(int))]
    counts, rests = [], []
    for item in chosen:
        batch = frames.batch([item], device)
        energies = student(*batch.arguments)["energy"].double().cpu().numpy()
        structure = batch.arguments[5].cpu().numpy()
        for k, frame in enumerate(item.frames):
            numbers = frames.composition[frame]
            counts.append([np.sum(numbers == element) for element in elements])
            rests.append(frames.energies[frame] - energies[structure == k].sum())
    solution = np.linalg.lstsq(np.array(counts, dtype=float), np.array(rests), rcond=None)[0]
    student.free_atom.copy_(torch.as_tensor(solution))


def as_data(errors: Sequence[ElementErrors]) -> list[dict[str, Any]]:
    """For JSON.

    :param errors: see :func:`held_out_errors`
    """
    return [asdict(each) for each in errors]
