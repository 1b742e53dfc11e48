"""A comparison as a result with tables, sentences, a picture and numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.compare.comparison import Comparison
from md_bridge.compare.report.sentences import sentences
from md_bridge.compare.report.tables import columns, lines, rows, sections
from md_bridge.compare.request import MEASURES
from md_bridge.drift.protocols.base import Curve, Plot, ProtocolResult
from md_bridge.drift.report.environment import describe_model
from md_bridge.forces import FORCES

__all__ = ["as_result", "settings_of", "summary_of"]

_WIDE = 4.0
"""Ratio of the largest and the smallest number on an axis."""
_LEAD = (
    "Each line is one figure of all models on the same structures; what can be failed has a "
    "verdict, and of the other figures the last column names the best model. "
)


def as_result(comparison: Comparison) -> ProtocolResult:
    """What the command prints and writes.

    :param comparison: what was found
    """
    made = ", ".join(MEASURES[name] for name in comparison.request.chosen)
    return ProtocolResult(
        protocol="compare",
        title=f"Comparison of {len(comparison.subjects)} models",
        lead=f"{_LEAD}Measured: {made}.",
        columns=columns(comparison),
        rows=rows(comparison),
        sentences=sentences(comparison),
        summary=summary_of(comparison),
        plots=_plots(comparison),
        sections=sections(comparison),
    )


def settings_of(comparison: Comparison) -> list[tuple[str, str]]:
    """What was compared, on what, and where.

    :param comparison: what was found
    :raises md_bridge.engine.EngineError: a model cannot be loaded
    """
    models = [
        (subject.name, f"{describe_model(subject.model, subject.options)}, SHA-256 "
         f"{subject.identity['sha256'] or 'unknown'}")
        for subject in comparison.subjects
    ]  # fmt: skip
    return [*models, *((name, str(value)) for name, value in comparison.settings.items())]


def summary_of(comparison: Comparison) -> dict[str, Any]:
    """Every number, for JSON; names carry their units.

    :param comparison: what was found
    """
    return {
        "models": {subject.name: subject.as_dict() for subject in comparison.subjects},
        "verdicts": {s.name: comparison.verdict_of(s.name) for s in comparison.subjects},
        "measures": {
            name: {
                outcome.model: {
                    "failed": outcome.reason or None,
                    "kept": outcome.kept or None,
                    **({} if outcome.found is None else outcome.found.as_dict()),
                }
                for outcome in comparison.outcomes
                if outcome.measure == name
            }
            for name in comparison.request.chosen
        },
    }


def _plots(comparison: Comparison) -> tuple[Plot, ...]:
    """Error against cost, a point for each kind of forces of each model."""
    figures = {
        (next(iter(line.values())).name, model): figure.value
        for line in lines(comparison, "")
        for model, figure in line.items()
        if figure.value
    }
    curves = []
    for subject in comparison.subjects:
        for kind in FORCES:
            cost = figures.get((f"time, {kind} forces", subject.name))
            error = figures.get((f"{kind} force, RMSE", subject.name))
            if cost and error:
                label = f"{subject.name}, {kind}"
                curves.append(Curve(label, np.array([cost]), np.array([error]), markers=True))
    if len(curves) < 2:
        return ()
    return (
        Plot(
            "Error of forces against their cost",
            "time of an evaluation (µs/atom)",
            "RMSE (meV/Å)",
            tuple(curves),
            (_is_wide([c.x for c in curves]), _is_wide([c.y for c in curves])),
        ),
    )


def _is_wide(values: list[NDArray[np.float64]]) -> bool:
    """Whether an axis is logarithmic: between two powers of ten its numbers are hard to read."""
    return bool(np.max(values) > _WIDE * np.min(values))
