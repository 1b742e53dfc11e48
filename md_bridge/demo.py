"""The main job: one start, conservative, direct and MTS dynamics in both hosts, with one model and
with two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ase.io
from ase import Atoms

from md_bridge._paths import DATA
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.environment import (
    RunSettings,
    describe_model,
    describe_system,
    surroundings,
)
from md_bridge.drift.runs.dynamics import run_dynamics
from md_bridge.drift.runs.force_difference import ForceDifference, force_difference
from md_bridge.drift.runs.lammps import TRAJECTORY
from md_bridge.drift.runs.plan import Run
from md_bridge.export.checks.costs import EvaluationCosts, evaluation_costs
from md_bridge.model_options import ModelOptions
from md_bridge.processes import RunError
from md_bridge.structures import read_structure

__all__ = [
    "INNER_MODEL",
    "MODEL",
    "START",
    "TIMESTEP_FS",
    "DemoOutcome",
    "describe_settings",
    "perform",
    "planned_runs",
    "read_frames",
    "read_start",
]

MODEL = DATA / "water.pt"
INNER_MODEL = DATA / "water-inner.pt"
"""Made from ``MODEL`` by ``md-bridge distil``."""
START = DATA / "water-start.xyz"

TIMESTEP_FS = 0.5

_MULTIPLICITIES = (2, 4, 8)
_IPI_MULTIPLICITY = 4
TWO_MODEL_MULTIPLICITY = 4
"""The largest M that conserves energy with ``INNER_MODEL``."""
# Cheap forces whose verdict needs more steps than that of conservative ones run longer; no run
# takes more wall time.
_LONGER = {"direct": 1.5, "two-models": 1.5, 4: 1.5}
# every run is as many inner steps long as all M divide
_WHOLE_STEPS = math.lcm(*_MULTIPLICITIES, TWO_MODEL_MULTIPLICITY)
SHORTEST_PS = 0.15
"""Error bars need 32 outer steps, and several periods of the molecules' librations."""
LONGEST_PS = 1000.0

_FRAMES = 8

StepsDone = Callable[[Run, int], None]
"""Called with a run and the number of its outer steps that are done."""


@dataclass
class DemoOutcome:
    """What a demo has produced so far; complete unless it was stopped or runs failed."""

    records: list[RunRecord] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by the label of the run."""
    difference: ForceDifference | None = None
    costs: EvaluationCosts | None = None


def planned_runs(length_ps: float, inner: str | Path | None = None) -> list[Run]:
    """The eight runs, as long as asked for; some 1.5 times as long, where forces are cheap.

    :param length_ps: rounded to a number of inner steps that every M divides
    :param inner: the second model of those with two; None: ``INNER_MODEL``
    :raises ValueError: if that is too short for error bars, or absurdly long
    """
    if not SHORTEST_PS <= length_ps <= LONGEST_PS:
        raise ValueError(
            f"the conservative run must be {SHORTEST_PS:g} to {LONGEST_PS:g} ps long, "
            f"found {length_ps:g} ps"
        )

    of_two = ModelOptions(inner=str(Path(inner or INNER_MODEL).resolve()))

    def run(host: str, forces: str, multiplicity: int | None = None, two: bool = False) -> Run:
        longer = _LONGER.get("two-models" if two else multiplicity or forces, 1.0)
        whole = round(longer * length_ps * 1000 / TIMESTEP_FS / _WHOLE_STEPS)
        return Run(
            Method(host, forces, multiplicity, TIMESTEP_FS, two),
            whole * _WHOLE_STEPS // (multiplicity or 1),
            model_options=of_two if two else ModelOptions(),
        )

    return [
        run("lammps", "conservative"),
        run("lammps", "direct"),
        *(run("lammps", "mts", multiplicity) for multiplicity in _MULTIPLICITIES),
        run("i-pi", "mts", _IPI_MULTIPLICITY),
        *(run(host, "mts", TWO_MODEL_MULTIPLICITY, two=True) for host in ("lammps", "i-pi")),
    ]


def perform(
    runs: Sequence[Run], folder: Path, threads: int, steps_done: StepsDone, outcome: DemoOutcome
) -> None:
    """Do the runs one after the other; a run that fails does not stop the next.

    :param runs: see :func:`planned_runs`
    :param folder: each run gets a folder of its own in ``folder/runs``
    :param threads: of torch
    :param steps_done: called as the runs advance
    :param outcome: filled as results come, so that nothing is lost on Ctrl-C
    """
    start = read_start()
    for run in runs:
        try:
            record = _perform(run, start, folder / "runs" / run.name, threads, steps_done)
        except RunError as error:
            outcome.failures[run.label] = str(error)
        else:
            outcome.records.append(record)
        steps_done(run, run.outer_steps)
        if run.method.forces == "conservative" and run.label not in outcome.failures:
            frames = read_frames(folder / "runs" / run.name / TRAJECTORY, start)
            outcome.difference = force_difference(MODEL, frames, threads)
            outcome.costs = evaluation_costs(MODEL, start, _of_two(runs), threads)


def read_start() -> Atoms:
    """The bundled start: water at 300 K, with velocities."""
    return read_structure(START)


def read_frames(trajectory: Path, start: Atoms) -> list[Atoms]:
    """Configurations that a LAMMPS run of ``start`` left.

    :param trajectory: the dump file, in LAMMPS's text format
    :param start: what was run; the atoms' elements and periodicity
    :returns: one structure (Å) a frame, without velocities
    """
    frames = ase.io.read(trajectory, index=":", format="lammps-dump-text")
    return [
        Atoms(start.numbers, positions=frame.positions, cell=frame.cell, pbc=start.pbc)
        for frame in frames
    ]


def describe_settings(runs: Sequence[Run], threads: int) -> RunSettings:
    """What the page says about model, system and machine.

    :param runs: the runs of the demonstration, of one time step
    :param threads: threads of each run
    """
    start = read_start()
    lengths = [run.outer_steps * run.outer_timestep_fs / 1000 for run in runs]
    return RunSettings(
        model=describe_model(MODEL, _of_two(runs)),
        system=describe_system(start),
        atom_count=len(start),
        timestep_fs=runs[0].method.timestep_fs,
        length_ps=min(lengths),
        longest_ps=max(lengths),
        threads=threads,
        **surroundings(),
    )


def _of_two(runs: Sequence[Run]) -> ModelOptions:
    """The options of the runs with two models, with the inner one."""
    found = [run.model_options for run in runs if run.method.two_models]
    return found[0] if found else ModelOptions(inner=str(INNER_MODEL))


def _perform(
    run: Run, start: Atoms, folder: Path, threads: int, steps_done: StepsDone
) -> RunRecord:
    def progress(steps: int) -> None:
        steps_done(run, min(steps, run.outer_steps))

    interval = max(1, run.outer_steps // _FRAMES) if run.method.forces == "conservative" else None
    return run_dynamics(start, MODEL, run, folder, progress, threads, frame_interval=interval)
