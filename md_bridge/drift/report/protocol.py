"""A protocol's result for people: table on the terminal, page, picture and ``summary.json``."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from md_bridge._templates import templates
from md_bridge.drift.protocols.base import (
    Picture,
    Plot,
    ProtocolRequest,
    ProtocolResult,
    Row,
    Section,
)
from md_bridge.drift.report.curves import thinned
from md_bridge.drift.report.environment import describe_model, describe_system, surroundings
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.report.plot import as_svg

__all__ = [
    "ProtocolFiles",
    "as_data",
    "draw",
    "protocol_table",
    "render_page",
    "result_data",
    "section_table",
    "write_protocol_report",
    "write_result",
]

Settings = list[tuple[str, str]]
"""What was tested, and where: pairs of a name and a text with its unit."""

_PANEL_INCHES = 3.2
_COLUMNS = 2
_BINS = 200  # of the 330 points that a panel is wide


@dataclass(frozen=True)
class ProtocolFiles:
    """Where :func:`write_result` put what."""

    page: Path
    summary: Path


def write_protocol_report(result: ProtocolResult, request: ProtocolRequest) -> ProtocolFiles:
    """Write ``report.html`` and ``summary.json`` into the request's folder, made if missing.

    :param result: what the protocol found
    :param request: what was asked for
    :raises OSError: they cannot be written
    :raises ValueError: a number of the summary is no number
    """
    return write_result(result, _settings_rows(request), request.folder)


def write_result(result: ProtocolResult, settings: Settings, folder: Path) -> ProtocolFiles:
    """Write ``report.html`` and ``summary.json`` into a folder, made if missing.

    :param result: what was found
    :param settings: what was tested, and where
    :param folder: for both files
    :raises OSError: they cannot be written
    :raises ValueError: a number of the summary is no number
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = ProtocolFiles(folder / "report.html", folder / "summary.json")
    content = json.dumps(result_data(result, settings), indent=2, allow_nan=False)
    files.summary.write_text(content + "\n", encoding="utf-8")
    files.page.write_text(render_page(result, settings), encoding="utf-8")
    return files


def as_data(result: ProtocolResult, request: ProtocolRequest) -> dict[str, Any]:
    """The content of ``summary.json``: the protocol's own numbers, and what every one has.

    :param result: what the protocol found
    :param request: what was asked for
    :returns: what JSON can have; names carry their units
    :raises EngineError: the model cannot be loaded
    """
    return result_data(result, _settings_rows(request))


def result_data(result: ProtocolResult, settings: Settings) -> dict[str, Any]:
    """The same for any settings.

    :param result: what was found
    :param settings: what was tested, and where
    :returns: what JSON can have; names carry their units
    """
    return {
        "protocol": result.protocol,
        "passed": result.passed,
        **result.summary,
        "sentences": list(result.sentences),
        "settings": dict(settings),
    }


def _settings_rows(request: ProtocolRequest) -> Settings:
    """What was tested, and where.

    :param request: what was asked for
    :raises EngineError: the model cannot be loaded
    """
    found = surroundings()
    return [
        ("model", describe_model(request.model, request.model_options)),
        ("system", _system(request)),
        ("inner step", f"{request.timestep_fs:g} fs"),
        ("length", f"{request.length_ps:g} ps"),
        ("seed", str(request.seed)),
        ("machine", found["machine"]),
        ("threads", str(request.threads)),
        *found["versions"].items(),
    ]


def protocol_table(result: ProtocolResult) -> Table:
    """One line a row, the verdict in the last column.

    :param result: what the protocol found
    """
    return _table(result.columns, result.rows)


def section_table(section: Section) -> Table:
    """The same of a further table, under its title; none of its numbers is ever cut.

    :param section: of a result
    """
    return _table(section.columns, section.rows, section.title)


def _table(
    columns: tuple[tuple[str, str], ...], rows: tuple[Row, ...], title: str | None = None
) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    if title is not None:
        table.title, table.title_style, table.title_justify = escape(title), "bold", "left"
    for number, (heading, unit) in enumerate(columns):
        text = escape(heading) + (f"\n[dim]{escape(unit)}[/dim]" if unit else "")
        whole = number == 0 or title is not None
        table.add_column(text, justify="left" if number == 0 else "right", no_wrap=whole)
    judged = [_verdict(row) for row in rows]
    if any(row.verdict for row in rows):
        table.add_column("verdict")
    else:
        judged = []
    for number, row in enumerate(rows):
        table.add_row(*(escape(cell) for cell in row.cells), *judged[number : number + 1])
    return table


def render_page(result: ProtocolResult, settings: Settings) -> str:
    """The page as one string of HTML; pictures are embedded as SVG, nothing is fetched.

    :param result: what was found
    :param settings: what was tested, and where
    """
    pictures = list(result.pictures)
    if result.plots:
        titles = "; ".join(plot.title for plot in result.plots)
        pictures.insert(0, Picture("Curves", titles, as_svg(draw(result.plots))))
    template = templates("md_bridge.drift").get_template("protocol.html.j2")
    return template.render(
        title=result.title,
        result=result,
        pictures=[(each, base64.b64encode(each.svg).decode("ascii")) for each in pictures],
        settings=settings,
    )


def draw(plots: tuple[Plot, ...]) -> Figure:
    """All panels, two in a row; of long lines their envelope, which looks the same.

    :param plots: at least one
    """
    columns = min(_COLUMNS, len(plots))
    rows = -(-len(plots) // columns)
    figure = Figure(figsize=(4.6 * columns, _PANEL_INCHES * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, plot in zip(panels, plots, strict=False):
        _draw_panel(axes, plot)
    for axes in panels[len(plots) :]:
        axes.set_visible(False)
    return figure


def _draw_panel(axes: Axes, plot: Plot) -> None:
    groups = sum(curve.bars for curve in plot.curves)
    drawn = 0
    for number, curve in enumerate(plot.curves):
        colour = OKABE_ITO[number % len(OKABE_ITO)]
        if curve.bars:
            width = 0.8 / groups
            shift = width * (drawn - (groups - 1) / 2)
            axes.bar(curve.x + shift, curve.y, width, color=colour, label=curve.label)
            drawn += 1
            continue
        kept = slice(None) if curve.markers else thinned(curve.y, _BINS)
        axes.plot(
            curve.x[kept],
            curve.y[kept],
            color=colour,
            linewidth=1.1,
            marker="o" if curve.markers else None,
            markersize=4,
            label=curve.label,
        )
    if groups:
        axes.set_xticks(np.unique(np.concatenate([c.x for c in plot.curves if c.bars])))
    axes.set_title(plot.title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel(plot.x_label, fontsize=9)
    axes.set_ylabel(plot.y_label, fontsize=9)
    if plot.logarithmic[0]:
        axes.set_xscale("log")
    positive = [value for curve in plot.curves for value in curve.y if value > 0]
    if plot.logarithmic[1] and positive:
        axes.set_yscale("log")
        if groups:  # bars begin at a power of ten
            low, high = math.log10(0.9 * min(positive)), math.log10(1.1 * max(positive))
            axes.set_ylim(10.0 ** math.floor(low), 10.0 ** math.ceil(high))
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    # over bars, which leave no free place, on a ground of its own
    if plot.curves:
        axes.legend(fontsize=8, frameon=groups > 0, framealpha=0.9, edgecolor="none")


def _verdict(row: Row) -> str:
    if row.observed:
        return escape(row.verdict)
    style = "yellow" if row.good is None else "green" if row.good else "red"
    return f"[{style}]{escape(row.verdict)}[/{style}]"


def _system(request: ProtocolRequest) -> str:
    if request.start.cell.rank == 3:
        return describe_system(request.start)
    return f"{request.start.get_chemical_formula()}, {len(request.start)} atoms"
