"""The curves of a report as data for the page: fewer points, nothing that the eye would miss."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.palette import on_dark, run_colours
from md_bridge.drift.report.quantities import ENERGY, TEMPERATURE, TIME_AXIS, Quantity
from md_bridge.drift.runs.analysis import Analysis

__all__ = [
    "as_json",
    "curve_data",
    "curve_text",
    "thinned",
]

_BINS = 400
_FEWEST_BINS = 20
_LARGEST_TEXT = 350_000
"""Characters that the curves of one page may take."""
# a method this many times further off than the quietest calls for a logarithmic axis
_LOGARITHMIC = 20.0
_DIGITS_OF_TIME = 6
_DIGITS = 5


def curve_data(analysis: Analysis, bins: int = _BINS) -> dict[str, Any]:
    """What ``templates/curves`` draws: every run with times (ps), H (meV/atom) and T (K).

    :param analysis: of all runs; those of a single sample are left out
    :param bins: stretches of a run of which the smallest and the largest value are kept
    :returns: ``runs``, ``quantities`` (their titles and units), ``time_axis``, ``several`` (methods
        with more than one run) and ``scale`` (``linear`` or ``log``, the energy's axis at first)
    """
    colours = run_colours(analysis.results)
    runs = [
        {
            "method": result.label,
            "label": run.record.label,
            "first": number == 0,
            "light": colours[result.name],
            "dark": on_dark(colours[result.name]),
            "interval": _interval(run.record),
            "energy": _curve(run.record, ENERGY, bins),
            "temperature": _curve(run.record, TEMPERATURE, bins),
        }
        for result in analysis.results
        for number, run in enumerate(r for r in result.runs if len(r.record.time_ps) >= 2)
    ]
    return {
        "runs": runs,
        "quantities": {"energy": _names(ENERGY), "temperature": _names(TEMPERATURE)},
        "time_axis": TIME_AXIS,
        "several": any(len(result.runs) > 1 for result in analysis.results),
        "scale": _scale(analysis),
    }


def curve_text(analysis: Analysis) -> str:
    """:func:`curve_data` as JSON for a script element, of a size that a page can bear.

    Many runs get fewer points each. Where samples are evenly spaced, ``time`` gives way to
    ``steps``: by how many of the run's ``interval`` (ps) a point is later than the one before it,
    the first one than zero.

    :param analysis: of all runs
    """
    bins = _BINS
    while True:
        data = curve_data(analysis, bins)
        for run, name in itertools.product(data["runs"], data["quantities"]):
            run[name] = _without_times(run[name], run["interval"])
        text = as_json(data)
        if len(text) <= _LARGEST_TEXT or bins <= _FEWEST_BINS:
            return text
        bins = max(_FEWEST_BINS, min(bins * 3 // 4, bins * _LARGEST_TEXT // len(text)))


def as_json(data: dict[str, Any]) -> str:
    """JSON that may stand in a script element.

    :param data: numbers, texts, lists and mappings
    :raises ValueError: a number is not finite
    """
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def thinned(values: NDArray[np.float64], bins: int = _BINS) -> NDArray[np.intp]:
    """Indices of the smallest and the largest value in each of ``bins`` consecutive stretches, and
    of both ends: the envelope stays, and every point is a sample.

    :param values: shape (n,); all indices if there are few
    :param bins: number of stretches
    :returns: ascending indices, shape (k,) with k <= 2 bins + 2
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


def _curve(record: RunRecord, quantity: Quantity, bins: int) -> dict[str, list[float]]:
    values = quantity.series(record)
    kept = thinned(values, bins)
    return {
        "time": [_rounded(time, _DIGITS_OF_TIME) for time in record.time_ps[kept]],
        "values": [_rounded(value, _DIGITS) for value in values[kept]],
    }


def _interval(record: RunRecord) -> float:
    """Mean distance of the samples (ps)."""
    time = record.time_ps
    return _rounded((time[-1] - time[0]) / (len(time) - 1), _DIGITS_OF_TIME)


def _without_times(curve: dict[str, Any], interval: float) -> dict[str, Any]:
    """The curve with ``steps`` for ``time``, if they give the very same times back."""
    if not interval > 0:
        return curve
    samples = [round(time / interval) for time in curve["time"]]
    again = [_rounded(sample * interval, _DIGITS_OF_TIME) for sample in samples]
    if again != curve["time"]:
        return curve
    steps = [after - before for before, after in itertools.pairwise([0, *samples])]
    return {"steps": steps, "values": curve["values"]}


def _names(quantity: Quantity) -> dict[str, str | None]:
    return {"axis": quantity.axis, "size_axis": quantity.size_axis, "unit": quantity.unit}


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _scale(analysis: Analysis) -> str:
    sizes = [result.statistics.largest_excursion for result in analysis.results]
    finite = [size for size in sizes if np.isfinite(size) and size > 0]
    return "log" if finite and max(finite) > _LOGARITHMIC * min(finite) else "linear"
