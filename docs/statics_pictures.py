"""The pictures of docs/statics.md, from docs/statics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.report.plot import as_png

__all__ = ["decorate", "draw_bands", "draw_ice", "draw_path", "draw_scan"]

Numbers = Mapping[str, Any]
_CONSERVATIVE, _DIRECT, _TRUTH = OKABE_ITO[0], OKABE_ITO[1], OKABE_ITO[3]
_COLOURS = {"conservative": _CONSERVATIVE, "direct": _DIRECT}


def draw_bands(numbers: Numbers) -> bytes:
    """Silicon: force constants as they are and corrected, the truth beneath."""
    (exact,) = numbers["phonons-truth"]["bands"].values()
    figure, _ = _bands_of_both(numbers["phonons"], exact)
    return as_png(figure)


def draw_ice(numbers: Numbers) -> bytes:
    """Ice: lattice modes with both kinds of forces."""
    figure, panels = _bands_of_both(numbers["ice-phonons"])
    for axes in panels:
        axes.set_ylim(-3.0, 35.0)
    return as_png(figure)


def _bands_of_both(found: Numbers, exact: Any = None) -> tuple[Figure, Any]:
    """Bands of both kinds of forces, a panel for each correction.

    :param found: of one crystal
    :param exact: the true frequencies, drawn on the places of the model's own path: the cells
        differ by a fraction of a percent
    """
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, correction in zip(panels, ("raw", "symfc"), strict=True):
        if exact is not None:
            draw_path(axes, found["path"], exact, _TRUTH, "Stillinger–Weber", width=2.4, alpha=0.25)
        for forces, colour in _COLOURS.items():
            draw_path(
                axes, found["path"], found["bands"][f"{forces}: {correction}"], colour, forces
            )
        decorate(axes, found["path"], f"force constants: {correction}")
    panels[0].set_ylabel("frequency (THz)", fontsize=9)
    panels[0].legend(fontsize=8, edgecolor="none", framealpha=0.9, loc="lower center")
    return figure, panels


def draw_scan(numbers: Numbers) -> bytes:
    """What changes with the displacement, the largest frequency, and the entropy that hides it."""
    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    changes, largest, entropy = figure.subplots(1, 3)
    for measured, precision, style in (
        ("phonons-scan", "double", "o-"),
        ("phonons-scan-single", "single", "x:"),
    ):
        for scan in numbers[measured]["scans"]:
            look = {"color": _COLOURS[scan["forces"]], "markersize": 3, "linewidth": 1.0}
            sizes = np.array(scan["displacements_angstrom"])
            middles = np.sqrt(sizes[1:] * sizes[:-1])
            label = f"{scan['forces']}, {precision}"
            changes.loglog(middles, scan["changes_cm"], style, label=label, **look)
            largest.semilogx(sizes, scan["largest_frequency_THz"], style, **look)
            entropy.semilogx(sizes, scan["entropy_J_per_K_mol"], style, **look)
    _guides(changes)
    changes.set_ylabel("change of a frequency (cm⁻¹)", fontsize=8)
    largest.set_ylabel("largest frequency (THz)", fontsize=8)
    entropy.set_ylabel("entropy at 300 K (J/K/mol)", fontsize=8)
    changes.legend(fontsize=6, frameon=False)
    for axes in (changes, largest, entropy):
        axes.set_xlabel("displacement (Å)", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def _guides(axes: Axes) -> None:
    """Lines of slope 2 and −1 in a corner."""
    low, high = axes.get_ylim()
    middle = np.sqrt(low * high)
    for slope, start, words in ((2.0, 0.05, "δ²"), (-1.0, 0.001, "1/δ")):
        sizes = np.array([start, 3.0 * start])
        values = middle * (sizes / sizes[0]) ** slope
        axes.plot(sizes, values, color="#999999", linewidth=0.8)
        axes.annotate(words, (sizes[1], values[1]), fontsize=7, color="#666666")
    axes.set_ylim(low, high)


def draw_path(
    axes: Axes,
    path: Numbers,
    bands: Any,
    colour: str,
    label: str,
    width: float = 0.9,
    alpha: float = 1.0,
) -> None:
    """Bands along a path, one colour.

    :param axes: to draw on
    :param path: distances, segments and ticks
    :param bands: frequencies of each wave vector, THz
    :param colour: of all of them
    :param label: for the legend
    :param width: of lines, points
    :param alpha: opacity
    """
    distances, frequencies = np.array(path["distances"]), np.array(bands)
    for number, (start, stop) in enumerate(path["segments"]):
        part = slice(start, stop)
        lines = axes.plot(
            distances[part], frequencies[part], color=colour, linewidth=width, alpha=alpha
        )
        if number == 0:
            lines[0].set_label(label)


def decorate(axes: Axes, path: Numbers, title: str) -> None:
    """Title, names of wave vectors, and zero.

    :param axes: with bands
    :param path: distances, segments and ticks
    :param title: of the panel
    """
    places = [place for place, _ in path["ticks"]]
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xticks(places, [name for _, name in path["ticks"]])
    axes.set_xlim(places[0], places[-1])
    axes.axhline(0.0, color="#888888", linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    for place in places:
        axes.axvline(place, color="#dddddd", linewidth=0.6, zorder=0)
