"""The tables of a crystal's phonons."""

from __future__ import annotations

import math

import numpy as np

from md_bridge.drift.protocols.base import Row, Section
from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.results import PhononReport, PhononResult
from md_bridge.text import minus_sign, significant

__all__ = ["COLUMNS", "result_rows", "sections"]

COLUMNS = (
    ("forces", ""),
    ("correction", ""),
    ("π", "%"),
    ("α", "%"),
    ("γ", "%"),
    ("β", "eV/Å"),
    ("splitting", "cm⁻¹"),
    ("Δω", "cm⁻¹"),
)
"""What breaks which rule, by how much modes differ that symmetry makes degenerate, and the rms
difference of the bands from those of the reference."""

_SMALL, _ROUNDING = 0.01, 1e-6
"""cm⁻¹: less is a power of ten; less is nothing."""
_NOTHING = 1e-10
"""Of π, α, γ, and eV/Å of β: less is rounding."""
_NO_GROWTH = 1e-9
"""1/ps: less is rounding."""


def result_rows(report: PhononReport) -> tuple[Row, ...]:
    """A row for each kind of forces with each correction; nothing is judged but what failed.

    :param report: with at least one result
    """
    found = [_observed(_cells(report, result)) for result in report.results]
    return (*found, *_failed(report, "force constants", len(COLUMNS)))


def sections(report: PhononReport) -> tuple[Section, ...]:
    """The further tables: modes, thermal functions, growth, scan, elastic constants, relaxation.

    :param report: with at least one result
    """
    found = [_modes(report), _thermal(report), _growth(report)]
    parts = {each.part for each in report.failures}
    if report.scans or "scan" in parts:
        found.append(_scan(report))
    if report.elastic or "elastic constants" in parts:
        found.append(_elastic(report))
    if report.relaxed is not None:
        found.append(_relaxation(report))
    return tuple(found)


def _observed(cells: tuple[str, ...]) -> Row:
    return Row(cells, "", None, observed=True)


def _failed(report: PhononReport, part: str, columns: int) -> list[Row]:
    """Rows of which a table has the name alone."""
    return [
        Row((each.row.label, *["-"] * (columns - 1)), "failed", False)
        for each in report.failures
        if each.part == part
    ]


def _cells(report: PhononReport, result: PhononResult) -> tuple[str, ...]:
    rules = result.violations
    is_reference = result is report.reference
    return (
        result.row.label,
        result.correction,
        *(_percent(value) for value in (rules.permutation, rules.acoustic, rules.space_group)),
        f"{rules.rotational:.1e}" if rules.rotational > _NOTHING else "0",
        _wavenumbers(result.splitting),
        "–" if is_reference else _wavenumbers(result.difference(report.reference)),
    )


def _modes(report: PhononReport) -> Section:
    columns = (
        *COLUMNS[:2],
        ("acoustic at Γ", "THz"),
        ("imaginary", ""),
        ("lowest", "THz"),
        ("ω max", "THz"),
    )
    rows = []
    for result in report.results:
        imaginary = result.imaginary
        count = imaginary.acoustic_at_gamma + imaginary.optical_at_gamma + imaginary.elsewhere
        cells = (
            result.row.label,
            result.correction,
            minus_sign(f"{max(result.gamma.acoustic, key=abs):.4f}"),
            str(count) if imaginary.any else "none",
            minus_sign(f"{imaginary.lowest:.3f}"),
            f"{result.thermal.largest:.3f}",
        )
        rows.append(_observed(cells))
    title = "Modes: the acoustic one farthest from zero at Γ, how many are imaginary, the largest"
    return Section(title, columns, tuple(rows))


def _thermal(report: PhononReport) -> Section:
    columns = (
        *COLUMNS[:2],
        ("F", "kJ/mol"),
        ("S", "J/K/mol"),
        ("C_V", "J/K/mol"),
        ("evaluations", ""),
    )
    rows = [
        _observed(
            (
                result.row.label,
                result.correction,
                minus_sign(f"{result.thermal.free_energy:.4f}"),
                f"{result.thermal.entropy:.4f}",
                f"{result.thermal.heat_capacity:.4f}",
                str(result.evaluations),
            )
        )
        for result in report.results
    ]
    title = f"Thermal functions of a primitive cell at {report.request.temperature:g} K"
    return Section(title, columns, tuple(rows))


def _growth(report: PhononReport) -> Section:
    columns = (
        *COLUMNS[:2],
        ("fastest", "1/ps"),
        ("of", "THz"),
        ("rms", "1/ps"),
        ("energy after 1 ps", "of the start's"),
    )
    rows = [
        _observed(
            (
                result.row.label,
                result.correction,
                *_rate_and_frequency(result.growth.largest, result.growth.frequency),
                f"{result.growth.rms:.2g}" if result.growth.rms > _NO_GROWTH else "0",
                _factor(result.growth.heating),
            )
        )
        for result in report.results
    ]
    return Section(
        "Modes that grow in NVE dynamics, from complex frequencies", columns, tuple(rows)
    )


def _scan(report: PhononReport) -> Section:
    columns = (
        ("forces", ""),
        ("smallest change", "cm⁻¹"),
        ("at", "Å"),
        ("slope below", ""),
        ("slope above", ""),
        ("F", "kJ/mol"),
        ("S", "J/K/mol"),
        ("C_V", "J/K/mol"),
    )
    rows = []
    for scan in report.scans:
        lowest = int(np.argmin(scan.changes))
        spread = [
            np.ptp([getattr(each, name) for each in scan.thermal])
            for name in ("free_energy", "entropy", "heat_capacity")
        ]
        rows.append(
            _observed(
                (
                    scan.row.label,
                    f"{scan.changes[lowest] * WAVENUMBERS:.2g}",
                    f"{scan.middles[lowest]:.3g}",
                    *(_slope(slope) for slope in scan.slopes),
                    *(f"{value:.2g}" for value in spread),
                )
            )
        )
    title = "Displacement scan: change from one displacement to the next, and ranges of F, S, C_V"
    return Section(title, columns, (*rows, *_failed(report, "scan", len(columns))))


def _elastic(report: PhononReport) -> Section:
    from md_bridge.statics.elastic import tables

    rows = []
    for each in report.elastic:
        word = "at rest" if each.converged else "not at rest"
        rows += [Row(cells, word, each.converged) for cells in tables.rows([each])]
    rows += _failed(report, "elastic constants", len(tables.COLUMNS))
    return Section("Elastic constants", tables.COLUMNS, tuple(rows))


def _relaxation(report: PhononReport) -> Section:
    converged = report.relaxation_converged
    word = "at rest" if converged else "not at rest"
    largest = max(report.residual_forces.values())
    rows = (Row(("conservative", f"{largest:.1e}"), word, converged),)
    columns = (("relaxed with", ""), ("largest force of any row", "eV/Å"))
    return Section("Relaxation of the atoms", columns, rows)


def _percent(value: float) -> str:
    return f"{100 * value:.2g}" if value > _NOTHING else "0"


def _wavenumbers(value: float) -> str:
    """THz as cm⁻¹."""
    size = value * WAVENUMBERS
    if not math.isfinite(size):
        return "-"
    return significant(size, 2) if size >= _SMALL else "0" if size < _ROUNDING else f"{size:.0e}"


def _slope(value: float) -> str:
    return minus_sign(f"{value:.2f}") if math.isfinite(value) else "-"


def _rate_and_frequency(rate: float, frequency: float) -> tuple[str, str]:
    """Of the fastest mode; where nothing grows none is the fastest."""
    return (f"{rate:.2g}", f"{frequency:.2f}") if rate > _NO_GROWTH else ("0", "-")


def _factor(value: float) -> str:
    return f"{value:.6g}" if value < 1e6 else f"{value:.1e}"
