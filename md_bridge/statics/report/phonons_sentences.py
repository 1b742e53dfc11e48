"""What the numbers of a crystal's phonons say, in words."""

from __future__ import annotations

import math

from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.results import PhononReport, PhononResult
from md_bridge.statics.phonons.scan import Scan
from md_bridge.statics.phonons.violations import rounding_asymmetry
from md_bridge.text import minus_sign, significant

__all__ = ["sentences"]

_SEEN = 1e-4
"""Of π, from where on it is worth a sentence."""
_ALIKE = 3.0
"""Asymmetries that differ by no more than this factor have the same cause."""
_SPLIT = 0.01
"""cm⁻¹: less is no splitting that anybody would see."""


def sentences(report: PhononReport) -> tuple[str, ...]:
    """Findings first, then what limits them.

    :param report: with at least one result
    """
    return (
        *_failures(report),
        *_not_at_rest(report),
        *_reference(report),
        *_asymmetry(report),
        *_splitting(report),
        *_imaginary(report),
        *(_of_scan(scan) for scan in report.scans),
        *_fast(report),
        *report.warnings,
        _cost(report),
    )


def _failures(report: PhononReport) -> list[str]:
    return [
        f"No {each.part} with {each.row.label} forces: {each.reason}." for each in report.failures
    ]


def _not_at_rest(report: PhononReport) -> list[str]:
    if report.relaxation_converged:
        return []
    return [
        f"The atoms did not come to rest ({report.relaxation_reason}): the phonons are those of "
        "the structure of the smallest forces. Relax it with md-bridge relax first."
    ]


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
        found.append(
            f"The force constants of {result.row.label} forces are not symmetric, π = "
            f"{100 * result.violations.permutation:.2g} %: {_cause(report, result)}."
        )
    return found


def _cause(report: PhononReport, result: PhononResult) -> str:
    """What makes raw force constants asymmetric: rounding, the differences, or no potential."""
    asymmetry = result.violations.permutation
    noise = report.noise[result.row.label]
    rounding = rounding_asymmetry(result.force_constants, noise, report.request.displacement)
    if report.request.host != "autograd" and asymmetry < _ALIKE * rounding:
        double = "" if report.precision != "float32" else ", or double precision (--double),"
        return (
            f"this is the rounding of the forces ({noise:.1g} eV/Å) at this displacement, and a "
            f"longer one{double} makes it smaller"
        )
    if result.row.forces == "conservative":
        return (
            "these forces are the gradient of an energy, whose second derivatives are symmetric, "
            "and what is left is the error of the finite differences. A shorter displacement makes "
            "it smaller where the energy is smooth, and larger where it jumps (--scan tells); the "
            "growth in the table is none of dynamics"
        )
    exact = _partner(report, result)
    if exact is not None and asymmetry < _ALIKE * exact.violations.permutation:
        return (
            f"this is hardly more than that of {exact.row.label} forces, "
            f"{100 * exact.violations.permutation:.2g} %, which is the error of the finite "
            "differences, and does not show whether these forces have a potential"
        )
    text = (
        "these forces have no potential. Bands do not show it, because the dynamical matrix is "
        "made Hermitian for them"
    )
    if result.growth.largest > 0:
        text += (
            f"; as it is, its fastest mode ({result.growth.frequency:.2f} THz) doubles its "
            f"energy in {significant(result.growth.doubling, 2)} ps of NVE dynamics"
        )
    return text


def _partner(report: PhononReport, result: PhononResult) -> PhononResult | None:
    """The same of conservative forces, if they are a row, too."""
    same = (result.row.symmetrize, result.correction)
    for other in report.results:
        if other.row.forces == "conservative" and (other.row.symmetrize, other.correction) == same:
            return other
    return None


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
