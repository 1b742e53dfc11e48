"""What the rows of forces make of the same starts: symmetry, distances, each other's forces."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from md_bridge.ase import SpaceGroupError
from md_bridge.engine import ModelError
from md_bridge.forces import CONSERVATIVE, DIRECT
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.relaxing.differences import (
    MOST_ATOMS,
    CrossedForces,
    Distance,
    FixedPoint,
    crossed_forces,
    distance,
    fixed_point,
)
from md_bridge.statics.relaxing.request import (
    DIRECT_THEN_CONSERVATIVE,
    Relaxations,
    RelaxRequest,
    SymmetryChange,
)
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import (
    OperationResiduals,
    change,
    operation_residuals,
    plateau,
)

__all__ = ["compare"]

_SYMPRECS: tuple[float, ...] = tuple(np.logspace(-6, -1, 26).tolist())
"""Å, five in a decade."""

EvaluatorOf = Callable[[Row], Evaluator]


def compare(
    request: RelaxRequest,
    relaxed: Mapping[Row, tuple[Relaxation, ...]],
    evaluator_of: EvaluatorOf,
) -> Relaxations:
    """Everything about what was relaxed that is no matter of one structure alone.

    :param request: what was asked for
    :param relaxed: an entry for each start, in order, of each row
    :param evaluator_of: of direct or conservative forces
    :returns: with nothing in it yet about precision and noise
    :raises md_bridge.engine.EngineError: the model fails
    """
    both = [
        (Row(CONSERVATIVE, name), Row(DIRECT, name))
        for name in dict.fromkeys(row.symmetrize for row in request.rows)
        if {Row(CONSERVATIVE, name), Row(DIRECT, name)} <= set(relaxed)
    ]
    return Relaxations(
        request=request,
        precision="",
        noise={},
        relaxed=relaxed,
        symmetry=_symmetry(request, relaxed),
        distances={row: _distances(request, relaxed, row) for row in request.rows},
        crossed={
            rows[0].symmetrize: crossed
            for rows in both
            if (crossed := _crossed(relaxed, rows, evaluator_of))
        },
        fixed_points={
            rows[0].symmetrize: _fixed_points(relaxed, rows, evaluator_of)
            for rows in both
            if request.fixed_point
        },
        start_residuals={
            row: _residuals(request, evaluator_of(row))
            for row in request.rows
            if row.forces != DIRECT_THEN_CONSERVATIVE
        },
        warnings=(),
        kept=0,
    )


def _symmetry(
    request: RelaxRequest, relaxed: Mapping[Row, tuple[Relaxation, ...]]
) -> dict[Row, tuple[SymmetryChange, ...]]:
    before = [plateau(start.atoms, _SYMPRECS) for start in request.starts]
    return {
        row: tuple(
            SymmetryChange(
                start=scan,
                end=plateau(each.end, _SYMPRECS),
                changes=tuple(change(each.start, each.end, length) for length in request.symprec),
            )
            for scan, each in zip(before, results, strict=True)
        )
        for row, results in relaxed.items()
    }


def _distances(
    request: RelaxRequest, relaxed: Mapping[Row, tuple[Relaxation, ...]], row: Row
) -> tuple[Distance, ...]:
    reference = request.reference
    # direct and conservative forces with one average have one energy
    same_surface = row.symmetrize == reference.symmetrize
    return tuple(
        distance(
            first.end,
            second.end,
            (first.energy, second.energy) if same_surface else None,
        )
        for first, second in zip(relaxed[reference], relaxed[row], strict=True)
    )


def _crossed(
    relaxed: Mapping[Row, tuple[Relaxation, ...]],
    rows: tuple[Row, Row],
    evaluator_of: EvaluatorOf,
) -> tuple[CrossedForces, ...]:
    found = []
    for row, other in (rows, rows[::-1]):
        ends = [each.end for each in relaxed[other] if each.converged]
        if ends:
            found.append(crossed_forces(evaluator_of(row), ends, other.forces))
    return tuple(found)


def _fixed_points(
    relaxed: Mapping[Row, tuple[Relaxation, ...]],
    rows: tuple[Row, Row],
    evaluator_of: EvaluatorOf,
) -> tuple[FixedPoint | None, ...]:
    conservative, direct = rows
    return tuple(
        fixed_point(evaluator_of(conservative), evaluator_of(direct), minimum.end, found.end)
        if minimum.converged and found.converged and len(minimum.end) <= MOST_ATOMS
        else None
        for minimum, found in zip(relaxed[conservative], relaxed[direct], strict=True)
    )


def _residuals(request: RelaxRequest, evaluator: Evaluator) -> OperationResiduals | None:
    """Of the first start; without the stress where the model has none of this kind."""
    atoms, length = request.starts[0].atoms, min(request.symprec)
    try:
        return operation_residuals(evaluator, atoms, length)
    except ModelError:
        return operation_residuals(evaluator, atoms, length, stress=False)
    except SpaceGroupError:
        return None
