"""What the tests of `md-bridge distil` share."""

from __future__ import annotations

from pathlib import Path

import ase.build
import numpy as np
import torch
from ase import Atoms

from md_bridge.distil import DistilRequest
from md_bridge.distil.api import Distilled, perform
from md_bridge.distil.files import read_student


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
