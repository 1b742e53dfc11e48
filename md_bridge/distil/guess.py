"""A first guess of M, and what runs with it, where no search measures M."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from md_bridge._templates import templates
from md_bridge.ase import MDBridgeCalculator
from md_bridge.distil.labelling.frames import FrameStore
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.distil.request import DistilRequest
from md_bridge.export.checks.first_guess import (
    DRIFT_TOLERANCE,
    fastest_period,
    kick_heating,
)
from md_bridge.export.checks.two_models import guess_from_change, rate_of_change
from md_bridge.model_names import ModelName, absolute_model
from md_bridge.model_options import ModelOptions

__all__ = ["Guess", "guess_multiplicity", "write_script"]

_STRUCTURES = 3
_LENGTH_PS = 10.0


@dataclass(frozen=True)
class Guess:
    """M for the time step of the frames, and the drift that it may have."""

    multiplicity: int
    """1: none gains."""
    timestep_fs: float
    """The inner step (fs)."""
    drift: float
    """meV/atom/ps."""


def guess_multiplicity(
    request: DistilRequest, teacher: Teacher, timestep_fs: float, folder: Path
) -> Guess | None:
    """What `md-bridge check` would guess, from the ends of some runs, which were held out.

    :param request: with the path of the student
    :param teacher: the outer model
    :param timestep_fs: inner step (fs)
    :param folder: of the student, with frames
    :returns: None if no vibration was found
    """
    outer = teacher.calculator()
    inner = MDBridgeCalculator(request.out, forces="direct", device=request.model_options.device)
    structures = _ends(folder)
    period = fastest_period(cast(Any, _Forces(outer)), structures[0])
    if not np.isfinite(period):
        return None
    change = np.concatenate(
        [
            rate_of_change(outer.get_forces, atoms) - rate_of_change(inner.get_forces, atoms)
            for atoms in structures
        ]
    )
    masses = np.concatenate([atoms.get_masses() for atoms in structures])
    guess = guess_from_change(period, kick_heating(change, masses))
    if guess.drift > DRIFT_TOLERANCE:
        return Guess(1, timestep_fs, guess.drift)
    outer_fs = guess.inner_steps * guess.inner_step
    return Guess(max(1, int(outer_fs / timestep_fs + 1e-9)), timestep_fs, guess.drift)


def write_script(request: DistilRequest, guess: Guess, start: Atoms, folder: Path) -> Path:
    """Write ``dynamics.py`` with ``start.xyz``: 10 ps of NVE in ASE, as it stands.

    :param request: whose teacher is a file or ``python:…``
    :param guess: an M of 2 or more
    :param start: of the dynamics
    :param folder: made if missing
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = start.copy()
    free.set_constraint()
    ase.io.write(folder / "start.xyz", free, format="extxyz")
    outer_fs = guess.multiplicity * guess.timestep_fs
    environment = templates("md_bridge.distil", autoescape=False, keep_trailing_newline=True)
    keywords = request.model_options.engine_keywords().items()
    usual = ModelOptions().engine_keywords()
    text = environment.get_template("dynamics.py.j2").render(
        title=f"{start.get_chemical_formula()} at constant energy, with a student inside.",
        drift=f"{guess.drift:.1g}",
        teacher=repr(str(absolute_model(cast(ModelName, request.teacher)))),
        options=[(name, repr(value)) for name, value in keywords if value != usual[name]],
        student=repr(os.path.relpath(request.out, folder)),
        temperature=min(request.temperatures_k),
        seed=request.seed,
        multiplicity=guess.multiplicity,
        outer_fs=f"{outer_fs:g}",
        steps=max(1, round(1000 * _LENGTH_PS / outer_fs)),
    )
    path = folder / "dynamics.py"
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Prediction:
    forces: np.ndarray


class _Forces:
    """A calculator as :func:`fastest_period` asks for forces."""

    def __init__(self, calculator: BaseCalculator) -> None:
        self._calculator = calculator

    def evaluate(self, structures: Sequence[Atoms], direct: bool) -> list[_Prediction]:
        return [_Prediction(np.array(self._calculator.get_forces(atoms))) for atoms in structures]


def _ends(folder: Path) -> list[Atoms]:
    """Where some of the runs ended, with velocities."""
    found = []
    blocks = list(FrameStore(folder / "frames").last_blocks())
    for block in blocks[:: max(1, len(blocks) // _STRUCTURES)][:_STRUCTURES]:
        atoms = Atoms(block.numbers, block.end_positions, cell=block.cells[0], pbc=block.pbc)
        atoms.set_masses(block.masses)
        atoms.set_momenta(block.end_momenta)
        found.append(atoms)
    return found
