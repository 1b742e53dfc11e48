"""What the tests of `md-bridge distil` share."""

from __future__ import annotations

from pathlib import Path

import ase.build
import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import all_changes
from ase.calculators.lj import LennardJones

from md_bridge.distil import DistilRequest
from md_bridge.distil.api import Distilled, perform
from md_bridge.distil.files import read_student


class Moody(LennardJones):
    """Lennard-Jones that gives NaN now and then.

    :param every: how often
    :param first: the evaluation, from 1, at which it does so first; None: as often
    """

    def __init__(self, every: int, first: int | None = None) -> None:
        super().__init__(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
        self.every, self.count = every, 0 if first is None else every - first

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """As every calculator of ASE."""
        super().calculate(atoms, properties, system_changes)
        self.count += 1
        if self.count % self.every == 0:
            self.results["forces"] = self.results["forces"] * np.nan


def argon(seed: int = 1, size: int = 2) -> Atoms:
    """A rattled crystal of 32 atoms, or of size³ cells."""
    atoms = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat((size, size, size))
    atoms.rattle(0.05, seed=seed)
    return atoms


def quietly(request: DistilRequest) -> Distilled:
    """Make the student, and tell nobody."""
    return perform(request, lambda stage, share, detail: None)


def frames_of(folder: Path) -> dict[str, np.ndarray]:
    """All arrays of all blocks, by the name of the file and of the array."""
    found = {}
    for path in sorted((folder / "frames").rglob("*.npz")):
        with np.load(path) as arrays:
            for name in arrays:
                found[f"{path.relative_to(folder)} {name}"] = arrays[name]
    assert found
    return found


def same_frames(one: Path, other: Path) -> bool:
    """Whether two folders hold the same frames, bit for bit."""
    first, second = frames_of(one), frames_of(other)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def same_student(one: Path, other: Path) -> bool:
    """Whether two files hold the same weights, bit for bit."""
    first, second = read_student(one).state, read_student(other).state
    assert len(first) > 10
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )
