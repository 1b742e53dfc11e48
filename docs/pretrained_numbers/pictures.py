"""The pictures of docs/pretrained.md, from docs/pretrained.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from statics_pictures import decorate, draw_path

from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.report.plot import as_png
from pretrained_numbers.tables import PACKAGES

__all__ = ["draw_bands", "draw_energies"]

Numbers = Mapping[str, Any]
_COLOURS = {1: OKABE_ITO[3], 4: OKABE_ITO[0], 8: OKABE_ITO[1]}


def _panels(numbers: Numbers) -> tuple[Figure, Any]:
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(numbers), sharey=True)
    return figure, dict(zip(numbers, panels, strict=True))


def draw_energies(numbers: Numbers) -> bytes:
    """What NVE conserves, of each package with conservative forces and with a student inside."""
    figure, panels = _panels(numbers)
    for name, axes in panels.items():
        for run in numbers[name]["series"]:
            m = run["M"] or 1
            label = f"M = {m}" if m > 1 else "conservative"
            axes.plot(
                run["time_ps"],
                run["energy_meV_per_atom"],
                color=_COLOURS[m],
                linewidth=0.9,
                label=label if run["replica"] == 1 else None,
            )
        axes.set_title(PACKAGES[name].title, loc="left", fontsize=9)
        axes.set_xlabel("time (ps)", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    first = next(iter(panels.values()))
    first.set_ylabel("[H(t) − H(0)] / N  (meV/atom)", fontsize=9)
    first.legend(fontsize=8, frameon=False)
    return as_png(figure)


def draw_bands(numbers: Numbers) -> bytes:
    """Phonons of rock salt, force constants as they are and corrected."""
    figure, panels = _panels(numbers)
    for name, axes in panels.items():
        found = numbers[name]["phonons"]
        for colour, correction in ((OKABE_ITO[1], "raw"), (OKABE_ITO[0], "symfc")):
            bands = found["bands"][f"conservative: {correction}"]
            draw_path(axes, found["path"], bands, colour, correction)
        decorate(axes, found["path"], PACKAGES[name].title)
    first = next(iter(panels.values()))
    first.set_ylabel("frequency (THz)", fontsize=9)
    first.legend(fontsize=8, frameon=False, loc="lower center")
    return as_png(figure)
