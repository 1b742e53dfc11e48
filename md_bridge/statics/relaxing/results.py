"""What became of a structure that was relaxed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["EV_PER_CUBIC_ANGSTROM_IN_GPA", "STATUSES", "Relaxation"]

Array = NDArray[np.float64]

EV_PER_CUBIC_ANGSTROM_IN_GPA = 160.21766208
"""1 eV/Å³ in GPa."""

STATUSES = ("converged", "not converged", "stopped")
"""``stopped``: the structure exploded, or the model failed on it; its reason says so."""


@dataclass(frozen=True)
class Relaxation:
    """The way of one structure of N atoms, whoever moved it."""

    start: Atoms
    end: Atoms
    """At rest; of a relaxation that did not converge the best structure on the way, that of the
    smallest forces. No calculator."""
    status: str
    """One of :data:`STATUSES`."""
    steps: int
    evaluations: Mapping[str, int]
    """By the kind of forces, ``direct`` or ``conservative``."""
    seconds: Mapping[str, float]
    """That they took, by the kind; of a batch the share of this structure's atoms."""
    start_energy: float
    """eV."""
    energy: float
    """Of the end, eV."""
    gradient: float
    """What is compared with fmax: the largest force on an atom, or on a row of the cell (minus the
    stress that is to vanish, times the volume, over N), eV/Å."""
    largest_force: float
    """On an atom of the end, of those that no constraint holds, eV/Å."""
    stress: Array | None = None
    """Of the end, [3, 3], eV/Å³, positive under tension; None at a fixed cell."""
    pressure: float = 0.0
    """That was asked for, eV/Å³."""
    work: float | None = None
    """∫ F·dx along the whole path, that of the cell included, by the trapezoidal rule, eV; None if
    the host does not tell."""
    change: float | None = None
    """Of energy plus pressure times volume between the ends of that path, eV."""
    rise: float = 0.0
    """How far the last energy of the path (with pressure times volume) is above the lowest, eV."""
    reason: str = ""
    """Why it did not converge, in words."""
    noise: float = math.nan
    """Rounding of the forces on an atom of such a start, eV/Å; NaN if it was not measured."""
    difference: float = math.nan
    """Of a walk on direct forces: their largest difference from those of the end where they were
    compared last, eV/Å. Below it they say nothing."""
    energies: Array = field(default_factory=lambda: np.zeros(0))
    """Along the path, energy plus pressure times volume, eV."""
    gradients: Array = field(default_factory=lambda: np.zeros(0))
    """Along the path, as ``gradient``."""
    kinds: tuple[str, ...] = ()
    """Along the path, which forces moved the atoms."""
    frames: tuple[Atoms, ...] = ()
    """The path, each with its energy and forces, if it was to be kept."""

    @property
    def converged(self) -> bool:
        """Whether all forces are below fmax."""
        return self.status == "converged"

    @property
    def walk(self) -> tuple[int, float, float] | None:
        """Of a walk on direct forces how many evaluations it has on its path, and the largest force
        at its first and at its last one, eV/Å; None if there was none."""
        walked = [
            gradient
            for kind, gradient in zip(self.kinds, self.gradients, strict=True)
            if kind != self.kinds[-1]
        ]
        return (len(walked), float(walked[0]), float(walked[-1])) if walked else None

    @property
    def residual_work(self) -> float:
        """Work along the path plus the change of the energy, meV for each atom.

        0 for forces that have this energy as their potential, but for the error of the trapezoidal
        rule; NaN where the work is not known.
        """
        if self.work is None or self.change is None:
            return math.nan
        return 1e3 * (self.work + self.change) / len(self.end)

    @property
    def largest_stress(self) -> float:
        """Of the end: the largest component of stress plus pressure, GPa; NaN at a fixed cell."""
        if self.stress is None:
            return math.nan
        excess = self.stress + self.pressure * np.eye(3)
        return float(np.abs(excess).max()) * EV_PER_CUBIC_ANGSTROM_IN_GPA
