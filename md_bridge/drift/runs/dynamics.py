"""One run of dynamics, in whichever host it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ase import Atoms

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.ipi import run_in_ipi
from md_bridge.drift.runs.lammps import run_in_lammps
from md_bridge.drift.runs.plan import Run
from md_bridge.drift.runs.tasks import Progress
from md_bridge.drift.runs.thermostats import Thermostat
from md_bridge.model_names import absolute_model

__all__ = [
    "run_dynamics",
]


def run_dynamics(
    start: Atoms,
    model: Path,
    run: Run,
    folder: Path,
    progress: Progress,
    threads: int,
    *,
    thermostat: Thermostat | None = None,
    frame_interval: int | None = None,
) -> RunRecord:
    """Run NVE, or NVT with a thermostat, in the run's host and return H(t) and T(t).

    A run that explodes is a result: its record ends early and says why.

    :param start: positions, velocities and cell; periodic in three directions
    :param model: exported model
    :param run: method, number of steps and options of the model
    :param folder: gets the input and all output; made if missing
    :param progress: called with the number of outer steps done
    :param threads: of torch
    :param thermostat: NVT in place of NVE
    :param frame_interval: outer steps between the frames of a trajectory; None for none. Only
        LAMMPS writes one
    :raises RunError: if the host fails, or its output is incomplete
    """
    model = absolute_model(model)
    # hosts run in a folder of their own
    run = replace(run, model_options=run.model_options.absolute())
    if run.method.host == "i-pi":
        return run_in_ipi(start, model, run, folder, progress, threads, thermostat=thermostat)
    return run_in_lammps(
        start,
        model,
        run,
        folder,
        progress,
        threads,
        thermostat=thermostat,
        frame_interval=frame_interval,
    )
