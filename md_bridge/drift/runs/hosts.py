"""The hosts in which a run can be made."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.dynamics import NveRun, Progress
from md_bridge.drift.runs.ipi import run_ipi_nve
from md_bridge.drift.runs.lammps import run_lammps_nve
from md_bridge.drift.runs.thermostats import Thermostat


def run_nve(
    start: Atoms,
    model: Path,
    run: NveRun,
    folder: Path,
    progress: Progress,
    threads: int,
    thermostat: Thermostat | None = None,
) -> RunRecord:
    """Run NVE in the run's engine, or NVT with a thermostat; see the functions of each.

    :raises RunError: if the host fails; a run that explodes is a result, not a failure
    """
    if run.engine == "i-pi":
        return run_ipi_nve(start, model, run, folder, progress, threads, thermostat)
    return run_lammps_nve(start, model, run, folder, progress, threads, thermostat=thermostat)
