"""LAMMPS: what its steps cost beside the network alone, and what multiple time stepping gains."""

from __future__ import annotations

from collections.abc import Iterator

from md_bridge.bench.groups.plan import Box, Plan
from md_bridge.bench.models.files import COMPILED, ModelFiles, Source
from md_bridge.bench.panels import Bound, Panel, Subject

__all__ = ["RAW", "lammps_panels", "rank_panels"]

RAW = "network alone"
"""Prefix of the rows without a host."""
_BATH = "fix bath all langevin 300.0 300.0 0.02 4711"
"""Of two models: outer steps of 8 fs are as long as the fastest vibrations of water, which the
difference of the models then heats. A bath takes the heat away, in a microsecond a step."""


def lammps_panels(plan: Plan) -> Iterator[Panel]:
    """Dynamics of each model and size: single forces, multiple time stepping, two models.

    :param plan: models, boxes, threads
    """
    for model, where in plan.cases():
        subjects = [*_raw(plan, model, where)]
        for suffix, source in model.programs():
            subjects += _single(plan, model, where, source, suffix)
        yield Panel("lammps", "LAMMPS", model.name, where.atoms, plan.threads, plan.steps(),
                    tuple(subjects))  # fmt: skip


def _raw(plan: Plan, model: ModelFiles, where: Box) -> Iterator[Subject]:
    """The network called from Python."""
    alone = {"": (model.exported, "raw_call"), COMPILED: (model.compiled, "compiled_call")}
    for suffix, _ in model.programs():
        source, program = alone[suffix]
        for kind in model.kinds:
            open_calls = plan.worker(source, kind=program, start=str(where.path), forces=kind)
            yield Subject(f"{RAW}, {kind}{suffix}", open_calls)


def _single(
    plan: Plan, model: ModelFiles, where: Box, source: Source, suffix: str
) -> Iterator[Subject]:
    """All dynamics by one program."""
    for kind in model.kinds:
        against = {
            "network": f"{RAW}, {kind}{suffix}",
            **({"TorchScript": kind} if suffix else {}),
        }
        yield Subject(f"{kind}{suffix}", plan.lammps(source, where, kind), against=against)
    if model.has_direct:
        yield from plan.one_model_steps(
            lambda m: plan.lammps(source, where, multiplicity=m), suffix
        )
    inner = model.inner_compiled if suffix else model.inner
    if model.inner_forces:
        yield from _two_models(plan, model, where, source, inner, suffix)


def _two_models(
    plan: Plan, model: ModelFiles, where: Box, source: Source, inner: Source, suffix: str
) -> Iterator[Subject]:
    """Inner steps by a small model."""
    alone = f"inner model alone{suffix}"
    yield Subject(alone, plan.lammps(inner, where, model.inner_forces))
    bound = Bound(f"conservative{suffix}", alone, two_models=True)
    for m in plan.multiplicities:
        yield Subject(
            f"two models, M = {m}{suffix}",
            plan.lammps(source, where, inner=inner, multiplicity=m, extra=_BATH),
            multiplicity=m,
            bound=bound,
        )


def rank_panels(plan: Plan) -> Iterator[Panel]:
    """One rank and two, one thread each, and one rank with two threads.

    :param plan: models, boxes, threads
    """
    for model, where in plan.cases():
        subjects = [
            subject
            for suffix, source in model.programs()
            for m in ((1, 4) if model.has_direct else (1,))
            for subject in _on_ranks(plan, where, source, suffix, m)
        ]
        yield Panel("ranks", "LAMMPS on ranks", model.name, where.atoms, 1, plan.steps(),
                    tuple(subjects))  # fmt: skip


def _on_ranks(plan: Plan, where: Box, source: Source, suffix: str, m: int) -> Iterator[Subject]:
    """One kind of dynamics, M inner steps in a step."""
    name = f"conservative{suffix}" if m == 1 else f"MTS M = {m}{suffix}"
    for label, ranks, threads in (
        ("1 rank", 1, 1),
        ("2 ranks", 2, 1),
        ("1 rank of 2 threads", 1, 2),
    ):
        open_steps = plan.lammps(
            source, where, "conservative" if m == 1 else "", ranks=ranks, threads=threads,
            multiplicity=m,
        )  # fmt: skip
        against = {"1 rank": f"{name}, 1 rank"} if label != "1 rank" else {}
        yield Subject(f"{name}, {label}", open_steps, against, m)
