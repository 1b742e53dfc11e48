"""How many frames and steps: given, or what fits into a time, measured once at the beginning."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms

from md_bridge.distil.labelling.frames import Block
from md_bridge.distil.labelling.sampling import OUTER_STEPS_OF_BLOCK, PAIRS_OF_BLOCK, Run, Sampler
from md_bridge.distil.request import DEFAULT_HOURS, DistilRequest
from md_bridge.distil.student import Architecture, Student
from md_bridge.distil.training.batches import ATOMS_OF_BATCH, Frames, epoch_of_batches
from md_bridge.distil.training.trainer import clipped_gradient, label_scales
from md_bridge.structures import spread

__all__ = ["FRAMES_OF_BLOCK", "Counts", "count", "held_out_blocks", "runs_of"]

FRAMES_OF_BLOCK = 2 * PAIRS_OF_BLOCK + 1
_LEAST_BLOCKS = 2
"""Of a run: one to learn from, one held out."""
_MOST_ATOMS = 3_000_000
"""In all frames, whose pairs are kept in memory."""
_SHARE_OF_FRAMES = 1 / 3


@dataclass(frozen=True)
class Counts:
    """What decides what is made."""

    starts: int
    """Structures that dynamics starts from, spread evenly over those given."""
    blocks: int
    """Of each run."""
    steps: int
    """Of the training."""

    def frames(self, runs: int) -> int:
        """Labelled frames in all.

        :param runs: number of runs
        """
        held_out = held_out_blocks(self.blocks)
        return runs * (FRAMES_OF_BLOCK * self.blocks - held_out)


def held_out_blocks(blocks: int) -> int:
    """How many at the end of a run are for the test.

    :param blocks: of the run
    """
    return max(1, round(0.1 * blocks))


def runs_of(starts: Sequence[Atoms], temperatures_k: Sequence[float]) -> list[Run]:
    """Every start at every temperature.

    :param starts: structures
    :param temperatures_k: K
    """
    pairs = [(start, temperature) for start in starts for temperature in temperatures_k]
    return [Run(number, *pair) for number, pair in enumerate(pairs, 1)]


def count(
    request: DistilRequest,
    starts: Sequence[Atoms],
    sampler: Sampler,
    architecture: Architecture,
    device: torch.device,
    tell: Callable[[str], None],
) -> Counts:
    """Turn what was asked for into counts.

    :param request: with frames and steps, or hours
    :param starts: all structures
    :param sampler: to measure the cost of frames with
    :param architecture: of the student, to measure the cost of a step with
    :param device: of the training
    :param tell: called with what is being measured
    """
    seconds = 3600 * (DEFAULT_HOURS if request.hours is None else request.hours)
    temperatures = request.temperatures_k
    frames = request.frames
    if frames is None:
        tell("measuring the teacher")
        block_seconds = _block_seconds(sampler, runs_of(starts[:1], temperatures)[0])
        per_atom = block_seconds / len(starts[0])
        mean_atoms = sum(map(len, starts)) / len(starts)
        blocks = _SHARE_OF_FRAMES * seconds / (per_atom * mean_atoms)
        frames = round(FRAMES_OF_BLOCK * min(blocks, _MOST_ATOMS / 7 / mean_atoms))
    per_start = FRAMES_OF_BLOCK * _LEAST_BLOCKS * len(temperatures)
    chosen = spread(starts, max(1, frames // per_start))
    blocks_of_run = max(
        _LEAST_BLOCKS, round(frames / FRAMES_OF_BLOCK / (len(chosen) * len(temperatures)))
    )
    steps = request.steps
    if steps is None:
        tell("measuring the training")
        of_training = (1 - _SHARE_OF_FRAMES) * seconds
        steps = max(1, math.floor(of_training / _step_seconds(starts, architecture, device)))
    return Counts(len(chosen), blocks_of_run, steps)


def _block_seconds(sampler: Sampler, run: Run) -> float:
    sampler.seconds(run, 1)  # the first evaluations of a model compile it
    outer_steps = 3
    return (OUTER_STEPS_OF_BLOCK + 1) / outer_steps * sampler.seconds(run, outer_steps)


def _step_seconds(
    starts: Sequence[Atoms], architecture: Architecture, device: torch.device
) -> float:
    """Of a training step, on copies of the first start."""
    atoms = starts[0]
    frames = Frames(architecture.cutoff)
    n_pairs = max(1, ATOMS_OF_BATCH // (2 * len(atoms)))
    frames.add(_made_up_block(atoms, n_pairs), held_out=False)
    items = epoch_of_batches(frames.training, [0])[0]
    batch = frames.batch(items, device)
    student = Student(architecture).to(dtype=torch.float32, device=device)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-6)
    scales = label_scales(frames, frames.training)
    times = []
    for _ in range(8):
        began = time.monotonic()
        frames.batch(items, device)
        clipped_gradient(student, optimizer, batch, scales, None)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - began)
    return 1.05 * sorted(times)[len(times) // 2]  # with looks at held-out dynamics


def _made_up_block(atoms: Atoms, pairs: int) -> Block:
    """Copies of a structure, slightly rattled, with forces that mean nothing."""
    copies = [atoms.copy() for _ in range(2 * pairs)]
    for seed, one in enumerate(copies):
        one.set_constraint()
        one.rattle(0.01, seed=seed)
    positions = np.stack([one.get_positions() for one in copies])
    return Block(
        numbers=atoms.numbers,
        masses=atoms.get_masses(),
        pbc=atoms.pbc,
        positions=positions,
        cells=np.stack([atoms.cell.array] * len(copies)),
        forces=positions - atoms.get_positions(),
        energies=positions[:, 0, 0],
        pairs=pairs,
        end_positions=positions[0],
        end_momenta=positions[0],
        dropped=0,
    )
