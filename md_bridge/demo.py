"""The main job: one start, one model, conservative, direct and MTS dynamics in both hosts."""

from __future__ import annotations

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
from md_bridge.processes import RunError
from md_bridge.structures import read_structure

__all__ = [
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
START = DATA / "water-start.xyz"

TIMESTEP_FS = 0.5

_MULTIPLICITIES = (2, 4, 8)
_IPI_MULTIPLICITY = 4
# Cheap forces run longer: every run takes about as much wall time as the conservative one, which
# needs the fewest steps for a verdict.
_LONGER = {"conservative": 1.0, "mts": 1.5, "direct": 2.0}
_LONGEST_OUTER_STEP_PS = max(_MULTIPLICITIES) * TIMESTEP_FS / 1000
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


def planned_runs(length_ps: float) -> list[Run]:
    """The six runs: of conservative forces as long as asked for, with multiple time stepping 1.5
    times and of direct forces twice as long.

    :param length_ps: rounded to a whole number of the longest outer steps, as the others are
    :raises ValueError: if that is too short for error bars, or absurdly long
    """
    if not SHORTEST_PS <= length_ps <= LONGEST_PS:
        raise ValueError(
            f"the conservative run must be {SHORTEST_PS:g} to {LONGEST_PS:g} ps long, "
            f"found {length_ps:g} ps"
        )

    def run(host: str, forces: str, multiplicity: int | None = None) -> Run:
        longest = round(_LONGER[forces] * length_ps / _LONGEST_OUTER_STEP_PS)
        steps = longest * max(_MULTIPLICITIES) // (multiplicity or 1)
        return Run(Method(host, forces, multiplicity, TIMESTEP_FS), steps)

    return [
        run("lammps", "conservative"),
        run("lammps", "direct"),
        *(run("lammps", "mts", multiplicity) for multiplicity in _MULTIPLICITIES),
        run("i-pi", "mts", _IPI_MULTIPLICITY),
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
        model=describe_model(MODEL),
        system=describe_system(start),
        atom_count=len(start),
        timestep_fs=runs[0].method.timestep_fs,
        length_ps=min(lengths),
        longest_ps=max(lengths),
        threads=threads,
        **surroundings(),
    )


def _perform(
    run: Run, start: Atoms, folder: Path, threads: int, steps_done: StepsDone
) -> RunRecord:
    def progress(steps: int) -> None:
        steps_done(run, min(steps, run.outer_steps))

    interval = max(1, run.outer_steps // _FRAMES) if run.method.forces == "conservative" else None
    return run_dynamics(start, MODEL, run, folder, progress, threads, frame_interval=interval)
