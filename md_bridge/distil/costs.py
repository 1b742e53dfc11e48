"""What an evaluation of teacher and student costs."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from md_bridge.ase import MDBridgeCalculator
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.engine import choose_threads
from md_bridge.export.checks.costs import EvaluationCosts, evaluation_costs
from md_bridge.model_options import ModelOptions

__all__ = ["measure_costs"]

_ROUNDS = 6
_INNER_PER_ROUND = 4


def measure_costs(
    teacher: Teacher, student: Path, atoms: Atoms, options: ModelOptions
) -> EvaluationCosts:
    """Time one evaluation of each, by turns.

    :param teacher: its conservative forces
    :param student: exported; its direct forces
    :param atoms: the structure that is evaluated
    :param options: how the teacher is loaded; the device is that of the student, too
    """
    if teacher.model is not None:
        both = replace(options, inner=os.fspath(student))
        return evaluation_costs(teacher.model, atoms, both, choose_threads(options.threads))
    inner = MDBridgeCalculator(student, forces="direct", device=options.device)
    outer = teacher.calculator()
    times = [
        (_seconds(outer, atoms, 1), _seconds(inner, atoms, _INNER_PER_ROUND))
        for _ in range(_ROUNDS)
    ]
    # in the first rounds the student is compiled
    outer_s, inner_s = np.median(np.array(times[2:]), axis=0)
    return EvaluationCosts(float(outer_s), float(inner_s))


def _seconds(calculator: BaseCalculator, atoms: Atoms, repeats: int) -> float:
    moving = atoms.copy()
    moving.set_constraint()
    moving.calc = calculator
    began = time.perf_counter()
    for _ in range(repeats):
        moving.positions += 1e-6  # another structure, and so another evaluation
        moving.get_forces()
    return (time.perf_counter() - began) / repeats
