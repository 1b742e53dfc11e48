"""Which M conserves energy with a student inside and its teacher outside: a short search."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

from md_bridge.distil.guess import Guess, guess_multiplicity, write_script
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.distil.request import DistilRequest
from md_bridge.engine import choose_threads
from md_bridge.errors import MDBridgeError
from md_bridge.model_options import ModelOptions
from md_bridge.structures import StructureError
from md_bridge.text import factor, with_error

if TYPE_CHECKING:
    from md_bridge.drift.runs.campaign import Campaign
    from md_bridge.drift.runs.tasks import Task, TaskProgress
    from md_bridge.drift.tuning.search import Trial, Tuning

__all__ = ["SHARE_BEFORE", "TRIAL_COLUMNS", "Progress", "TuningOutcome", "measure_multiplicity"]

Progress = Callable[[str, float | None, str], None]
"""Called with what is being done, the share of the whole that is done (None: not known), and a
detail."""

TRIAL_COLUMNS = (
    ("M", ""),
    ("outer step", "fs"),
    ("drift", "meV/atom/ps"),
    ("verdict", ""),
    ("runs", "ps"),
    ("speed-up", ""),
    ("bound", ""),
)
"""Of the page."""

_LENGTH_PS, _LONGEST_PS = 1.0, 4.0
_EQUILIBRATION_PS = 0.2
_WORTH = 1.1
_USUAL_RUNS = 10
SHARE_BEFORE = 0.8
"""Of the bar, before the search."""


@dataclass(frozen=True)
class TuningOutcome:
    """What a search found, or why there was none."""

    sentences: list[str]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    """The cells of :data:`TRIAL_COLUMNS`, a row for each M."""
    summary: dict[str, Any] | None = None
    """The content of ``tune.json``."""
    inputs: list[Path] = field(default_factory=list)
    """For LAMMPS and i-PI, with the M that was found."""


def measure_multiplicity(
    request: DistilRequest,
    teacher: Teacher,
    start: Atoms,
    timestep_fs: float,
    folder: Path,
    progress: Progress,
) -> TuningOutcome:
    """Search for the largest M that conserves energy, with short runs in LAMMPS.

    Whatever goes wrong in them is a sentence: the student is there already.

    :param request: with the path of the student
    :param teacher: the outer model
    :param start: that the runs start from
    :param timestep_fs: inner step (fs)
    :param folder: of the student; gets ``tune`` and ``inputs``
    :param progress: called from time to time
    """
    command = f"md-bridge tune MODEL START --inner {request.out}"
    if teacher.model is None:
        return _guessed_for_ase(request, teacher, timestep_fs, folder)
    try:
        why = f"M was not measured (--no-tune); `{command}` does it."
        if request.tune:
            try:
                return _search(request, teacher.model, start, timestep_fs, folder, progress)
            except StructureError as error:
                why = f"M was not measured: {error}."
        return _guessed(request, teacher, teacher.model, start, timestep_fs, folder, why)
    except (MDBridgeError, OSError) as error:
        return TuningOutcome([f"M was not measured: {error}. Then run `{command}`."])


def _guessed(
    request: DistilRequest,
    teacher: Teacher,
    model: Path,
    start: Atoms,
    timestep_fs: float,
    folder: Path,
    why: str,
) -> TuningOutcome:
    """Without a search, inputs have an M that was guessed."""
    from md_bridge.drift.runs.starts import read_periodic_structure
    from md_bridge.drift.tuning.inputs import InputPlan, write_planned_inputs

    told = [why]
    guess = guess_multiplicity(request, teacher, timestep_fs, folder)
    if guess is None or guess.multiplicity < 2:
        return TuningOutcome([*told, _NO_GUESS])
    place = folder / "inputs"
    place.mkdir(exist_ok=True)
    _write_start(start, request, place / "start.xyz")
    try:
        read_periodic_structure(place / "start.xyz")
    except StructureError:
        told.append(
            f"{_guess_in_words(guess)}: the script for ASE has it, as LAMMPS and i-PI cannot run "
            "that start."
        )
        return TuningOutcome(told, inputs=[write_script(request, guess, start, place)])
    told.append(f"{_guess_in_words(guess)}: the inputs have it.")
    plan = InputPlan(
        model=model,
        start=place / "start.xyz",
        model_options=replace(request.model_options, inner=os.fspath(request.out)),
        multiplicity=guess.multiplicity,
        timestep_fs=timestep_fs,
        temperature_k=min(request.temperatures_k),
        seed=request.seed,
        finding=f"M is a first guess, which may drift by {guess.drift:.1g} meV/atom/ps",
    )
    return TuningOutcome(told, inputs=write_planned_inputs(plan, place))


def _guessed_for_ase(
    request: DistilRequest, teacher: Teacher, timestep_fs: float, folder: Path
) -> TuningOutcome:
    """A calculator of this process runs in ASE only, where no search is made."""
    told = [
        "M was not measured: the teacher is a calculator of this process, which LAMMPS and i-PI "
        "cannot name (they can name python:package.module:factory). In ASE, "
        "MultipleTimeStep(atoms, timestep, M, inner=student) takes both."
    ]
    try:
        guess = guess_multiplicity(request, teacher, timestep_fs, folder)
    except Exception as error:  # calculators raise whatever they stumble over
        told.append(f"M was not guessed either: {type(error).__name__}: {error}.")
        return TuningOutcome(told)
    if guess is None or guess.multiplicity < 2:
        return TuningOutcome([*told, _NO_GUESS])
    return TuningOutcome([*told, f"{_guess_in_words(guess)}: watch the energy of a short run."])


_NO_GUESS = (
    "No M of 2 or more is expected to conserve energy with this student, or no vibration was found."
)


def _guess_in_words(guess: Guess) -> str:
    outer = guess.multiplicity * guess.timestep_fs
    return (
        f"A first guess, as `md-bridge check` makes it, is M = {guess.multiplicity} (outer step "
        f"{outer:g} fs), which may drift by {guess.drift:.1g} meV/atom/ps"
    )


def _write_start(start: Atoms, request: DistilRequest, path: Path) -> None:
    """With velocities, and without constraints: all atoms move in these runs, as in the frames."""
    from md_bridge.drift.runs.starts import write_start

    free = start.copy()
    free.set_constraint()
    rng = np.random.default_rng(request.seed)
    MaxwellBoltzmannDistribution(free, temperature_K=min(request.temperatures_k), rng=rng)
    write_start(free, path)


def _search(
    request: DistilRequest,
    model: Path,
    start: Atoms,
    timestep_fs: float,
    folder: Path,
    progress: Progress,
) -> TuningOutcome:
    from md_bridge.drift.report.tune import tuning_sentences, tuning_summary
    from md_bridge.drift.tuning.inputs import write_inputs
    from md_bridge.drift.tuning.search import TuneRequest, search

    done: dict[Task, float] = {}

    @contextlib.contextmanager
    def show(campaign: Campaign, why: str) -> Iterator[TaskProgress]:
        def tell(task: Task, steps: int) -> None:
            done[task] = steps / task.steps
            progress(f"tuning: {task.label}", _share(done), f"{steps}/{task.steps}")

        yield tell

    place = folder / "tune"
    place.mkdir(exist_ok=True)
    if not (place / "start.xyz").exists():
        _write_start(start, request, place / "start.xyz")
    options: ModelOptions = request.model_options
    tune_request = TuneRequest(
        model=model,
        start=place / "start.xyz",
        timesteps_fs=(timestep_fs,),
        temperature_k=min(request.temperatures_k),
        length_ps=_LENGTH_PS,
        longest_ps=_LONGEST_PS,
        replicas=1,
        equilibration_ps=_EQUILIBRATION_PS,
        seed=request.seed,
        worth=_WORTH,
        model_options=replace(options, inner=os.fspath(request.out)),
    )
    tuning = search(tune_request, place, choose_threads(options.threads), show)
    inputs = write_inputs(tuning, folder / "inputs")
    where = (
        f"Measured at {tune_request.temperature_k:g} K, the lowest temperature, from the first "
        f"start ({start.get_chemical_formula()})."
    )
    return TuningOutcome(
        [*tuning_sentences(tuning), where], _rows(tuning), tuning_summary(tuning, inputs), inputs
    )


def _share(done: Mapping[Any, float]) -> float:
    """Of all work. How many runs there will be is not known before: a search has about ten, and
    each that is done brings the end nearer."""
    finished = sum(done.values()) / _USUAL_RUNS
    if finished > 0.8:
        finished = 1 - 0.2 * math.exp(4 - 5 * finished)  # slower and slower, to no end
    return SHARE_BEFORE + (1 - SHARE_BEFORE) * finished


def _rows(tuning: Tuning) -> list[tuple[str, ...]]:
    return [_row(trial) for step in tuning.steps for trial in (step.conservative, *step.trials)]


def _row(trial: Trial) -> tuple[str, ...]:
    energy = trial.statistics.energy
    return (
        str(trial.multiplicity) if trial.multiplicity > 1 else "conservative",
        f"{trial.outer_timestep_fs:g}",
        with_error(energy.slope, energy.stderr),
        trial.verdict.value,
        f"{trial.replicas} x {trial.length_ps:g}",
        factor(trial.speedup, missing="1"),
        factor(trial.speedup_bound, missing="1"),
    )
