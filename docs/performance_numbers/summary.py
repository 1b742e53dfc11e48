"""What performance.json says of the questions that a reader has first, in one table; and how much
of the bound of multiple time stepping can be had.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import marked_tables

from md_bridge.bench.models.files import BUNDLED, COMPILED, XS
from md_bridge.bench.panels import PanelResult
from md_bridge.bench.results import Results
from md_bridge.bench.statistics import ratios, spread

__all__ = ["most_of_bound", "summary"]

Numbers = Callable[[PanelResult], Sequence[float]]


@dataclass(frozen=True)
class _Line:
    """A row of the table."""

    label: str
    group: str
    title: str
    """Of the panels."""
    of: Numbers
    model: str = BUNDLED


def _over(name: str, other: str) -> Numbers:
    """Times of a row over those of another."""

    def numbers(panel: PanelResult) -> Sequence[float]:
        row, reference = panel.row(name), panel.row(other)
        return ratios(row.seconds, reference.seconds) if row and reference else []

    return numbers


def _overhead(name: str) -> Numbers:
    """In percent."""

    def numbers(panel: PanelResult) -> Sequence[float]:
        row = panel.row(name)
        return [100 * share for share in row.details.get("overhead", [])] if row else []

    return numbers


def _part_of_bound(name: str) -> Numbers:
    """Of S(M), by round."""

    def numbers(panel: PanelResult) -> Sequence[float]:
        row = panel.row(name)
        return panel.speedups(row).get("fraction", []) if row else []

    return numbers


_OURS, _IPI = "MD Bridge", "i-PI"
_EVERYTHING = "ASE, energy, forces and virials"
_LINES = [
    *(
        _Line(
            f"TorchScript ÷ compiled, {kind}", "ase", _EVERYTHING,
            _over(f"{kind}, {_OURS}", f"{kind}, {_OURS}{COMPILED}"),
        )
        for kind in ("direct", "conservative", "both")
    ),
    *(
        _Line(
            f"compiled ÷ {other}, conservative, ASE{', XS' if model == XS else ''}", "ase",
            "ASE, conservative forces", _over(f"{_OURS}{COMPILED}", other), model,
        )
        for model, other in ((BUNDLED, "pet-kokkos"), (XS, "pet-kokkos"), (BUNDLED, "metatomic"))
    ),
    *(
        _Line(
            f"{name} ÷ metatomic, {kind}, i-PI", "ipi", _IPI,
            _over(f"{kind}, {_OURS}{suffix}", f"{kind}, metatomic"),
        )
        for kind in ("conservative", "direct")
        for name, suffix in (("compiled", COMPILED), ("TorchScript", ""))
    ),
    *(
        _Line(
            f"a step ÷ network alone, compiled, {kind}, LAMMPS", "lammps", "LAMMPS",
            _over(f"{kind}{COMPILED}", f"network alone, {kind}{COMPILED}"),
        )
        for kind in ("conservative", "direct")
    ),
    *(
        _Line(
            f"overhead of a step, compiled, {name}, LAMMPS, %", "lammps", "LAMMPS",
            _overhead(f"{name}{COMPILED}"),
        )
        for name in ("conservative", "direct", "MTS M = 8", "two models, M = 8")
    ),
    *(
        _Line(
            f"part of S({m}), one model, {name}, {host}", group, host,
            _part_of_bound(f"MTS M = {m}{driver}{suffix}"),
        )
        for host, group, driver in (("LAMMPS", "lammps", ""), (_IPI, "ipi", f", {_OURS}"))
        for name, suffix in (("TorchScript", ""), ("compiled", COMPILED))
        for m in (4, 8, 16)
    ),
    *(
        _Line(
            f"one busy neighbour ÷ idle, compiled, {host}", "busy", "one busy neighbour",
            _over(f"{row}, one busy neighbour", row),
        )
        for host in ("LAMMPS", "ASE", "i-PI")
        for row in [f"{host}, {_OURS}{COMPILED}"]
    ),
    *(
        _Line(
            f"÷ threads that always spin, idle, compiled, {host}", "busy", "one busy neighbour",
            _over(row, f"{row}, threads always spin"),
        )
        for host in ("LAMMPS", "ASE", "i-PI")
        for row in [f"{host}, {_OURS}{COMPILED}"]
    ),
]  # fmt: skip


def summary(results: Results) -> list[str]:
    """The lines of the table in Markdown, medians with least and most of all rounds.

    :param results: of a benchmark
    """
    found: dict[str, dict[int, str]] = {}
    for line in _LINES:
        for panel in results.panels:
            is_its = (panel.group, panel.title, panel.model) == (line.group, line.title, line.model)
            if is_its and (shown := _shown(line.of(panel))):
                found.setdefault(line.label, {})[panel.atoms] = shown
    sizes = sorted({size for cells in found.values() for size in cells})
    rows = [[label, *(cells.get(size, "") for size in sizes)] for label, cells in found.items()]
    if not rows:
        return []
    return marked_tables.markdown(["", *(f"{size} atoms" for size in sizes)], rows)


def _shown(values: Sequence[float]) -> str:
    found = spread(values)
    if found is None:
        return ""
    return f"{found.median:.2f} ({found.least:.2f}–{found.most:.2f})"


def most_of_bound(panel: PanelResult, results: Results) -> dict[str, float]:
    """Which part of S(M) each row of one model's multiple time stepping can have at most, since its
    outer step makes direct forces too: (M - 1 + F) / (M - 1 + b F).

    :param panel: of LAMMPS or i-PI
    :param results: with the table of ASE, from which b is
    """
    found = {}
    for row in panel.rows:
        if row.bound is None or row.bound.two_models or not row.seconds or "metatomic" in row.name:
            continue
        both = _cost_of_both(panel, results, COMPILED if COMPILED in row.name else "")
        conservative, direct = panel.row(row.bound.conservative), panel.row(row.bound.cheap)
        if both is None or conservative is None or direct is None:
            continue
        cost = statistics.median(ratios(conservative.seconds, direct.seconds))
        inner = row.multiplicity - 1
        found[row.name] = (inner + cost) / (inner + both * cost)
    return found


def _cost_of_both(panel: PanelResult, results: Results, suffix: str) -> float | None:
    """b: of one pass for both kinds of forces, in conservative ones, of the same model and box.

    :param suffix: of the names of the rows of this program
    """
    for other in results.panels:
        same = all(
            getattr(other, name) == getattr(panel, name)
            for name in ("model", "atoms", "threads", "device", "start")
        )
        both = other.row(f"both, {_OURS}{suffix}")
        conservative = other.row(f"conservative, {_OURS}{suffix}")
        if other.group == "ase" and same and both and conservative:
            return statistics.median(ratios(both.seconds, conservative.seconds))
    return None
