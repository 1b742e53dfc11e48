"""The rows of the tables of relaxations."""

from __future__ import annotations

import statistics

from md_bridge.drift.protocols.base import Row as TableRow
from md_bridge.drift.protocols.base import Section
from md_bridge.statics.relaxing.request import Relaxations
from md_bridge.statics.relaxing.results import EV_PER_CUBIC_ANGSTROM_IN_GPA as _GPA
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.rows import Row
from md_bridge.text import minus_sign, significant

__all__ = ["MOST_STRUCTURES", "columns", "rows", "sections"]

MOST_STRUCTURES = 24
"""Lines of the table of single structures."""

_ROUNDING = 1e-12
"""Of any unit of these tables."""
_ABBREVIATIONS = {"direct": "d", "conservative": "c"}


def columns(found: Relaxations) -> tuple[tuple[str, str], ...]:
    """Of the main table.

    :param found: what was relaxed
    """
    return (
        ("forces", ""),
        ("at rest", f"of {len(found.request.starts)}"),
        ("steps", "median"),
        ("evaluations", ""),
        ("time", "s"),
        ("residual work", "meV/atom"),
        *((f"symmetry at {length:g} Å", "kept/lowered/raised") for length in found.request.symprec),
    )


def rows(found: Relaxations) -> tuple[TableRow, ...]:
    """A row for each kind of forces; good where all structures came to rest.

    :param found: what was relaxed
    """
    return tuple(_row(found, row) for row in found.request.rows)


def sections(found: Relaxations) -> tuple[Section, ...]:
    """The further tables: structures, distances, forces of one kind where another vanishes.

    :param found: what was relaxed
    """
    parts = (
        _structures(found),
        _distances(found),
        _crossed(found),
        _fixed_points(found),
        _start_residuals(found),
    )
    return tuple(section for section in parts if section.rows)


def _row(found: Relaxations, row: Row) -> TableRow:
    results = found.relaxed[row]
    converged = found.converged(row)
    work = [abs(each.residual_work) for each in results if each.residual_work == each.residual_work]
    cells = (
        row.label,
        str(converged),
        f"{statistics.median(each.steps for each in results):g}",
        _evaluations(found.evaluations(row)),
        significant(found.seconds(row), 2),
        _number(statistics.fmean(work)) if work else "-",
        *(_verdicts(found, row, place) for place in range(len(found.request.symprec))),
    )
    good = converged == len(results)
    words = "converged" if good else "not converged"
    return TableRow(cells, words, good)


def _verdicts(found: Relaxations, row: Row, place: int) -> str:
    counts = found.verdicts(row, place)
    return "/".join(str(counts[name]) for name in ("kept", "lowered", "raised"))


def _evaluations(counts: dict[str, int]) -> str:
    if len(counts) == 1:
        return str(*counts.values())
    return " + ".join(f"{count} {_ABBREVIATIONS[kind]}" for kind, count in counts.items()) or "-"


def _structures(found: Relaxations) -> Section:
    """Those that did not come to rest first; not all of very many."""
    lines = [
        (found.relaxed[row][place], row, place)
        for place in range(len(found.request.starts))
        for row in found.request.rows
    ]
    lines.sort(key=lambda line: line[0].converged)
    table = tuple(_structure(found, *line) for line in lines[:MOST_STRUCTURES])
    headings = (
        ("structure", ""),
        ("forces", ""),
        ("steps", ""),
        ("energy", "eV/atom"),
        ("largest force", "eV/Å"),
        ("stress", "GPa"),
        ("residual work", "meV/atom"),
        ("rise", "meV/atom"),
        ("longest plateau", "decades of symprec"),
    )
    return Section("Structures", headings, table)


def _structure(found: Relaxations, each: Relaxation, row: Row, place: int) -> TableRow:
    longest = found.symmetry[row][place].end.longest
    plateau = "-" if longest is None else f"{longest.group.symbol}, {longest.decades:.1f}"
    cells = (
        found.request.starts[place].name,
        row.label,
        str(each.steps),
        minus_sign(f"{each.energy / len(each.end):.6f}"),
        _number(each.largest_force),
        _number(each.largest_stress),
        _number(each.residual_work),
        _number(1e3 * each.rise / len(each.end)),
        plateau,
    )
    return TableRow(cells, each.status, each.converged, observed=True)


def _distances(found: Relaxations) -> Section:
    """Of structures that came to rest with both rows: elsewhere there is no end to compare."""
    reference = found.request.reference
    table = []
    for row in found.request.rows:
        ends = zip(found.distances[row], found.relaxed[row], found.relaxed[reference], strict=True)
        apart = [each for each, own, other in ends if own.converged and other.converged]
        if row == reference or not apart:
            continue
        energies = [each.energy for each in apart if each.energy == each.energy]
        cells = (
            row.label,
            str(len(apart)),
            *_mean_and_largest([each.rmsd for each in apart]),
            *_mean_and_largest([each.cell for each in apart]),
            _number(statistics.fmean(energies)) if energies else "-",
        )
        table.append(TableRow(cells, "", None, observed=True))
    headings = (
        ("forces", ""),
        ("at rest with both", f"of {len(found.request.starts)}"),
        ("mean distance", "Å"),
        ("largest", "Å"),
        ("mean of cells", "%"),
        ("largest", "%"),
        ("energy", "meV/atom"),
    )
    return Section(f"Where they end, seen from {reference.label}", headings, tuple(table))


def _crossed(found: Relaxations) -> Section:
    table = [
        TableRow(
            (
                f"{each.forces} where {each.vanishing} vanish" + _average(name),
                _number(1e3 * each.rms),
                _number(1e3 * each.largest),
            ),
            "",
            None,
            observed=True,
        )
        for name, crossed in found.crossed.items()
        for each in crossed
    ]
    headings = (("forces", ""), ("rms", "meV/Å"), ("largest", "meV/Å"))
    return Section("One kind of forces at the rest of the other", headings, tuple(table))


def _fixed_points(found: Relaxations) -> Section:
    table = []
    for name, points in found.fixed_points.items():
        for start, point in zip(found.request.starts, points, strict=True):
            if point is not None:
                values = (point.predicted, point.found, point.left)
                cells = (start.name + _average(name), *(f"{value:.2e}" for value in values))
                table.append(TableRow(cells, "", None, observed=True))
    headings = (
        ("structure", ""),
        ("predicted shift", "Å"),
        ("found", "Å"),
        ("difference", "Å"),
    )
    return Section("Where direct forces vanish: H⁻¹ F of the minimum", headings, tuple(table))


def _start_residuals(found: Relaxations) -> Section:
    table = []
    for row, residuals in found.start_residuals.items():
        if residuals is None:
            continue
        worst = ", ".join(f"{kind}: {1e3 * size:.2g}" for kind, size in residuals.worst[:4])
        stress = residuals.traceless_stress
        cells = (
            row.label,
            residuals.group.symbol,
            _number(1e3 * residuals.largest_force),
            worst,
            "-" if stress is None else _number(_GPA * float(abs(stress).max())),
        )
        table.append(TableRow(cells, "", None, observed=True))
    headings = (
        ("forces", ""),
        ("space group", ""),
        ("forbidden force", "meV/Å"),
        ("operations", "meV/Å"),
        ("traceless stress", "GPa"),
    )
    name = found.request.starts[0].name
    return Section(f"What breaks the symmetry of '{name}' in step 0", headings, tuple(table))


def _average(name: str) -> str:
    return "" if name == "none" else f", {name}"


def _mean_and_largest(values: list[float]) -> tuple[str, str]:
    return _number(statistics.fmean(values)), _number(max(values))


def _number(value: float) -> str:
    """Three digits, small ones as powers of ten; ``-`` where there is none; rounding as 0."""
    if value != value:
        return "-"
    if abs(value) < _ROUNDING:
        return "0"
    return minus_sign(f"{value:.3g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}")
