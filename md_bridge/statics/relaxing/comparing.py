"""What the rows of forces make of the same starts: symmetry, distances, each other's forces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from ase import Atoms

from md_bridge.ase import SpaceGroupError
from md_bridge.engine import EngineError, ModelError
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
    Change,
    OperationResiduals,
    Plateau,
    change,
    operation_residuals,
    plateau,
)

__all__ = ["compare"]

_SYMPRECS: tuple[float, ...] = tuple(np.logspace(-6, -1, 26).tolist())
"""Å, five in a decade."""

_NOTHING = Plateau((), (), ())
"""Of a structure that was stopped."""

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
    :returns: with nothing in it yet about precision and noise, and with sentences on what the model
        fails on
    """
    notes: list[str] = []
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
            if (crossed := _crossed(relaxed, rows, evaluator_of, notes))
        },
        fixed_points={
            rows[0].symmetrize: _fixed_points(request, relaxed, rows, evaluator_of, notes)
            for rows in both
            if request.fixed_point
        },
        start_residuals={
            row: _residuals(request, evaluator_of(row))
            for row in request.rows
            if row.forces != DIRECT_THEN_CONSERVATIVE
        },
        warnings=tuple(notes),
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
                end=_NOTHING if each.status == "stopped" else plateau(each.end, _SYMPRECS),
                changes=tuple(_change(each, length) for length in request.symprec),
            )
            for scan, each in zip(before, results, strict=True)
        )
        for row, results in relaxed.items()
    }


def _change(each: Relaxation, symprec: float) -> Change:
    """Unknown of a structure that was stopped, whose end is where it was when that happened."""
    found = change(each.start, each.end, symprec)
    return replace(found, end=None) if each.status == "stopped" else found


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
    notes: list[str],
) -> tuple[CrossedForces, ...]:
    found = []
    for row, other in (rows, rows[::-1]):
        ends = [each.end for each in relaxed[other] if each.converged]
        if not ends:
            continue
        evaluator = evaluator_of(row)
        try:
            found.append(crossed_forces(evaluator, ends, other.forces))
        except ModelError:
            raise
        except EngineError:
            usable = [end for end in ends if not _fails_on(evaluator, end)]
            notes.append(
                f"On {len(ends) - len(usable)} of {len(ends)} structures at rest with "
                f"{other.label} forces the model fails with {row.label} ones: they are left out "
                "where one kind is compared with the other."
            )
            if usable:
                found.append(crossed_forces(evaluator, usable, other.forces))
    return tuple(found)


def _fails_on(evaluator: Evaluator, atoms: Atoms) -> bool:
    try:
        evaluator([atoms])
    except ModelError:
        raise
    except EngineError:
        return True
    return False


def _fixed_points(
    request: RelaxRequest,
    relaxed: Mapping[Row, tuple[Relaxation, ...]],
    rows: tuple[Row, Row],
    evaluator_of: EvaluatorOf,
    notes: list[str],
) -> tuple[FixedPoint | None, ...]:
    points: list[FixedPoint | None] = []
    for start, minimum, found in zip(request.starts, *(relaxed[row] for row in rows), strict=True):
        point = None
        usable = len(minimum.end) <= MOST_ATOMS and not minimum.end.constraints
        if minimum.converged and found.converged and usable:
            conservative, direct = map(evaluator_of, rows)
            try:
                point = fixed_point(conservative, direct, minimum.end, found.end)
            except ModelError:
                raise
            except EngineError as error:
                reason = str(error).rstrip(".")
                notes.append(
                    f"No fixed point of '{start.name}': the model fails near it: {reason}."
                )
        points.append(point)
    return tuple(points)


def _residuals(request: RelaxRequest, evaluator: Evaluator) -> OperationResiduals | None:
    """Of the first start, without the stress where the model has none of this kind; None where it
    fails, of which the relaxation tells, or spglib does."""
    atoms, length = request.starts[0].atoms, min(request.symprec)
    try:
        evaluator.require_stress()
        stress = None
    except ModelError:
        stress = False
    try:
        return operation_residuals(evaluator, atoms, length, stress=stress)
    except ModelError:
        raise
    except (EngineError, SpaceGroupError):
        return None
