"""What the numbers of a crystal's phonons say, in words."""

from __future__ import annotations

import math

from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.results import PhononReport, PhononResult
from md_bridge.statics.phonons.scan import Scan
from md_bridge.text import minus_sign, significant

__all__ = ["sentences"]

_SEEN = 1e-4
"""Of π, from where on it is worth a sentence."""
_SPLIT = 0.01
"""cm⁻¹: less is no splitting that anybody would see."""


def sentences(report: PhononReport) -> tuple[str, ...]:
    """Findings first, then what limits them.

    :param report: with at least one result
    """
    return (
        *_reference(report),
        *_asymmetry(report),
        *_splitting(report),
        *_imaginary(report),
        *(_of_scan(scan) for scan in report.scans),
        *_fast(report),
        *report.warnings,
        _cost(report),
    )


def _reference(report: PhononReport) -> list[str]:
    if len(report.results) < 2:
        return []
    return [
        f"The others are compared with {report.reference.label}, on the same crystal "
        f"({report.operations.symbol}) and the same path."
    ]


def _asymmetry(report: PhononReport) -> list[str]:
    found = []
    for result in report.results:
        if result.correction != "raw" or result.violations.permutation < _SEEN:
            continue
        text = (
            f"The force constants of {result.row.label} forces are not symmetric, π = "
            f"{100 * result.violations.permutation:.2g} %: these forces have no potential. Bands "
            "do not show it, because the dynamical matrix is made Hermitian for them"
        )
        if result.growth.largest > 0:
            text += (
                f"; as it is, its fastest mode ({result.growth.frequency:.2f} THz) doubles its "
                f"energy in {significant(result.growth.doubling, 2)} ps of NVE dynamics"
            )
        found.append(text + ".")
    return found


def _splitting(report: PhononReport) -> list[str]:
    """Of each row the first result against the last."""
    found = []
    for row in dict.fromkeys(result.row for result in report.results):
        own = [result for result in report.results if result.row == row]
        split = own[0].splitting * WAVENUMBERS
        if not split > _SPLIT:
            continue
        text = (
            f"With {row.label} forces, modes that the crystal's symmetry makes degenerate differ "
            f"by {significant(split, 2)} cm⁻¹"
        )
        if len(own) > 1:
            left = own[-1].splitting * WAVENUMBERS
            after = f"{significant(left, 2)} cm⁻¹" if left > _SPLIT else "not at all"
            text += f", with the correction {own[-1].correction} {after}"
        found.append(text + ".")
    return found


def _imaginary(report: PhononReport) -> list[str]:
    unstable = [result for result in report.results if result.imaginary.any]
    if not unstable:
        return []
    names = "; ".join(map(_described, unstable))
    return [f"Imaginary modes, by the rule of matbench-discovery: {names}."]


def _described(result: PhononResult) -> str:
    imaginary = result.imaginary
    places = [
        f"{imaginary.acoustic_at_gamma} acoustic at Γ" if imaginary.acoustic_at_gamma else "",
        f"{imaginary.optical_at_gamma} optical at Γ" if imaginary.optical_at_gamma else "",
        f"{imaginary.elsewhere} elsewhere" if imaginary.elsewhere else "",
    ]
    lowest = minus_sign(f"{imaginary.lowest:.2g}")
    return f"{result.label}, {', '.join(filter(None, places))} (lowest {lowest} THz)"


def _of_scan(scan: Scan) -> str:
    below, above = scan.slopes
    parts = []
    if math.isfinite(above):
        parts.append(
            f"grows as the displacement to the power {above:.2f} above (2 is the error of a "
            "central difference)"
        )
    if math.isfinite(below):
        power = minus_sign(f"{below:.2f}")
        parts.append(f"as the power {power} below (−1 is that of forces that are rough or noisy)")
    trend = ": it " + " and ".join(parts) if parts else ""
    lowest = int(scan.changes.argmin())
    return (
        f"With {scan.row.label} forces, frequencies change least from one displacement to the next "
        f"at {significant(float(scan.middles[lowest]), 2)} Å, by "
        f"{scan.changes[lowest] * WAVENUMBERS:.2g} cm⁻¹{trend}."
    )


def _fast(report: PhononReport) -> list[str]:
    if not report.request.fast:
        return []
    return [
        "fast: phonopy's displacements impose the space group, so that γ and splittings say "
        "nothing of the model."
    ]


def _cost(report: PhononReport) -> str:
    rows = dict.fromkeys(result.row for result in report.results)
    if report.request.host == "autograd":
        return f"Derivatives of the network; {significant(report.seconds, 2)} s in all."
    each = [next(r.evaluations for r in report.results if r.row == row) for row in rows]
    return (
        f"{sum(each)} displaced supercells of {len(report.crystal.supercell)} atoms for the force "
        f"constants; {significant(report.seconds, 2)} s in all."
    )
