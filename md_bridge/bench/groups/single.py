"""Smaller questions: averaging over rotations, a busy machine, large systems."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from md_bridge.bench.groups.ase import OURS, calculators
from md_bridge.bench.groups.ipi import conservative_by_ipi
from md_bridge.bench.groups.plan import Box, Plan
from md_bridge.bench.models.files import ModelFiles, Source
from md_bridge.bench.panels import Panel, Subject
from md_bridge.bench.sessions.busy import beside_neighbour
from md_bridge.engine import SYMMETRIZATIONS

__all__ = ["busy_panels", "scaling_panels", "symmetry_panels"]

_SPINS = "300000"
"""What libgomp does by itself: a user who sets it switches off what MD Bridge does about it."""
_SPINNING = ", threads always spin"
_NEIGHBOUR = ", one busy neighbour"


def symmetry_panels(plan: Plan) -> Iterator[Panel]:
    """Averages over rotated copies, of the smallest box: as many evaluations as copies; and how
    much the results change when the box is turned.

    :param plan: models, boxes, threads
    """
    where = plan.box(min(plan.sizes))
    for model in plan.models:
        for kind in ("both", "direct") if model.has_direct else ("conservative",):
            subjects = [
                Subject(
                    name,
                    plan.worker(
                        Source(model.path),
                        kind="rotations",
                        symmetrize=name,
                        start=str(where.path),
                        forces=kind,
                    ),
                    against={} if name == "none" else {"none": "none"},
                )
                for name in SYMMETRIZATIONS
            ]
            what = "both kinds of forces" if kind == "both" else f"{kind} forces"
            yield Panel("symmetry", f"symmetrize, {what}", model.name, where.atoms,
                        plan.threads, "evaluation", tuple(subjects))  # fmt: skip


def busy_panels(plan: Plan) -> Iterator[Panel]:
    """Conservative forces while another process keeps one core busy, on all cores that we have, and
    without it, where threads that may sleep should cost nothing.

    :param plan: models, boxes, threads
    """
    where = plan.box(min(plan.sizes))
    for model in plan.models:
        by_default = _conservative(plan, model, where)
        spinning = [
            Subject(one.name + _SPINNING, one.open)
            for one in _conservative(plan, model, where, {"GOMP_SPINCOUNT": _SPINS})
            if OURS in one.name
        ]
        twins = {one.name for one in spinning}
        against = {
            one.name: {"always spins": twin}
            for one in by_default
            if (twin := one.name + _SPINNING) in twins
        }
        rows = [
            row
            for one in (*by_default, *spinning)
            for row in _with_and_without_neighbour(one, against.get(one.name, {}))
        ]
        yield Panel("busy", "one busy neighbour", model.name, where.atoms, plan.threads,
                    "evaluation or step", tuple(rows))  # fmt: skip


def _conservative(
    plan: Plan, model: ModelFiles, where: Box, variables: Mapping[str, str] | None = None
) -> list[Subject]:
    """Conservative forces in each host, by all that give them.

    :param variables: of their environment
    """
    return [
        *(
            Subject(
                f"LAMMPS, {OURS}{suffix}",
                plan.lammps(source, where, "conservative", variables=variables),
            )
            for suffix, source in model.programs()
        ),
        *(
            Subject(f"ASE, {one.name}", one.open)
            for one in calculators(plan, model, where, "conservative", variables)
        ),
        *(
            Subject(f"i-PI, {one.name}", one.open)
            for one in conservative_by_ipi(plan, where, model, variables)
        ),
    ]


def _with_and_without_neighbour(
    one: Subject, against: Mapping[str, str]
) -> tuple[Subject, Subject]:
    """A row on a quiet machine, and the same beside a process that keeps a core busy.

    :param against: rows on a quiet machine that it is compared with, by label
    """
    return (
        Subject(one.name, one.open, against),
        Subject(
            one.name + _NEIGHBOUR,
            functools.partial(beside_neighbour, one.open),
            against={
                "idle": one.name,
                **{label: name + _NEIGHBOUR for label, name in against.items()},
            },
        ),
    )


def scaling_panels(plan: Plan) -> Iterator[Panel]:
    """Steps of LAMMPS in boxes of growing size; the time of an atom should not grow.

    :param plan: models, boxes, threads
    """
    for model in plan.models:
        for kind in model.kinds:
            for suffix, source in model.programs():
                subjects = []
                for size in plan.scaling_sizes:
                    where = plan.box(size)
                    subjects.append(
                        Subject(
                            f"{where.atoms} atoms",
                            plan.lammps(source, where, kind),
                            atoms=where.atoms,
                        )
                    )
                yield Panel("scaling", f"LAMMPS by size, {kind} forces{suffix}", model.name, 0,
                            plan.threads, plan.steps(), tuple(subjects))  # fmt: skip
