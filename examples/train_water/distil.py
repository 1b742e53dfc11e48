"""Distil a direct-force head on the conservative forces of a trained PET.

Example: python distil.py model.ckpt data/train.xyz.xz --validation data/val.xyz.xz

The backbone is frozen, so its features are computed once and training the head takes minutes on a
CPU. No new labels are needed: the labels are the model's own conservative forces.
"""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path

import ase.io
import ase.units as units
import click
import numpy as np
import torch
from ase.data import atomic_masses
from backbone import Backbone, Sample, Structure, batch
from direct_head import PairForceHead
from export import load_backbone
from rich.progress import Progress, track
from scipy.spatial.transform import Rotation

TIMESTEP = 0.5 * units.fs
SHORT_RUN = 12
"""Steps of each short run; its frames at the half and at the end are kept."""


def read_structures(path: str | Path) -> list[Structure]:
    """All frames of a file that ASE can read."""
    return [(a.numbers, a.positions, a.cell.array) for a in ase.io.read(path, ":")]


def rotated(structure: Structure, rng: np.random.Generator) -> Structure:
    """A random rotation or rotoinversion of a structure: new input for an unconstrained model."""
    numbers, positions, cell = structure
    matrix = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    matrix *= rng.choice([-1.0, 1.0])
    return numbers, positions @ matrix.T, cell @ matrix.T


def rattled(structure: Structure, rng: np.random.Generator, largest: float = 0.03) -> Structure:
    """Gaussian noise of up to ``largest`` Å on every atom, half of that on heavy ones."""
    numbers, positions, cell = structure
    width = rng.uniform(0.0, largest) * np.where(numbers == 1, 1.0, 0.5)[:, None]
    return numbers, positions + width * rng.normal(size=positions.shape), cell


def short_runs(
    backbone: Backbone, structures: list[Structure], rng: np.random.Generator
) -> list[Structure]:
    """Frames of short runs at 250 to 500 K: vibrations that the starting frames do not have."""
    counts = [len(z) for z, _, _ in structures]
    numbers = np.concatenate([z for z, _, _ in structures])
    positions = np.concatenate([x for _, x, _ in structures])
    masses = atomic_masses[numbers][:, None]
    temperatures = np.repeat(rng.uniform(250.0, 500.0, len(structures)), counts)[:, None]
    velocities = rng.normal(size=positions.shape) * np.sqrt(units.kB * temperatures / masses)

    def frames() -> list[Structure]:
        parts = np.split(positions.copy(), np.cumsum(counts)[:-1])
        return [(z, x, cell) for (z, _, cell), x in zip(structures, parts, strict=True)]

    kept = []
    acceleration = backbone.direct_forces(frames()) / masses
    for step in range(1, SHORT_RUN + 1):
        velocities += 0.5 * TIMESTEP * acceleration
        positions += TIMESTEP * velocities
        acceleration = backbone.direct_forces(frames()) / masses
        velocities += 0.5 * TIMESTEP * acceleration
        if step in (SHORT_RUN // 2, SHORT_RUN):
            kept += frames()
    return kept


def collect(backbone: Backbone, structures: list[Structure], seed: int) -> list[Sample]:
    """Samples of the given structures and of three variations of each."""
    rng = np.random.default_rng(seed)
    samples = []
    chunks = [structures[k : k + 8] for k in range(0, len(structures), 8)]
    for chunk in track(chunks, description="structures of the model's own dynamics"):
        more = short_runs(backbone, [rotated(s, rng) for s in chunk], rng)
        more += [rattled(rotated(s, rng), rng) for s in chunk]
        samples += [backbone.sample(s) for s in chunk + more]
    return samples


def atom_forces(head: PairForceHead, sample: Sample) -> tuple[torch.Tensor, ...]:
    """Indices of one direction of each pair, the head's pair forces, and its atom forces."""
    half, pair_forces = head(
        sample.node, sample.edge, sample.vectors, sample.centers, sample.reverse
    )
    forces = torch.zeros_like(sample.forces)
    forces = forces.index_add(0, sample.centers[half], pair_forces)
    forces = forces.index_add(0, sample.neighbors[half], -pair_forces)
    return half, pair_forces, forces


@torch.no_grad()
def force_error(head: PairForceHead, samples: list[Sample]) -> float:
    """Root-mean-square difference (meV/Å) from the model's own conservative forces."""
    errors = [atom_forces(head, s)[2] - s.forces for s in samples]
    return 1e3 * float(torch.cat(errors).pow(2).mean().sqrt())


def clip_gradient(head: PairForceHead, typical: float) -> float:
    """Clip a gradient at 1.5 times the running mean of its norm; returns the new mean.

    A fixed limit would either never act or act always: the norm falls thirtyfold during training.
    """
    norm = float(
        torch.nn.utils.get_total_norm([p.grad for p in head.parameters() if p.grad is not None])
    )
    if not math.isfinite(typical):
        return norm
    torch.nn.utils.clip_grads_with_norm_(head.parameters(), 1.5 * typical, torch.tensor(norm))
    return 0.98 * typical + 0.02 * min(norm, 3.0 * typical)


def train(
    head: PairForceHead,
    samples: list[Sample],
    validation: list[Sample],
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> PairForceHead:
    """Adam with a cosine schedule; returns the running average of the weights.

    The loss is the squared error of the atom forces, plus that of the pair forces with a weight
    that falls from 10 to 0: richer labels (1,000 pairs in a box of 81 atoms) show the way, the
    figure of merit decides in the end.
    """
    rng = np.random.default_rng(seed)
    average = copy.deepcopy(head)
    optimizer = torch.optim.Adam(head.parameters(), lr=learning_rate)
    queue: list[int] = []
    typical = math.inf
    with Progress() as progress:
        task = progress.add_task("training the head", total=steps)
        for step in range(steps):
            done = step / steps
            rate = 0.5 * (1.0 + math.cos(math.pi * done)) * min(1.0, (step + 1) / 100)
            optimizer.param_groups[0]["lr"] = learning_rate * max(rate, 1e-3)
            if len(queue) < batch_size:
                queue = list(rng.permutation(len(samples)))
            sample = batch([samples[queue.pop()] for _ in range(batch_size)])
            half, pair_forces, forces = atom_forces(head, sample)
            loss = (forces - sample.forces).pow(2).mean()
            loss = (
                loss + 10.0 * (1.0 - done) * (pair_forces - sample.pair_forces[half]).pow(2).mean()
            )
            optimizer.zero_grad()
            loss.backward()
            typical = clip_gradient(head, typical)
            optimizer.step()
            decay = min(0.999, (step + 1) / (step + 20))
            with torch.no_grad():
                for mean, new in zip(average.parameters(), head.parameters(), strict=True):
                    mean.lerp_(new, 1.0 - decay)
            if step % 500 == 499:
                error = force_error(average, validation)
                progress.console.print(f"step {step + 1}: {error:.1f} meV/Å on validation frames")
            progress.advance(task)
    return average


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False))
@click.argument("structures", nargs=-1, required=True, type=click.Path(exists=True))
@click.option(
    "--validation", required=True, type=click.Path(exists=True), help="Frames to test on."
)
@click.option("--out", default="direct_head.pt", show_default=True, help="Head to write.")
@click.option("--cache", type=click.Path(), help="Keep the collected samples in this file.")
@click.option("--start", type=click.Path(exists=True), help="Go on from this head.")
@click.option("--steps", default=10000, show_default=True, help="Training steps.")
@click.option("--batch-size", default=4, show_default=True, help="Structures in a step.")
@click.option("--learning-rate", default=2e-3, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=1, show_default=True)
def main(
    checkpoint: str,
    structures: tuple[str, ...],
    validation: str,
    out: str,
    cache: str | None,
    start: str | None,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    threads: int,
) -> None:
    """Train a direct-force head for the PET of CHECKPOINT on variations of STRUCTURES.

    Example: python distil.py model.ckpt data/train.xyz.xz --validation data/val.xyz.xz
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    pet = load_backbone(checkpoint)
    for parameter in pet.parameters():
        parameter.requires_grad_(False)
    backbone = Backbone(pet)
    if cache and Path(cache).exists():
        samples = [Sample(**s) for s in torch.load(cache, weights_only=True)]
    else:
        frames = [s for path in structures for s in read_structures(path)]
        samples = collect(backbone, frames, seed)
        if cache:
            torch.save([vars(s) for s in samples], cache)
    held_out = [backbone.sample(s) for s in read_structures(validation)]

    if start:
        state = torch.load(start, weights_only=True)
        head = PairForceHead(**state["options"])
        head.load_state_dict(state["weights"])
    else:
        head = PairForceHead(pet.d_node, pet.d_pet, pet.cutoff)
        some = batch(samples[:: max(1, len(samples) // 100)])
        head.normalise_inputs(some.node, some.edge)
    began = time.time()
    head = train(head, samples, held_out, steps, batch_size, learning_rate, seed)
    torch.save({"options": head.options, "weights": head.state_dict()}, out)
    click.echo(f"{out}: {force_error(head, held_out):.1f} meV/Å after {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
