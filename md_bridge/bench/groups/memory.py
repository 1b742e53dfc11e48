"""Memory of LAMMPS over a run in which the number of pairs never rests."""

from __future__ import annotations

from collections.abc import Iterator

from md_bridge.bench.groups.plan import Plan
from md_bridge.bench.panels import Panel, Subject

__all__ = ["memory_panels"]

_TURNS = 10
"""Readings, over all steps."""
_BREATHE = """\
fix breathe all deform 1 x wiggle 0.2 0.05 y wiggle 0.2 0.07 remap x
fix cool all langevin 300.0 300.0 0.02 4711"""
"""The box swings by 0.2 Å with periods of 50 and 70 fs: pairs come and go at each step. That, and
direct forces, heat whatever is in it, which a bath has to take away for 20,000 steps."""


def memory_panels(plan: Plan) -> Iterator[Panel]:
    """Resident memory after each turn of many steps; all the turns together are the steps that were
    asked for.

    :param plan: models, boxes, threads
    """
    for model, where in plan.cases():
        subjects = []
        for suffix, source in model.programs():
            for kind in model.kinds:
                open_steps = plan.lammps(source, where, kind, extra=_BREATHE)
                subjects.append(Subject(f"{kind}{suffix}", open_steps))
            if model.has_direct:
                open_mts = plan.lammps(source, where, multiplicity=4, extra=_BREATHE)
                subjects.append(Subject(f"MTS M = 4{suffix}", open_mts, multiplicity=4))
        yield Panel("memory", "memory of LAMMPS", model.name, where.atoms, plan.threads,
                    plan.steps(), tuple(subjects),
                    count=max(1, plan.memory_steps // _TURNS), rounds=_TURNS)  # fmt: skip
