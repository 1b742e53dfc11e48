"""How far a model's direct forces are from its conservative ones, the error that MTS corrects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

__all__ = [
    "ForceDifference",
    "force_difference",
]


@dataclass(frozen=True)
class ForceDifference:
    """Direct minus conservative forces of the model on configurations of the run (eV/Å)."""

    rms: float
    """Root mean square over Cartesian components."""
    largest: float
    """Largest absolute Cartesian component."""
    conservative_rms: float
    """Root mean square of the conservative forces, the scale of the other two."""
    configurations: int


def force_difference(model: Path, configurations: Sequence[Atoms], threads: int) -> ForceDifference:
    """Compare both kinds of forces on the given configurations.

    :param model: exported model with direct forces
    :param configurations: at least one
    :param threads: of torch
    :raises EngineError: the model cannot be loaded or lacks a kind of forces
    """
    from md_bridge.engine import Engine, set_threads, structure_from_ase

    set_threads(threads)
    engine = Engine(model)
    conservative, direct = [], []
    for atoms in configurations:
        result = engine.evaluate(
            structure_from_ase(atoms), conservative_forces=True, direct_forces=True
        )
        assert not isinstance(result, list)
        conservative.append(result.conservative_forces)
        direct.append(result.direct_forces)
    difference = np.concatenate(direct) - np.concatenate(conservative)
    return ForceDifference(
        rms=_rms(difference),
        largest=float(np.max(np.abs(difference))),
        conservative_rms=_rms(np.concatenate(conservative)),
        configurations=len(configurations),
    )


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
