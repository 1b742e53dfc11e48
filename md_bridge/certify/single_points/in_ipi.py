"""In i-PI: its own simulation, with the driver of this package in its process."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ase.io import write

from md_bridge.certify.single_points import ipi_program
from md_bridge.certify.single_points.point import Point, PointTask
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.ipi import ipi_input_text
from md_bridge.drift.runs.plan import Run
from md_bridge.extras import require
from md_bridge.processes import Program, watch

__all__ = ["point_in_ipi"]


def point_in_ipi(task: PointTask, folder: Path) -> Point:
    """Evaluate in i-PI, before the first step of a run.

    :param task: what to evaluate
    :param folder: gets the input and all output; it exists
    :raises RunError: i-PI fails
    :raises MissingExtraError: it is not installed
    """
    require("ipi", wanted_by="a run in i-PI")
    run = Run(Method("i-pi", task.forces, None, 0.5), 1, model_options=task.options)
    write(folder / "start.xyz", task.atoms, format="extxyz")
    text = ipi_input_text(task.atoms, task.model, run)
    (folder / "input.xml").write_text(text, encoding="utf-8")
    result = folder / "point.npz"
    result.unlink(missing_ok=True)
    program = Program(
        "i-PI",
        [sys.executable, str(Path(ipi_program.__file__)), "input.xml", result.name],
        folder / "log.i-pi",
        environment={"OMP_NUM_THREADS": str(task.threads)},
        folder=folder,
    )
    watch(program, lambda: 0, lambda _: None)
    with np.load(result) as found:
        virial = found["virial"] if task.with_virial else None
        return Point(float(found["energy"]), found["forces"], virial)
