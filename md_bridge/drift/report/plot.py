"""The picture of the runs: H(t) at two scales, and T(t)."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.analysis import Analysis, MethodResult

# Okabe and Ito's colours, told apart by colour-blind readers; one run keeps its colour everywhere.
_COLOURS = {
    "lammps-conservative": "#000000",
    "lammps-direct": "#D55E00",
    "lammps-mts-2": "#009E73",
    "lammps-mts-4": "#0072B2",
    "lammps-mts-8": "#E69F00",
    "i-pi-mts-4": "#CC79A7",
}
_OTHER_COLOURS = (
    *("#56B4E9", "#8C6D00", "#7F7F7F", "#882255", "#332288"),
    *("#44AA99", "#AA4499", "#999933", "#117733", "#CC6677"),
)

# A run this many times further off than the quietest one leaves the magnified panel.
_OUTLIER = 4.0
_HEADROOM = 1.25
_LABEL_SPACING = 0.068  # of the panel's height
# The kinetic temperature of a small box swings with every O-H vibration.
AVERAGE_PS = 0.05


def draw(analysis: Analysis) -> Figure:
    """Three panels over time: H(t) - H(0) per atom at full scale, the same magnified, and T(t)."""
    figure = Figure(figsize=(5.9, 8.6), layout="constrained")
    FigureCanvasAgg(figure)
    full, zoom, temperature = figure.subplots(3, 1, sharex=True)
    colours = run_colours(analysis.results)
    energies = _lines(analysis, energy_change)

    _draw_lines(full, energies, colours)
    full.set_title("Conserved quantity, every run", loc="left", fontsize=11, fontweight="bold")
    full.set_ylabel("[H(t) − H(0)] / N  (meV/atom)")
    limit = _quiet_limit(energies)
    loud = {line.method.name for line in energies if np.max(np.abs(line.values)) > limit}
    _label_lines(full, _merge_quiet(_labels(energies), loud), colours)

    _draw_lines(zoom, energies, colours)
    zoom.set_ylim(-limit, limit)
    zoom.set_title("The same, magnified", loc="left", fontsize=11, fontweight="bold")
    zoom.set_ylabel("[H(t) − H(0)] / N  (meV/atom)")
    _label_lines(zoom, _labels(energies), colours, limit)

    temperatures = _lines(analysis, running_mean)
    _draw_lines(temperature, temperatures, colours)
    temperature.set_title(
        f"Kinetic temperature, averaged over {AVERAGE_PS * 1000:.0f} fs",
        loc="left",
        fontsize=11,
        fontweight="bold",
    )
    temperature.set_ylabel("T  (K)")
    temperature.set_xlabel("time  (ps)")
    _label_lines(temperature, _labels(temperatures), colours)
    for axes in (full, zoom, temperature):
        _plain_frame(axes)
    return figure


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, text as outlines so that it looks the same everywhere."""
    return _render(figure, "svg")


def as_png(figure: Figure) -> bytes:
    """The figure as PNG."""
    return _render(figure, "png")


def energy_change(record: RunRecord) -> NDArray[np.float64]:
    """[H(t) - H(0)] / N, shape (n,), meV/atom."""
    return (record.conserved_energy - record.conserved_energy[0]) * 1000.0 / record.atom_count


def running_mean(record: RunRecord) -> NDArray[np.float64]:
    """T(t) averaged over a window around each sample, cut at the ends; shape (n,), K."""
    if len(record.time_ps) < 2:
        return record.temperature
    half = int(AVERAGE_PS / (record.time_ps[1] - record.time_ps[0]) / 2)
    sums = np.concatenate([[0.0], np.cumsum(record.temperature)])
    sample = np.arange(len(record.temperature))
    first = np.maximum(sample - half, 0)
    after = np.minimum(sample + half + 1, len(sample))
    return (sums[after] - sums[first]) / (after - first)


def run_colours(results: Sequence[MethodResult]) -> dict[str, str]:
    """Colour of each method by its name: fixed for the usual ones, the next free one for others."""
    free = iter(_OTHER_COLOURS * (len(results) // len(_OTHER_COLOURS) + 1))
    return {
        result.name: _COLOURS[result.name] if result.name in _COLOURS else next(free)
        for result in results
    }


class _Line(NamedTuple):
    method: MethodResult
    record: RunRecord
    values: NDArray[np.float64]


_Lines = Sequence[_Line]
_Labels = list[tuple[str, str, float]]
"""(text, name of the method, height) of each label."""


def _lines(analysis: Analysis, series: Callable[[RunRecord], NDArray[np.float64]]) -> list[_Line]:
    """One line a run."""
    return [
        _Line(result, run.record, series(run.record))
        for result in analysis.results
        for run in result.runs
        if len(run.record.time_ps) >= 2
    ]


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
