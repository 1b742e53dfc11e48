"""Which M conserves energy with a student inside and its teacher outside: a short search."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase import Atoms

from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.distil.request import DistilRequest
from md_bridge.engine import choose_threads
from md_bridge.errors import MDBridgeError
from md_bridge.model_options import ModelOptions
from md_bridge.text import factor, with_error

if TYPE_CHECKING:
    from md_bridge.drift.runs.campaign import Campaign
    from md_bridge.drift.runs.tasks import Task, TaskProgress
    from md_bridge.drift.tuning.search import Trial, Tuning

__all__ = ["TRIAL_COLUMNS", "Progress", "TuningOutcome", "measure_multiplicity"]

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
    if not request.tune:
        return TuningOutcome([f"M was not measured (--no-tune); `{command}` does it."])
    if teacher.path is None:
        return TuningOutcome(
            [
                "M was not measured: the teacher is no exported file, which LAMMPS and i-PI could "
                "run. In ASE, MultipleTimeStep(atoms, timestep, M, inner=student) takes both."
            ]
        )
    try:
        return _search(request, teacher.path, start, timestep_fs, folder, progress)
    except (MDBridgeError, OSError) as error:
        return TuningOutcome([f"M was not measured: {error}. Then run `{command}`."])


def _search(
    request: DistilRequest,
    model: Path,
    start: Atoms,
    timestep_fs: float,
    folder: Path,
    progress: Progress,
) -> TuningOutcome:
    from md_bridge.drift.report.tune import tuning_sentences, tuning_summary
    from md_bridge.drift.runs.starts import write_start
    from md_bridge.drift.tuning.inputs import write_inputs
    from md_bridge.drift.tuning.search import TuneRequest, search

    @contextlib.contextmanager
    def show(campaign: Campaign, why: str) -> Iterator[TaskProgress]:
        def tell(task: Task, steps: int) -> None:
            progress(f"tuning: {task.label}", None, f"{steps}/{task.steps}")

        yield tell

    place = folder / "tune"
    place.mkdir(exist_ok=True)
    if not (place / "start.xyz").exists():
        write_start(start, place / "start.xyz")
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
    return TuningOutcome(
        tuning_sentences(tuning), _rows(tuning), tuning_summary(tuning, inputs), inputs
    )


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
