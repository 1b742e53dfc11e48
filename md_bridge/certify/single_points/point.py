"""What a host says of one structure, and how far two of them are apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.model_options import ModelOptions

__all__ = ["Point", "PointTask"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PointTask:
    """One evaluation, the same in every host."""

    atoms: Atoms
    """Periodic, in the orientation that all hosts take
    (:func:`md_bridge.structures.standard_orientation`)."""
    model: Path
    """Absolute, or the name of a model that Python evaluates."""
    options: ModelOptions
    """Without an inner model."""
    forces: str
    """``conservative`` or ``direct``."""
    threads: int
    with_virial: bool
    """Whether hosts are asked for one: not every model of Python has a stress."""


@dataclass(frozen=True)
class Point:
    """What a host says of N atoms."""

    energy: float
    """eV."""
    forces: Array
    """[N, 3], eV/Å."""
    virial: Array | None
    """[3, 3], −dE/d(strain), eV; None where it was not asked for."""

    def difference(self, quantity: str, other: Point) -> float:
        """Largest difference of a quantity: eV of an energy or virial, eV/Å of forces.

        :param quantity: ``energy``, ``forces`` or ``virial``, which both have
        :param other: of the same atoms
        """
        one, two = getattr(self, quantity), getattr(other, quantity)
        return float(np.max(np.abs(np.asarray(one) - np.asarray(two)), initial=0.0))
