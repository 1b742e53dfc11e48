"""Panels as tables of text, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from md_bridge.bench.machine import busy_warning
from md_bridge.bench.panels import PanelResult, Row
from md_bridge.bench.statistics import spread

__all__ = ["TextTable", "reasons", "table_of"]


@dataclass(frozen=True)
class TextTable:
    """Headers and rows of the same length; the first column is a name, the others are numbers."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: list[str]
    """Sentences: what did not fit in the time, and whether the machine was busy."""


def table_of(panel: PanelResult) -> TextTable:
    """What was measured of a panel; rows without numbers are left out, see :func:`reasons`.

    Times are medians per inner step with quartiles, ratios medians with the least and most of all
    rounds.

    :param panel: with its numbers
    """
    measured = [row for row in panel.rows if row.seconds]
    labels = list(dict.fromkeys(label for row in measured for label in panel.ratios(row)))
    columns: list[tuple[str, list[str]]] = [(panel.unit, [row.name for row in measured])]
    columns.append(("ms", [_number([1e3 * s for s in row.per_inner_step]) for row in measured]))
    columns.append(
        ("quartiles", [_quartiles([1e3 * s for s in row.per_inner_step]) for row in measured])
    )
    if panel.group == "scaling":
        columns.append(
            ("µs/atom", [_number([1e6 * s / row.atoms for s in row.seconds]) for row in measured])
        )
    for label in labels:
        columns.append(
            (f"÷ {label}", [_with_range(panel.ratios(row).get(label, [])) for row in measured])
        )
    speedups = [panel.speedups(row) for row in measured]
    if any(speedups):
        for title, name in (("speed-up", "gain"), ("S(M)", "bound"), ("part of S(M)", "fraction")):
            columns.append((title, [_with_range(found.get(name, [])) for found in speedups]))
    overheads = [[100 * x for x in row.details.get("overhead", [])] for row in measured]
    if any(overheads) and panel.group in ("lammps", "ranks", "scaling"):
        columns.append(("overhead, %", [_number(values) for values in overheads]))
    if panel.group in ("memory", "scaling"):
        columns += _memory(measured)
    columns += _spreads(measured)
    columns += _force_differences(measured)
    headers = [title for title, _ in columns]
    size = f", {panel.atoms} atoms" if panel.atoms else ""
    threads = f"{panel.threads} thread" + ("s" if panel.threads > 1 else "")
    device = "" if panel.device == "cpu" else f", {panel.device}"
    start = f", {panel.start}" if panel.start else ""
    inner = f", inner model {panel.inner}" if panel.inner else ""
    warning = busy_warning(panel.circumstances)
    return TextTable(
        f"{panel.title}: {panel.model}{inner}{start}{size}, {threads}{device}",
        headers,
        [list(cells) for cells in zip(*(cells for _, cells in columns), strict=True)],
        [*panel.cuts, *([warning] if warning else [])],
    )


def reasons(panels: Sequence[PanelResult]) -> list[str]:
    """What was not measured and why, a sentence a reason; what did not fit in the time is a note of
    its table.

    :param panels: all of a benchmark
    """
    rows: dict[str, list[str]] = {}
    for panel in panels:
        for row in panel.rows:
            if row.unavailable and not row.late:
                size = f"{panel.atoms} atoms, " if panel.atoms else ""
                where = f"{row.name} ({size}{panel.title}, {panel.model})"
                rows.setdefault(row.unavailable, []).append(where)
    return [
        f"{found[0]}{f' and {len(found) - 1} more' if len(found) > 1 else ''}: {reason}"
        for reason, found in rows.items()
    ]


def _number(values: Sequence[float]) -> str:
    """A median with three digits; empty without values."""
    found = spread(values)
    return "" if found is None else _digits(found.median)


def _digits(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _quartiles(values: Sequence[float]) -> str:
    found = spread(values)
    return "" if found is None else f"{_digits(found.lower)}–{_digits(found.upper)}"


def _with_range(values: Sequence[float]) -> str:
    found = spread(values)
    if found is None:
        return ""
    return f"{found.median:.2f} ({found.least:.2f}–{found.most:.2f})"


_SPREADS = {
    "energy_spread": "σ energy, meV/atom",
    "conservative_forces_spread": "σ conservative, meV/Å",
    "direct_forces_spread": "σ direct, meV/Å",
    "direct_difference": "direct − conservative, meV/Å",
}
"""Details of the program :mod:`md_bridge.bench.programs.rotations`, and their titles."""


def _spreads(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """How much results change with the orientation, as far as it was seen by the last round."""
    return [
        (title, [_digits(values[-1]) if values else "" for values in found])
        for name, title in _SPREADS.items()
        if any(found := [row.details.get(name, []) for row in rows])
    ]


def _force_differences(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """By how much the forces of the start differ from those that they must agree with."""
    found = [row.force_difference for row in rows]
    if all(value is None for value in found):
        return []
    shown = ["" if value is None else f"{value:.1e}" for value in found]
    return [("forces differ by, eV/Å", shown)]


def _memory(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Resident memory in the middle and at the end of all turns, and the peak."""
    middle, end, peak, steps = [], [], [], []
    for row in rows:
        resident = row.details.get("rss_MB", [])
        middle.append(f"{resident[len(resident) // 2]:.0f}" if resident else "")
        end.append(f"{resident[-1]:.0f}" if resident else "")
        peak.append(f"{max(row.details['peak_MB']):.0f}" if resident else "")
        steps.append(str(row.count * len(row.seconds)))
    return [("steps", steps), ("MB, halfway", middle), ("MB, end", end), ("MB, peak", peak)]
