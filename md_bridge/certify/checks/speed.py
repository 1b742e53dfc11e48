"""Time of a step in each host, for information."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from ase import units
from ase.md.verlet import VelocityVerlet

from md_bridge.ase import MDBridgeCalculator
from md_bridge.certify.findings import Finding, Outcome, skipped
from md_bridge.certify.subject import Subject
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.dynamics import run_dynamics
from md_bridge.drift.runs.plan import Run
from md_bridge.extras import MissingExtraError

__all__ = ["speed"]

_STEPS, _WARM_UP = 20, 3
_TIMESTEP = 0.01
"""Small, so that made-up structures stay where they are (fs)."""


def speed(subject: Subject) -> Iterator[Finding]:
    """Steps of each host, timed by itself.

    :param subject: the model
    """
    for forces in subject.kinds:
        ways: dict[str, Callable[[], float]] = {
            "ASE": partial(_in_ase, subject, forces),
            "LAMMPS": partial(_in_program, subject, "lammps", forces),
            "i-PI": partial(_in_program, subject, "i-pi", forces),
        }
        for host, measure in ways.items():
            name = f"time of a step, {forces} forces, {host}"
            subject.say(name)
            try:
                yield _finding(subject, name, measure())
            except MissingExtraError as error:
                yield skipped(name, str(error))


def _finding(subject: Subject, name: str, seconds: float) -> Finding:
    count = len(subject.point)
    per_atom = 1e6 * seconds / count
    return Finding(
        name,
        Outcome.MEASURED,
        "",
        f"{per_atom:.3g} µs/atom",
        f"{1e3 * seconds:.3g} ms a step, mean of {_STEPS} steps of {count} atoms with "
        f"{subject.threads} threads",
        {"seconds_per_step": seconds, "microseconds_per_step_and_atom": per_atom},
    )


def _in_ase(subject: Subject, forces: str) -> float:
    atoms = subject.point.copy()
    options = subject.options_of_one
    atoms.calc = MDBridgeCalculator(subject.model, forces=forces, **options.engine_keywords())
    dynamics = VelocityVerlet(atoms, timestep=_TIMESTEP * units.fs)
    dynamics.run(_WARM_UP)
    begin = time.perf_counter()
    dynamics.run(_STEPS)
    return (time.perf_counter() - begin) / _STEPS


def _in_program(subject: Subject, host: str, forces: str) -> float:
    run = Run(Method(host, forces, None, _TIMESTEP), _STEPS, model_options=subject.options_of_one)
    folder = subject.place(f"speed-{host}-{forces}")
    record = run_dynamics(
        subject.point, subject.model, run, folder, lambda _: None, subject.threads
    )
    return record.wall_s / _STEPS
