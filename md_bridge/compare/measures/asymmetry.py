"""λ, how far forces are from having a potential: as ``md-bridge protocol jacobian`` has it.

λ = ‖J − Jᵀ‖ / (2 ‖J‖) of the Jacobian J of the forces, 0 for a potential and 1 for forces that have
nothing of one (arXiv:2412.11569). Of a model that Python evaluates nothing but the values of its
forces is known: there λ comes from random probes and central differences, with some 10 % of its
value as error, and of forces that have a potential it is not exactly zero: of Lennard-Jones cut off
with a jump it was 0.07 to 0.4 %.
"""

from __future__ import annotations

from ase import Atoms

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, percent
from md_bridge.compare.request import as_settings
from md_bridge.drift.protocols import runner
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.jacobian import conservative_asymmetry
from md_bridge.engine import structure_from_ase
from md_bridge.export.checks.checks import check_agreement
from md_bridge.export.checks.runner import Runner
from md_bridge.export.checks.two_models import engine_forces, force_asymmetry
from md_bridge.model_names import is_python_model
from md_bridge.structures import read_structure

__all__ = ["MEASURE"]

_LIMIT_OF_PROBES = 0.01
"""Forces with a larger λ have no potential, whatever the rounding of a calculator."""


def _make(task: Task) -> Found:
    assert task.request.start is not None
    atoms = read_structure(task.request.start)
    if is_python_model(task.subject.model):
        return _of_values(task, atoms)
    return _of_file(task, atoms)


def _of_file(task: Task, atoms: Atoms) -> Found:
    """By autograd, in double precision where the model can be converted."""
    subject = task.subject
    request = ProtocolRequest(
        model=subject.model,
        start=atoms,
        folder=task.folder,
        seed=task.request.seed,
        threads=task.threads,
        model_options=subject.options,
    )
    if "direct" in subject.kinds:
        summary = runner("jacobian")(request, task.progress).summary
        difference = _difference(task, atoms)
        figures = (
            percent("λ of direct forces", summary["lambda"]),
            _direct_minus_conservative(difference),
            _potential(summary["conservative_lambda"], summary["conservative_limit"]),
        )
        numbers = {**summary, "direct_minus_conservative_meV_per_angstrom": difference}
        return Found(figures, (), numbers)
    found, limit = conservative_asymmetry(request, task.progress)
    return Found(
        (_potential(found.value, limit),),
        (),
        {"conservative_lambda": found.value, "conservative_limit": limit},
    )


def _difference(task: Task, atoms: Atoms) -> float:
    """Mean absolute one of direct and conservative forces, as ``md-bridge check`` has it; meV/Å."""
    check = check_agreement(Runner(task.subject.model, task.subject.options), [atoms])
    assert check is not None
    return check.value


def _of_values(task: Task, atoms: Atoms) -> Found:
    """By differences of the forces."""
    engine, kinds = task.subject.engine, task.subject.kinds
    figures: list[Figure] = []
    numbers: dict[str, object] = {}
    sentences = [
        "λ is from random probes by central differences: it is known to some 10 % of its value."
    ]
    for place, kind in enumerate(kinds):
        task.progress(f"{kind} forces", place / len(kinds))
        value = force_asymmetry(engine_forces(engine, kind), atoms)
        if kind == "direct":
            numbers["lambda"] = value
            figures.insert(0, percent("λ of direct forces", value))
            continue
        numbers |= {"conservative_lambda": value, "conservative_limit": _LIMIT_OF_PROBES}
        figures.append(_potential(value, _LIMIT_OF_PROBES))
        if value > _LIMIT_OF_PROBES:
            sentences.append(
                "What it gives as conservative forces has no potential: set forces_kind = "
                '"direct" of the calculator.'
            )
    if len(kinds) == 2:
        found = engine.evaluate(
            structure_from_ase(atoms), conservative_forces=True, direct_forces=True
        )
        mean = 1e3 * float(abs(found.conservative_forces - found.direct_forces).mean())
        numbers["direct_minus_conservative_meV_per_angstrom"] = mean
        figures.insert(1, _direct_minus_conservative(mean))
    return Found(tuple(figures), tuple(sentences), numbers)


def _direct_minus_conservative(value: float) -> Figure:
    return Figure("direct − conservative forces, MAE", "meV/Å", f"{value:.3g}", value, "smaller")


def _potential(value: float, limit: float) -> Figure:
    """λ of conservative forces, which must vanish."""
    return Figure(
        "λ of conservative forces",
        "%",
        f"{100 * value:.1e}",
        value,
        judged=True,
        good=value <= limit,
    )


MEASURE = Measure(settings=lambda request: as_settings(request, "seed"), make=_make, weight=2.0)
"""λ of both kinds of forces, and their difference."""
