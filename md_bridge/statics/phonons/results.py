"""Phonons of one crystal, a result for each kind of forces and each correction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.statics.phonons.band_path import BandPath
from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.growth import Growth
from md_bridge.statics.phonons.modes import Gamma, Imaginary
from md_bridge.statics.phonons.operations import Operations
from md_bridge.statics.phonons.projectors import CORRECTIONS
from md_bridge.statics.phonons.scan import Scan
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.phonons.thermal import Thermal
from md_bridge.statics.phonons.violations import Violations
from md_bridge.statics.rows import Row

__all__ = ["Failure", "PhononReport", "PhononResult", "reference_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PhononResult:
    """Of one row, with one correction."""

    row: Row
    correction: str
    """One of :data:`md_bridge.statics.phonons.projectors.CORRECTIONS`."""
    force_constants: Array
    """Compact, [n, N, 3, 3], eV/Å²."""
    evaluations: int
    """Structures that the row took, whatever the correction."""
    violations: Violations
    gamma: Gamma
    bands: Array
    """[P, 3 n], on the path, ascending, THz; imaginary ones are negative."""
    splitting: float
    """Of modes that the crystal's symmetry makes degenerate, rms, THz; NaN if there are none."""
    imaginary: Imaginary
    growth: Growth
    thermal: Thermal

    @property
    def label(self) -> str:
        """As tables show it: ``direct, octahedral: symfc``."""
        return f"{self.row.label}: {self.correction}"

    @property
    def file_name(self) -> str:
        """The same for names of files."""
        return f"{self.row.file_name}-{self.correction}"

    def difference(self, other: PhononResult) -> float:
        """Of the bands, each with the one of the same number, rms, THz.

        :param other: on the same path
        """
        return float(np.sqrt(np.mean((self.bands - other.bands) ** 2)))


@dataclass(frozen=True)
class Failure:
    """A part of a row that could not be computed."""

    row: Row
    part: str
    """``force constants``, ``scan`` or ``elastic constants``."""
    reason: str
    """In words."""


@dataclass(frozen=True, eq=False)
class PhononReport:
    """All that was found of one crystal."""

    request: PhononRequest
    crystal: Crystal
    path: BandPath
    operations: Operations
    results: tuple[PhononResult, ...]
    """Each row with each correction, in the order asked for."""
    residual_forces: Mapping[str, float]
    """Largest force on an atom that is not displaced, by the label of the row, eV/Å."""
    noise: Mapping[str, float]
    """Of the forces, by the label of the row, eV/Å."""
    warnings: tuple[str, ...]
    """What limits the numbers, a sentence each."""
    precision: str
    """``float32`` or ``float64``."""
    interaction_range: float
    """Of the model, Å; infinite if it has none."""
    seconds: float
    scans: tuple[Scan, ...] = ()
    elastic: tuple[Any, ...] = ()
    """``md_bridge.statics.elastic.Elasticity`` of each row that has it."""
    relaxed: Atoms | None = None
    """The crystal after a relaxation, if one was asked for."""
    relaxation_converged: bool = field(default=True)
    relaxation_reason: str = ""
    """Why its atoms did not come to rest, in words."""
    failures: tuple[Failure, ...] = ()
    """What is missing, because the model or a program failed on it."""

    @property
    def reference(self) -> PhononResult:
        """What the others are compared with."""
        return reference_of(self.results)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and the atoms came to rest where that was asked for, in strained
        cells too."""
        at_rest = self.relaxation_converged and all(each.converged for each in self.elastic)
        return at_rest and not self.failures


def reference_of(results: tuple[PhononResult, ...]) -> PhononResult:
    """The most trustworthy of results: conservative before direct, then averaged before not, with
    the last one named of several sets, then the most that is corrected.

    :param results: at least one
    """
    order = list(CORRECTIONS)
    sets = list(dict.fromkeys(each.row.symmetrize for each in results))

    def trust(result: PhononResult) -> tuple[bool, bool, int, int]:
        return (
            result.row.forces == "conservative",
            result.row.symmetrize != "none",
            sets.index(result.row.symmetrize),
            order.index(result.correction),
        )

    return max(results, key=trust)
