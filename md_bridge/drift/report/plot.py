"""The picture of the runs: H(t) at two scales, and T(t)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.palette import run_colours
from md_bridge.drift.report.quantities import ENERGY, TEMPERATURE, TIME_AXIS, Quantity
from md_bridge.drift.runs.analysis import Analysis, MethodResult

__all__ = [
    "as_png",
    "as_svg",
    "draw",
]

# A run this many times further off than the quietest one leaves the magnified panel.
_OUTLIER = 4.0
_HEADROOM = 1.25
_LABEL_SPACING = 0.068  # of the panel's height


def draw(analysis: Analysis) -> Figure:
    """Three panels over time: H(t) - H(0) per atom at full scale, the same magnified, and T(t).

    :param analysis: of all runs
    :returns: meV/atom and K over ps
    """
    figure = Figure(figsize=(5.9, 8.6), layout="constrained")
    FigureCanvasAgg(figure)
    full, zoom, temperature = figure.subplots(3, 1, sharex=True)
    colours = run_colours(analysis.results)
    energies = _lines(analysis, ENERGY)
    limit = _quiet_limit(energies)
    loud = {line.method.name for line in energies if np.max(np.abs(line.values)) > limit}

    _draw_lines(full, energies, colours)
    _name_panel(full, "Conserved quantity, every run", ENERGY)
    _label_lines(full, _merge_quiet(_labels(energies), loud), colours)

    _draw_lines(zoom, energies, colours)
    zoom.set_ylim(-limit, limit)
    _name_panel(zoom, "The same, magnified", ENERGY)
    _label_lines(zoom, _labels(energies), colours, limit)

    temperatures = _lines(analysis, TEMPERATURE)
    _draw_lines(temperature, temperatures, colours)
    _name_panel(temperature, TEMPERATURE.title, TEMPERATURE)
    _label_lines(temperature, _labels(temperatures), colours)
    temperature.set_xlabel(TIME_AXIS)
    for axes in (full, zoom, temperature):
        _plain_frame(axes)
    return figure


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, text as outlines so that it looks the same everywhere.

    :param figure: see :func:`draw`
    """
    return _render(figure, "svg")


def as_png(figure: Figure) -> bytes:
    """The figure as PNG.

    :param figure: see :func:`draw`
    """
    return _render(figure, "png")


class _Line(NamedTuple):
    method: MethodResult
    record: RunRecord
    values: NDArray[np.float64]


_Lines = Sequence[_Line]
_Labels = list[tuple[str, str, float]]
"""(text, name of the method, height) of each label."""


def _lines(analysis: Analysis, quantity: Quantity) -> list[_Line]:
    """One line a run."""
    return [
        _Line(result, run.record, quantity.series(run.record))
        for result in analysis.results
        for run in result.runs
        if len(run.record.time_ps) >= 2
    ]


def _name_panel(axes: Axes, title: str, quantity: Quantity) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel(quantity.axis)


def _draw_lines(axes: Axes, lines: _Lines, colours: dict[str, str]) -> None:
    for line in lines:
        # replicas of one method share its colour
        width = 1.1 if len(line.method.runs) == 1 else 0.8
        axes.plot(
            line.record.time_ps, line.values, color=colours[line.method.name], linewidth=width
        )


def _quiet_limit(energies: _Lines) -> float:
    """Half the height of the magnified panel: it holds the runs on the scale of the quietest."""
    # none if every run exploded in its first step
    sizes = [float(np.max(np.abs(line.values))) for line in energies] or [0.0]
    smallest = min(sizes)
    kept = [size for size in sizes if size <= max(_OUTLIER * smallest, 1e-9)]
    return _HEADROOM * max(max(kept), 1e-6)


def _labels(lines: _Lines) -> _Labels:
    """One label a method, at the mean of where its lines end."""
    ends: dict[str, list[float]] = {}
    labels = {line.method.name: line.method.label for line in lines}
    for line in lines:
        ends.setdefault(line.method.name, []).append(float(line.values[-1]))
    return [(labels[name], name, float(np.mean(values))) for name, values in ends.items()]


def _merge_quiet(labels: _Labels, loud: set[str]) -> _Labels:
    """At full scale the quiet methods coincide: one label for all of them."""
    quiet = [label for label in labels if label[1] not in loud]
    if not loud or len(quiet) < 2:
        return labels
    others = (f"the {len(quiet)} others", quiet[0][1], 0.0)
    return [*(label for label in labels if label[1] in loud), others]


def _label_lines(
    axes: Axes, labels: _Labels, colours: dict[str, str], limit: float | None = None
) -> None:
    """Names at the right end of the lines, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    wanted = sorted(labels, key=lambda label: label[2])
    heights = [min(max((value - low) / (high - low), 0.0), 1.0) for _, _, value in wanted]
    for (text, name, value), height in zip(wanted, _spread(heights), strict=True):
        if limit is not None and abs(value) > limit:
            text += " ↑" if value > 0 else " ↓"
        axes.annotate(
            text,
            xy=(1.0, height),
            xytext=(6, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colours[name],
            fontsize=10,
            va="center",
            annotation_clip=False,
        )


def _spread(heights: Sequence[float]) -> list[float]:
    """Ascending heights at least one label apart, moved as little as possible, within 0 to 1."""
    spread: list[float] = []
    for height in heights:
        spread.append(max(height, spread[-1] + _LABEL_SPACING) if spread else height)
    ceiling = 1.0
    for index in range(len(spread) - 1, -1, -1):
        spread[index] = min(spread[index], ceiling)
        ceiling = spread[index] - _LABEL_SPACING
    return spread


def _plain_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0)


def _render(figure: Figure, kind: str) -> bytes:
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "md-bridge"}):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(stream, format=kind, dpi=200, facecolor="white", metadata=metadata)
    return stream.getvalue()
