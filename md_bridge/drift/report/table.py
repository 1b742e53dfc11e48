"""The table of runs on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.report.cells import COLUMNS, PUBLISHED_COLUMNS, published_row, table_row
from md_bridge.drift.runs.analysis import Analysis
from md_bridge.text import with_error

__all__ = [
    "element_table",
    "published_table",
    "runs_table",
]

_STYLES = {
    Verdict.CONSERVES: "green",
    Verdict.DRIFTS: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_SHORT = {"temperature drift": "T drift", "wall time": "wall"}
# left out of narrow terminals; the page has them
_LEAST = ("per freedom", "fluctuation", "temperature drift", "wall time")
_ALWAYS = ("run", "drift", "verdict")
_WIDE = 104


def element_table(analysis: Analysis) -> Table | None:
    """Mean kinetic temperature of each element, one line a method; None if there is nothing to
    compare.

    :param analysis: of all runs
    :returns: temperatures as shares of that of all atoms
    """
    results = [result for result in analysis.results if len(result.elements) > 1]
    if not results:
        return None
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    table.add_column("equipartition\n[dim]T / T of all atoms[/dim]", no_wrap=True)
    for entry in results[0].elements:
        table.add_column(entry.element, justify="right")
    for result in results:
        ratios = (with_error(entry.ratio.value, entry.ratio.stderr) for entry in result.elements)
        table.add_row(result.label, *ratios)
    return table


def runs_table(analysis: Analysis, width: int = 80) -> Table:
    """One line a method.

    :param analysis: of all runs
    :param width: columns of the terminal; 80 are enough
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    rows = [table_row(result) for result in analysis.results]
    for i in _shown(rows, width):
        heading, unit = COLUMNS[i]
        name = heading == "run"
        table.add_column(
            f"{_SHORT.get(heading, heading)}\n[dim]{unit}[/dim]",
            justify="left" if heading in ("run", "verdict") else "right",
            # a long file name goes on in the next line; numbers are never cut
            overflow="fold",
            no_wrap=not name,
            min_width=None if name else max((len(row[i]) for row in rows), default=0),
        )
    for result, row in zip(analysis.results, rows, strict=True):
        cells = list(row)
        style = _STYLES[result.statistics.verdict]
        cells[2] = f"[{style}]{cells[2]}[/{style}]"
        table.add_row(*(cells[i] for i in _shown(rows, width)))
    return table


def published_table(analysis: Analysis) -> Table:
    """The drift by the formulas of published protocols, one line a method.

    :param analysis: of all runs
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for heading, unit in PUBLISHED_COLUMNS:
        left = heading == "run"
        table.add_column(
            f"{heading}\n[dim]{unit}[/dim]",
            justify="left" if left else "right",
            overflow="fold",
            no_wrap=not left,
        )
    for result in analysis.results:
        table.add_row(*published_row(result))
    return table


def _shown(rows: Sequence[tuple[str, ...]], width: int) -> list[int]:
    """Columns that have something to say, and of those the ones that fit."""
    return [
        i
        for i, (heading, _) in enumerate(COLUMNS)
        if (width >= _WIDE or heading not in _LEAST)
        and (heading in _ALWAYS or any(row[i] != "-" for row in rows))
    ]
