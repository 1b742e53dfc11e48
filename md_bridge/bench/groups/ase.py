"""ASE: our calculator, metatomic's, and pet-kokkos's with the same weights; and all that our engine
gives in one pass, TorchScript against compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from md_bridge.bench.groups.plan import Box, Plan
from md_bridge.bench.models.files import COMPILED, ModelFiles, Source
from md_bridge.bench.panels import Panel, Subject
from md_bridge.bench.sessions import Session

__all__ = ["METATOMIC", "OURS", "PET_KOKKOS", "ase_panels", "calculator", "calculators"]

OURS, METATOMIC, PET_KOKKOS = "MD Bridge", "metatomic", "pet-kokkos"


def ase_panels(plan: Plan) -> Iterator[Panel]:
    """Forces along one path, by each calculator, a panel a model, size and kind of forces; and a
    panel of everything at once.

    :param plan: models, boxes, threads
    """
    for model, where in plan.cases():
        for kind in model.kinds:
            subjects = calculators(plan, model, where, kind)
            yield Panel("ase", f"ASE, {kind} forces", model.name, where.atoms, plan.threads,
                        "evaluation", tuple(subjects))  # fmt: skip
        yield Panel("ase", "ASE, energy, forces and virials", model.name, where.atoms,
                    plan.threads, "evaluation", tuple(_whole(plan, model, where)))  # fmt: skip


def _whole(plan: Plan, model: ModelFiles, where: Box) -> Iterator[Subject]:
    """Energy, forces and virials of either kind and of both from one pass.

    Ratios go both ways: the time that the compiled model takes, and how many times faster it is.
    """
    kinds = (*model.kinds, "both") if model.has_direct else model.kinds
    for kind in kinds:
        for suffix, source in model.programs():
            name = f"{kind}, {OURS}"
            yield Subject(
                f"{name}{suffix}",
                calculator(plan, "engine", source, where, kind),
                against={"TorchScript": name} if suffix else {"compiled": f"{name}{COMPILED}"},
                agrees_with=name if suffix else "",
            )


def calculators(
    plan: Plan,
    model: ModelFiles,
    where: Box,
    kind: str,
    variables: Mapping[str, str] | None = None,
) -> list[Subject]:
    """All that give one kind of forces; ours are compared with the others.

    :param plan: models, boxes, threads
    :param model: its files
    :param where: the box
    :param kind: conservative or direct
    :param variables: of their environment
    """

    def open_one(name: str, source: Source) -> Callable[[float], Session]:
        return calculator(plan, name, source, where, kind, variables)

    open_metatomic = open_one("metatomic", model.exported)
    others = [Subject(METATOMIC, open_metatomic, agrees_with=OURS)]
    if kind == "conservative":  # pet-kokkos has no others, and starts fast
        open_kokkos = open_one("pet-kokkos", model.kokkos)
        others.insert(0, Subject(PET_KOKKOS, open_kokkos, agrees_with=OURS))
    names = {subject.name: subject.name for subject in others}
    ours = [
        Subject(
            f"{OURS}{suffix}",
            open_one("ours", source),
            against={**names, **({OURS: OURS} if suffix else {})},
            agrees_with=OURS if suffix else "",
        )
        for suffix, source in model.programs()
    ]
    return [*ours, *others]


def calculator(
    plan: Plan,
    name: str,
    source: Source,
    where: Box,
    kind: str,
    variables: Mapping[str, str] | None = None,
) -> Callable[[float], Session]:
    """Opens a session of one calculator.

    :param plan: threads, folders
    :param name: ours, engine, metatomic or pet-kokkos
    :param source: the model
    :param where: the box
    :param kind: conservative or direct; of the engine also both
    :param variables: of its environment
    """
    return plan.worker(
        source,
        variables,
        kind="calculators",
        calculator=name,
        start=str(where.path),
        forces=kind,
    )
