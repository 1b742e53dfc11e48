"""What a student is to be made from, and how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms

from md_bridge.distil.labelling.teacher import Source
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions

__all__ = ["DEFAULT_HOURS", "DistilRequest"]

DEFAULT_HOURS = 1.0


@dataclass(frozen=True)
class DistilRequest:
    """A teacher, starts, and how much to do.

    :raises ArgumentError: a number out of its range
    """

    teacher: Source
    """An exported file, ``python:package.module:factory``, or a calculator of ASE."""
    starts: Sequence[Path | Atoms]
    """Files, which may hold several structures, or structures; periodic or not."""
    out: Path
    """The student, ``something.pt``."""
    folder: Path | None = None
    """For frames, checkpoint and page; None: beside the student, ``something.distil``."""
    temperatures_k: tuple[float, ...] = (300.0, 600.0)
    """Of the dynamics that frames are taken from (K)."""
    hours: float | None = None
    """Time for frames (a third) and training; the search for M comes on top. Where ``frames`` and
    ``steps`` are given it does nothing; None: 1."""
    frames: int | None = None
    """Labelled frames; None: what fits into the time."""
    steps: int | None = None
    """Of the training; None: what fits into the time."""
    timestep_fs: float | None = None
    """Of the dynamics; None: 0.5 fs with hydrogen, up to 2 fs without."""
    from_student: Path | None = None
    """An earlier student to go on from; None: begin anew."""
    cutoff: float | None = None
    """Of the student (Å); None: what holds about 18 neighbours, 3.5 to 7 Å."""
    seed: int = 1
    """Of velocities, noise, weights and the order of the frames."""
    model_options: ModelOptions = field(default_factory=ModelOptions)
    """How the teacher is loaded; its device is that of the training, too."""
    tune: bool = True
    """Whether the largest M of student and teacher is measured in the end."""

    def __post_init__(self) -> None:
        if not self.starts:
            raise ArgumentError("starts", "must be at least one structure, found none")
        if not self.temperatures_k or not all(0 < t < math.inf for t in self.temperatures_k):
            raise ArgumentError(
                "temperatures_k",
                "must be positive numbers, found "
                + ", ".join(f"{t:g}" for t in self.temperatures_k),
            )
        for name in ("hours", "timestep_fs", "cutoff"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ArgumentError(name, f"must be positive, found {value:g}")
        for name in ("frames", "steps", "seed"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ArgumentError(name, f"must be at least 1, found {value}")
        if self.from_student is not None and not self.from_student.is_file():
            raise ArgumentError(
                "from_student", f"must be a student, found no file '{self.from_student}'"
            )

    @property
    def place(self) -> Path:
        """The folder of everything but the student."""
        return self.folder if self.folder is not None else self.out.with_suffix(".distil")
