"""Trains a small eSEN on water: direct forces first, then both heads.

Example: python train.py --out water-esen.pt
"""

from __future__ import annotations

import io
import lzma
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from ase import Atoms
from ase.io import read
from network import Esen, Settings, batch_of, save
from torch import Tensor

DATA = Path(__file__).parents[1] / "train_water" / "data"


def frames(path: str | Path) -> list[Atoms]:
    """Labelled structures of an extended XYZ file, compressed or not."""
    opened = lzma.open if str(path).endswith(".xz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        text = io.StringIO(file.read())  # ASE seeks, which starts a compressed file anew each time
    found = read(text, ":", format="extxyz")
    return found if isinstance(found, list) else [found]


def batches(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Indices of frames, each epoch in another order, without end."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count).tolist()
        yield from (order[first : first + size] for first in range(0, count - size + 1, size))


def normalise(network: Esen, structures: Sequence[Atoms]) -> None:
    """Set the reference of the energy, per atom, and the scale of all, by the labels."""
    energies = [atoms.get_potential_energy() / len(atoms) for atoms in structures]
    forces = np.concatenate([atoms.get_forces().ravel() for atoms in structures])
    network.reference.fill_(float(np.mean(energies)))
    network.scale.fill_(float(np.sqrt(np.mean(forces**2))))


def loss_of(network: Esen, data: Any, conservative: bool) -> Tensor:
    """Mean absolute errors as the paper's: energy per atom, and lengths of errors of forces."""
    found = network(data, conservative=conservative)
    error = (found["energy"] - data["energy"]) / data["natoms"]
    total = 20 * error.abs().mean().to(network.scale.dtype)
    for name in ("forces", "direct_forces"):
        if name in found:
            total = total + (found[name] - data["forces"]).norm(dim=1).mean()
    return total / network.scale


def train(
    network: Esen,
    structures: Sequence[Atoms],
    *,
    steps: int,
    conservative: bool,
    rate: float = 3e-3,
    size: int = 1,
    seed: int = 1,
    report: Any = lambda text: None,
) -> list[float]:
    """One stage of the training.

    :param structures: with labels
    :param steps: of the optimiser
    :param conservative: whether the gradient of the energy is trained as well
    :param rate: the highest learning rate; it rises for a twentieth of the steps and falls as a
        cosine
    :param size: frames in a step; each has 81 environments to learn from
    :param report: gets a line now and then
    :returns: the loss at each step
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.05)
    network.train()
    losses: list[float] = []
    began = time.perf_counter()
    for step, chosen in zip(range(steps), batches(len(structures), size, seed), strict=False):
        loss = loss_of(network, batch_of([structures[i] for i in chosen]), conservative)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if (step + 1) % 50 == 0 or step + 1 == steps:
            spent = time.perf_counter() - began
            report(f"{step + 1:6d} of {steps}: loss {np.mean(losses[-50:]):.4f}, {spent:.0f} s")
    network.eval()
    return losses


def errors(network: Esen, structures: Sequence[Atoms]) -> dict[str, float]:
    """Root mean squares over frames: meV/atom and meV/Å.

    :returns: of ``energy``, ``forces``, ``direct_forces``, and of ``between``, one kind of forces
        against the other
    """
    squares: dict[str, list[np.ndarray]] = {}
    for atoms in structures:
        found = {name: value.detach().numpy() for name, value in network(batch_of([atoms])).items()}
        labels = atoms.get_forces()
        differences = {
            "energy": (found["energy"] - atoms.get_potential_energy()) / len(atoms),
            "forces": found["forces"] - labels,
            "direct_forces": found["direct_forces"] - labels,
            "between": found["direct_forces"] - found["forces"],
        }
        for name, difference in differences.items():
            squares.setdefault(name, []).append(difference.ravel() ** 2)
    return {
        name: 1000 * float(np.sqrt(np.mean(np.concatenate(rows)))) for name, rows in squares.items()
    }


@click.command()
@click.option("--out", default="water-esen.pt", show_default=True, help="Checkpoint to write.")
@click.option("--train", "train_path", default=str(DATA / "train.xyz.xz"), help="Labelled frames.")
@click.option("--test", "test_path", default=str(DATA / "test.xyz.xz"), help="Held-out frames.")
@click.option("--direct-steps", default=1500, show_default=True, help="Steps on direct forces.")
@click.option("--steps", default=1000, show_default=True, help="Steps on both kinds after that.")
@click.option("--channels", default=Settings.channels, show_default=True, help="Of the network.")
@click.option("--basis", default=Settings.basis, show_default=True, help="Gaussians of distance.")
@click.option(
    "--activation", type=click.Choice(["gate", "s2"]), default="gate", help="s2: on a grid."
)
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--seed", default=1, show_default=True, help="Of weights and order of frames.")
def main(
    out: str,
    train_path: str,
    test_path: str,
    direct_steps: int,
    steps: int,
    channels: int,
    basis: int,
    activation: str,
    threads: int,
    seed: int,
) -> None:
    """Train on frames with energies and forces, print errors on held-out ones.

    Example: python train.py --out water-esen.pt
    """
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    structures = frames(train_path)
    network = Esen(Settings(channels=channels, basis=basis, activation=activation))
    normalise(network, structures)
    count = sum(parameter.numel() for parameter in network.parameters())
    click.echo(f"{len(structures)} frames, {count} parameters")
    began = time.process_time()
    for conservative, length in ((False, direct_steps), (True, steps)):
        if length:
            click.echo("direct forces" if not conservative else "both kinds of forces")
            train(
                network,
                structures,
                steps=length,
                conservative=conservative,
                seed=seed,
                rate=2e-3 if conservative else 5e-3,
                report=click.echo,
            )
    spent = time.process_time() - began
    found = errors(network, frames(test_path))
    save(network, out, errors=found, cpu_seconds=spent, steps=[direct_steps, steps])
    click.echo(f"{spent:.0f} s of CPU; errors: energy {found['energy']:.1f} meV/atom, meV/Å: ")
    for name in ("forces", "direct_forces", "between"):
        click.echo(f"{name:14s} {found[name]:.0f}")
    click.echo(f"written: {out}")


if __name__ == "__main__":
    main()
