"""Fit a plain torch module to the labelled water frames of examples/train_water, in minutes.

Shared by examples/transformer and examples/equivariant_head. It is meant to be read: a real
training run wants a validation set, more epochs and larger networks.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import torch
from ase import Atoms
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from md_bridge.export import Batch, make_batch

DATA = Path(__file__).parent / "train_water" / "data"


@dataclass
class Labelled:
    """Some frames as the module sees them, and what it should say of them (eV, Å)."""

    batch: Batch
    energy: Tensor
    """[S], without the energies of free atoms"""
    forces: Tensor
    """[N, 3]"""
    stress: Tensor
    """[S, 3, 3], dE/d(strain)/V"""


def read_frames(name: str = "train", most: int | None = None) -> list[Atoms]:
    """The frames of ``train``, ``val`` or ``test``, or the first of them."""
    with lzma.open(DATA / f"{name}.xyz.xz", "rt", encoding="utf-8") as file:
        text = io.StringIO(file.read())  # ASE jumps about in the file
    return list(ase.io.read(text, index=slice(most), format="extxyz"))


def free_atom_energies(frames: list[Atoms], elements: list[int]) -> list[float]:
    """The energy per atom of each element that explains most of the total energies, eV."""
    counts = np.array([[(atoms.numbers == z).sum() for z in elements] for atoms in frames])
    energies = np.array([atoms.get_potential_energy() for atoms in frames])
    return np.linalg.lstsq(counts.astype(float), energies, rcond=None)[0].tolist()


def label(frames: list[Atoms], cutoff: float, free_atoms: dict[int, float]) -> Labelled:
    """Frames and their labels as tensors."""
    energies = [a.get_potential_energy() - sum(free_atoms[z] for z in a.numbers) for a in frames]
    stress = np.array([atoms.get_stress(voigt=False) for atoms in frames])
    return Labelled(
        make_batch(frames, cutoff, torch.float32),
        torch.tensor(energies, dtype=torch.float32),
        torch.tensor(np.concatenate([atoms.get_forces() for atoms in frames]), dtype=torch.float32),
        torch.tensor(stress, dtype=torch.float32),
    )


def rotated(labelled: Labelled, rotation: Tensor) -> Labelled:
    """The same in another frame: pairs and cell shifts stay, vectors turn."""
    batch = labelled.batch
    turned = Batch(
        batch.types,
        batch.positions @ rotation.T,
        batch.cell @ rotation.T,
        batch.pairs,
        batch.shifts,
        batch.structure,
    )
    stress = rotation @ labelled.stress @ rotation.T
    return Labelled(turned, labelled.energy, labelled.forces @ rotation.T, stress)


def loss(module: nn.Module, labelled: Labelled) -> Tensor:
    """Squared errors of energy, conservative and direct forces, and direct stress.

    The module's conservative forces and its direct ones are trained on the same labels: the closer
    they are to each other, the larger the outer step of multiple time stepping can be.
    """
    batch = labelled.batch
    batch.positions = batch.positions.detach().requires_grad_(True)
    found = module(*batch.arguments())
    (gradient,) = torch.autograd.grad(found["energy"].sum(), batch.positions, create_graph=True)
    n_structures = len(batch.cell)
    sizes = torch.bincount(batch.structure, minlength=n_structures)
    energy = torch.zeros_like(labelled.energy).index_add(0, batch.structure, found["energy"])
    stress = torch.zeros_like(labelled.stress).index_add(0, batch.structure, found["stress"])
    return (
        100.0 * ((energy - labelled.energy) / sizes).square().mean()
        + (-gradient - labelled.forces).square().mean()
        + (found["forces"] - labelled.forces).square().mean()
        + 1e3 * (stress - labelled.stress).square().mean()
    )


def train(
    make_module: Callable[[dict[int, float]], nn.Module],
    *,
    elements: list[int],
    cutoff: float,
    epochs: int,
    frames: int,
) -> nn.Module:
    """A trained module.

    :param make_module: from the energy of a free atom of each element (eV, by atomic number), which
        the module adds to its energies and keeps in its buffer ``free_atom_energy``
    :param frames: how many of the training frames to use
    """
    torch.manual_seed(0)
    structures = read_frames("train", frames)
    free_atoms = dict(zip(elements, free_atom_energies(structures, elements), strict=True))
    module = make_module(free_atoms)
    # large numbers that no training changes: left out of the labels and of the network meanwhile
    assert isinstance(module.free_atom_energy, Tensor)
    module.free_atom_energy.zero_()
    fit(module, structures, cutoff=cutoff, free_atoms=free_atoms, epochs=epochs)
    module.free_atom_energy.copy_(torch.tensor(list(free_atoms.values())))
    return module


def fit(
    module: nn.Module,
    frames: list[Atoms],
    *,
    cutoff: float,
    free_atoms: dict[int, float],
    epochs: int,
    frames_per_step: int = 4,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> None:
    """Train ``module`` in place, each step on some frames in a random orientation.

    :param free_atoms: eV, by atomic number: subtracted from the labels
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(frames))
    groups = [
        label([frames[i] for i in order[k : k + frames_per_step]], cutoff, free_atoms)
        for k in range(0, len(order), frames_per_step)
    ]
    steps = epochs * len(groups)
    optimizer = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=steps)
        for epoch in range(epochs):
            total = 0.0
            for index in generator.permutation(len(groups)):
                turn = torch.tensor(
                    Rotation.random(random_state=generator).as_matrix(), dtype=torch.float32
                )
                value = loss(module, rotated(groups[index], turn))
                optimizer.zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(module.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                total += value.item()
                progress.advance(task)
            mean = total / len(groups)
            progress.update(task, description=f"epoch {epoch + 1}/{epochs}, mean loss {mean:.3g}")
