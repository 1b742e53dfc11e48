"""Everything that a set of runs leaves behind: page, picture, summary and series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE
from md_bridge.drift.records.csv import write_csv
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report import plot
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.page import render_page
from md_bridge.drift.report.summary import summary_content, write_summary
from md_bridge.drift.runs.analysis import Analysis, analyse
from md_bridge.drift.runs.force_difference import ForceDifference

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "ReportFiles",
    "write_report",
]


@dataclass(frozen=True)
class ReportFiles:
    """Where :func:`write_report` put what."""

    page: Path
    png: Path
    svg: Path
    summary: Path
    series: tuple[Path, ...]


def write_report(
    records: Sequence[RunRecord],
    settings: RunSettings,
    folder: Path,
    difference: ForceDifference | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    failures: Mapping[str, str] | None = None,
    with_series: bool = True,
    costs: EvaluationCosts | None = None,
) -> tuple[Analysis, ReportFiles]:
    """Analyse the runs and write ``report.html``, ``report.png``, ``report.svg``,
    ``summary.json`` and ``series/<run>.csv`` into ``folder`` (made if missing).

    :param records: at least one
    :param settings: what the page says of model, system and machine
    :param folder: made if missing
    :param difference: of the model's two kinds of forces, if it was looked at
    :param tolerance: drift that counts as conserved (meV/atom/ps)
    :param failures: why a run failed, by its label; for runs that are not in ``records``
    :param with_series: False where the series are in place already
    :param costs: of an evaluation of each of two models
    :raises ValueError: no runs.
    """
    if not records:
        raise ValueError("expected at least one finished run, found none: nothing to report")
    analysis = analyse(records, tolerance, costs)
    files = ReportFiles(
        page=folder / "report.html",
        png=folder / "report.png",
        svg=folder / "report.svg",
        summary=folder / "summary.json",
        series=tuple(folder / "series" / f"{record.name}.csv" for record in records),
    )
    if with_series:
        (folder / "series").mkdir(parents=True, exist_ok=True)
        for record, path in zip(records, files.series, strict=True):
            write_csv(record, path)
    write_summary(summary_content(analysis, settings, difference, failures), files.summary)
    figure = plot.draw(analysis)
    files.svg.write_bytes(plot.as_svg(figure))
    files.png.write_bytes(plot.as_png(figure))
    page = render_page(analysis, settings, difference, failures=failures)
    files.page.write_text(page, encoding="utf-8")
    return analysis, files
