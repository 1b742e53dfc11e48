"""Pieces of work whose progress a bar shows, weighed by what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.drift.runs.plan import Run

__all__ = [
    "USUAL_COST_RATIO",
    "USUAL_INNER_RATIO",
    "Progress",
    "Task",
    "TaskProgress",
    "expected_cost",
    "run_task",
]

USUAL_COST_RATIO = 2.7
"""A conservative evaluation in direct ones, before anything is measured."""

USUAL_INNER_RATIO = 15.0
"""A conservative evaluation of the outer model in evaluations of an inner one, likewise."""

Progress = Callable[[int], None]
"""Called with the number of (outer) steps of one run done so far."""

TaskProgress = Callable[["Task", int], None]
"""Called with a task and the number of its steps that are done."""


@dataclass(frozen=True)
class Task:
    """A piece of work."""

    label: str
    """For people; no two tasks of one job share it."""
    steps: int
    cost: float = 1.0
    """Of a step, in conservative evaluations."""


def run_task(run: Run) -> Task:
    """The task of one run.

    :param run: one of a plan
    """
    return Task(run.label, run.outer_steps, expected_cost(run))


def expected_cost(run: Run, ratio: float = USUAL_COST_RATIO) -> float:
    """Cost of an outer step in conservative evaluations: what a progress bar should count.

    :param run: one of a plan
    :param ratio: F, cost of a conservative over that of a direct evaluation
    :returns: conservative evaluations an outer step
    """
    if run.method.forces == "conservative":
        return 1.0
    multiplicity = run.method.multiplicity
    if multiplicity is None:
        return 1.0 / ratio
    if run.method.two_models:
        return 1.0 + multiplicity / USUAL_INNER_RATIO
    return multiplicity / speedup_bound(multiplicity, ratio)
