"""The hosts in which a run can be made."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms

from md_bridge.drift.nve import NveRun, Progress
from md_bridge.drift.nve_ipi import run_ipi_nve
from md_bridge.drift.nve_lammps import run_lammps_nve
from md_bridge.drift.series import RunRecord


def run_nve(
    start: Atoms, model: Path, run: NveRun, folder: Path, progress: Progress, threads: int
) -> RunRecord:
    """Run NVE in the run's engine, see the functions of each.

    :raises RunError: if the host fails; a run that explodes is a result, not a failure
    """
    runner = run_ipi_nve if run.engine == "i-pi" else run_lammps_nve
    return runner(start, model, run, folder, progress, threads)
