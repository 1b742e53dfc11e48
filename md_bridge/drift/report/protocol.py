"""A protocol's result for people: table on the terminal, page, picture and ``summary.json``."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.markup import escape
from rich.table import Table

from md_bridge._templates import templates
from md_bridge.drift.protocols.base import Plot, ProtocolRequest, ProtocolResult, Row
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
    "write_protocol_report",
]

_PANEL_INCHES = 3.2
_COLUMNS = 2
_BINS = 200  # of the 330 points that a panel is wide


@dataclass(frozen=True)
class ProtocolFiles:
    """Where :func:`write_protocol_report` put what."""

    page: Path
    summary: Path


def write_protocol_report(result: ProtocolResult, request: ProtocolRequest) -> ProtocolFiles:
    """Write ``report.html`` and ``summary.json`` into the request's folder, made if missing.

    :param result: what the protocol found
    :param request: what was asked for
    :raises OSError: they cannot be written
    :raises ValueError: a number of the summary is no number
    """
    request.folder.mkdir(parents=True, exist_ok=True)
    files = ProtocolFiles(request.folder / "report.html", request.folder / "summary.json")
    content = json.dumps(as_data(result, request), indent=2, allow_nan=False)
    files.summary.write_text(content + "\n", encoding="utf-8")
    files.page.write_text(render_page(result, request), encoding="utf-8")
    return files


def as_data(result: ProtocolResult, request: ProtocolRequest) -> dict[str, Any]:
    """The content of ``summary.json``: the protocol's own numbers, and what every one has.

    :param result: what the protocol found
    :param request: what was asked for
    :returns: what JSON can have; names carry their units
    :raises EngineError: the model cannot be loaded
    """
    return {
        "protocol": result.protocol,
        "passed": result.passed,
        **result.summary,
        "sentences": list(result.sentences),
        "settings": dict(_settings_rows(request)),
    }


def _settings_rows(request: ProtocolRequest) -> list[tuple[str, str]]:
    """What was tested, and where: pairs of a name and a text with its unit.

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
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for number, (heading, unit) in enumerate(result.columns):
        text = escape(heading) + (f"\n[dim]{escape(unit)}[/dim]" if unit else "")
        table.add_column(text, justify="left" if number == 0 else "right", no_wrap=number == 0)
    table.add_column("verdict")
    for row in result.rows:
        table.add_row(*(escape(cell) for cell in row.cells), _verdict(row))
    return table


def render_page(result: ProtocolResult, request: ProtocolRequest) -> str:
    """The page as one string of HTML; the picture is embedded as SVG, nothing is fetched.

    :param result: what the protocol found
    :param request: what was asked for
    :raises EngineError: the model cannot be loaded
    """
    picture = None
    if result.plots:
        svg = as_svg(draw(result.plots))
        picture = "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
    template = templates("md_bridge.drift").get_template("protocol.html.j2")
    return template.render(
        title=result.title, result=result, picture=picture, settings=_settings_rows(request)
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
    for number, curve in enumerate(plot.curves):
        kept = slice(None) if curve.markers else thinned(curve.y, _BINS)
        axes.plot(
            curve.x[kept],
            curve.y[kept],
            color=OKABE_ITO[number % len(OKABE_ITO)],
            linewidth=1.1,
            marker="o" if curve.markers else None,
            markersize=4,
            label=curve.label,
        )
    axes.set_title(plot.title, loc="left", fontsize=9, fontweight="bold")
    axes.set_xlabel(plot.x_label, fontsize=9)
    axes.set_ylabel(plot.y_label, fontsize=9)
    if plot.logarithmic[0]:
        axes.set_xscale("log")
    if plot.logarithmic[1]:
        axes.set_yscale("log")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False)


def _verdict(row: Row) -> str:
    if row.observed:
        return escape(row.verdict)
    style = "yellow" if row.good is None else "green" if row.good else "red"
    return f"[{style}]{escape(row.verdict)}[/{style}]"


def _system(request: ProtocolRequest) -> str:
    if request.start.cell.rank == 3:
        return describe_system(request.start)
    return f"{request.start.get_chemical_formula()}, {len(request.start)} atoms"
