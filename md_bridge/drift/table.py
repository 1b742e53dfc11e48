"""The table of runs on the terminal."""

from __future__ import annotations

from rich.table import Table

from md_bridge.drift.analysis import Analysis
from md_bridge.drift.statistics import Verdict
from md_bridge.drift.wording import COLUMNS, table_row

_STYLES = {
    Verdict.CONSERVES: "green",
    Verdict.DRIFTS: "red",
    Verdict.INCONCLUSIVE: "yellow",
}
_SHORT = {"temperature drift": "T drift", "wall time": "wall"}
# left out of narrow terminals; the page has it
_LEAST = "fluctuation"
_WIDE = 96


def terminal_table(analysis: Analysis, width: int = 80) -> Table:
    """One line a run.

    :param width: columns of the terminal; 80 are enough
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    shown = [i for i, (heading, _) in enumerate(COLUMNS) if width >= _WIDE or heading != _LEAST]
    for i in shown:
        heading, unit = COLUMNS[i]
        table.add_column(
            f"{_SHORT.get(heading, heading)}\n[dim]{unit}[/dim]",
            justify="left" if heading in ("run", "verdict") else "right",
            no_wrap=True,
        )
    for result in analysis.results:
        cells = list(table_row(result))
        style = _STYLES[result.statistics.verdict]
        cells[2] = f"[{style}]{cells[2]}[/{style}]"
        table.add_row(*(cells[i] for i in shown))
    return table
