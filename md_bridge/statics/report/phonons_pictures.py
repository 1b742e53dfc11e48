"""Bands with their densities of states, and the scan of displacements."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from md_bridge.drift.protocols.base import Curve, Plot
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.results import PhononReport, PhononResult

__all__ = ["draw_bands", "scan_plots"]

_PANEL_INCHES = 3.0


def draw_bands(report: PhononReport) -> Figure:
    """A panel for each correction, with the bands of all rows and their densities of states.

    All panels have the same axes, so that they can be laid over each other by eye. Imaginary
    frequencies are below zero.

    :param report: with at least one result
    """
    corrections = list(dict.fromkeys(result.correction for result in report.results))
    height = 0.9 + _PANEL_INCHES * len(corrections)
    figure = Figure(figsize=(8.4, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        len(corrections), 2, squeeze=False, sharey=True, width_ratios=[4.0, 1.0]
    )
    for (bands, density), correction in zip(panels, corrections, strict=True):
        shown = [result for result in report.results if result.correction == correction]
        for result in shown:
            _draw(bands, density, report, result)
        _decorate(bands, density, report, correction)
    if len(report.request.rows()) > 1:
        handles, labels = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", fontsize=8, frameon=False, ncols=3)
    return figure


def _draw(bands: Axes, density: Axes, report: PhononReport, result: PhononResult) -> None:
    rows = report.request.rows()
    colour = OKABE_ITO[rows.index(result.row) % len(OKABE_ITO)]
    path = report.path
    for number, segment in enumerate(path.segments):
        lines = bands.plot(
            path.distances[segment], result.bands[segment], color=colour, linewidth=1.0
        )
        if number == 0:
            lines[0].set_label(result.row.label)
    frequencies, values = result.thermal.dos
    density.plot(values, frequencies, color=colour, linewidth=1.0)


def _decorate(bands: Axes, density: Axes, report: PhononReport, correction: str) -> None:
    ticks = report.path.ticks
    places = [place for place, _ in ticks]
    bands.set_title(f"Force constants: {correction}", loc="left", fontsize=9, fontweight="bold")
    bands.set_ylabel("frequency (THz)", fontsize=9)
    bands.set_xticks(places, [name for _, name in ticks])
    bands.set_xlim(places[0], places[-1])
    density.set_xlabel("states (1/THz)", fontsize=8)
    for axes in (bands, density):
        axes.axhline(0.0, color="#888888", linewidth=0.6)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for place in places:
        bands.axvline(place, color="#dddddd", linewidth=0.6, zorder=0)


def scan_plots(report: PhononReport) -> tuple[Plot, ...]:
    """How frequencies change from one displacement to the next, and the means that hide it.

    :param report: with scans or without
    """
    if not report.scans:
        return ()
    changes = tuple(
        Curve(scan.row.label, scan.middles, scan.changes * WAVENUMBERS, markers=True)
        for scan in report.scans
    )
    axis = "displacement (Å)"
    found = [Plot("Change from one displacement to the next", axis, "cm⁻¹", changes, (True, True))]
    largest = tuple(
        Curve(scan.row.label, scan.displacements, scan.largest, markers=True)
        for scan in report.scans
    )
    found.append(Plot("Largest frequency", axis, "THz", largest, (True, False)))
    for name, title, unit in (
        ("free_energy", "F", "kJ/mol"),
        ("entropy", "S", "J/K/mol"),
        ("heat_capacity", "C_V", "J/K/mol"),
    ):
        curves = tuple(
            Curve(
                scan.row.label,
                scan.displacements,
                np.array([getattr(each, name) for each in scan.thermal]),
                markers=True,
            )
            for scan in report.scans
        )
        words = f"{title} at {report.request.temperature:g} K"
        found.append(Plot(words, axis, unit, curves, (True, False)))
    return tuple(found)
