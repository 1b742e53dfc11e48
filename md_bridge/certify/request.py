"""What is to be certified, and how thoroughly."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE
from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions, require_use_of_inner
from md_bridge.text import nearest

__all__ = ["CHECKS", "QUICK", "CertifyRequest"]

CHECKS = {
    "derivatives": "forces and stress are derivatives of the energy",
    "precision": "float32 against float64, and rounding inside the model",
    "order": "the order of atoms and of pairs, places and batches change nothing",
    "range": "an atom sees no farther than the file declares",
    "smoothness": "no jumps of energy or forces",
    "direct": "direct forces belong to the energy",
    "ranks": "LAMMPS on several ranks agrees with one rank",
    "hosts": "LAMMPS, i-PI and ASE agree",
    "nve": "dynamics conserve energy, by our verdict and by published ones",
    "speed": "time of a step in each host",
}
"""The checks, in the order in which they are made, and what each is about."""

QUICK: dict[str, Any] = {
    "multiplicities": (1, 4),
    "ranks": (2,),
    "length_ps": 0.1,
    "equilibration_ps": 0.05,
}
"""What replaces the defaults of a request for a first look, whose runs may be too short to tell."""


@dataclass(frozen=True)
class CertifyRequest:
    """A model, structures of its use, and what to check.

    :raises ArgumentError: an unknown check, a number out of its range, or averages over copies,
        which are the engine's and not the file's
    """

    model: Path
    """An exported file, compiled or not; or ``python:package.module:factory``."""
    starts: tuple[Path, ...] = ()
    """Structures of the dynamics that the model is for, of which the last of each file counts;
    without one they are made up, and no dynamics are run."""
    only: tuple[str, ...] = ()
    """Names of :data:`CHECKS`; empty: all."""
    multiplicities: tuple[int, ...] = (1, 4, 8)
    """M of the runs at constant energy; 1: conservative forces alone."""
    ranks: tuple[int, ...] = (2, 4)
    """Numbers of MPI ranks that are compared with one rank."""
    timestep_fs: float = 0.5
    """Inner step (fs)."""
    length_ps: float = 0.5
    """Of each run at constant energy."""
    temperature_k: float = 300.0
    equilibration_ps: float = 0.2
    """Of the thermostatted run that makes the start of the others."""
    tolerance: float = DEFAULT_TOLERANCE
    """Drift that counts as conserved (meV/atom/ps)."""
    seed: int = 1
    model_options: ModelOptions = field(default_factory=ModelOptions)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", Path(self.model))
        starts = (self.starts,) if isinstance(self.starts, str | os.PathLike) else self.starts
        object.__setattr__(self, "starts", tuple(map(Path, starts)))
        for name in self.only:
            if name not in CHECKS:
                near = nearest(name, CHECKS)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(CHECKS)}"
                raise ArgumentError("only", f"'{name}' is no check; {hint}")
        for argument, least in (("multiplicities", 1), ("ranks", 2)):
            for value in getattr(self, argument):
                if value < least:
                    raise ArgumentError(
                        argument, f"must be whole numbers from {least} on, found {value}"
                    )
        for argument in ("timestep_fs", "length_ps", "temperature_k", "tolerance"):
            value = getattr(self, argument)
            if not (math.isfinite(value) and value > 0):
                raise ArgumentError(argument, f"must be positive and finite, found {value:g}")
        options = self.model_options
        if options.symmetrize != "none":
            raise ArgumentError(
                "symmetrize",
                "averages are the engine's, and what is certified is the file: expected none, "
                f"found {options.symmetrize}",
            )
        require_use_of_inner(
            self.model, options, ["mts" for m in self.multiplicities if m > 1] or ["conservative"]
        )

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of those to be made, in their order."""
        return tuple(name for name in CHECKS if not self.only or name in self.only)
