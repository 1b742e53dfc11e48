"""The curves of a report as data for the page: fewer points, nothing that the eye would miss."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.plot import energy_change, run_colours, running_mean
from md_bridge.drift.runs.analysis import Analysis

_BINS = 400
# a method this many times further off than the quietest calls for a logarithmic axis
_LOGARITHMIC = 20.0
_DARK = {"#000000": "#e4e8ec", "#332288": "#8f86d6", "#882255": "#d1739f", "#0072B2": "#4da3dc"}
"""Colours that a dark page needs lighter."""


def curve_data(analysis: Analysis) -> dict[str, Any]:
    """What ``templates/report.js`` draws: every run with times (ps), H (meV/atom) and T (K)."""
    colours = run_colours(analysis.results)
    runs = [
        {
            "method": result.label,
            "label": run.record.label,
            "first": number == 0,
            "light": colours[result.name],
            "dark": _DARK.get(colours[result.name], colours[result.name]),
            "energy": _curve(run.record, energy_change(run.record)),
            "temperature": _curve(run.record, running_mean(run.record)),
        }
        for result in analysis.results
        for number, run in enumerate(r for r in result.runs if len(r.record.time_ps) >= 2)
    ]
    return {
        "runs": runs,
        "several": any(len(result.runs) > 1 for result in analysis.results),
        "scale": _scale(analysis),
    }


def as_json(data: dict[str, Any]) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def thinned(values: NDArray[np.float64], bins: int = _BINS) -> NDArray[np.intp]:
    """Indices of the smallest and the largest value in each of ``bins`` consecutive stretches, and
    of both ends: the envelope stays, and every point is a sample.

    :param values: shape (n,); all indices if there are few
    """
    count = len(values)
    if count <= 2 * bins + 2:
        return np.arange(count)
    edges = np.linspace(0, count, bins + 1).astype(int)
    kept = {0, count - 1}
    for first, after in itertools.pairwise(edges):
        stretch = values[first:after]
        kept |= {int(first + stretch.argmin()), int(first + stretch.argmax())}
    return np.array(sorted(kept))


def _curve(record: RunRecord, values: NDArray[np.float64]) -> dict[str, list[float]]:
    kept = thinned(values)
    return {
        "time": [float(f"{time:.6g}") for time in record.time_ps[kept]],
        "values": [float(f"{value:.5g}") for value in values[kept]],
    }


def _scale(analysis: Analysis) -> str:
    sizes = [result.statistics.largest_excursion for result in analysis.results]
    finite = [size for size in sizes if np.isfinite(size) and size > 0]
    return "log" if finite and max(finite) > _LOGARITHMIC * min(finite) else "linear"
