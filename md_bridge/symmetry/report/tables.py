"""The rows of the tables: errors, elements, sectors, averages."""

from __future__ import annotations

import math

from md_bridge.drift.protocols.base import Row, Section
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.models.request import ModelSymmetry, WorstAtom
from md_bridge.text import significant

__all__ = ["ERROR_COLUMNS", "error_rows", "sections"]

ERROR_COLUMNS = (
    ("quantity", ""),
    ("A", ""),
    ("A/size", "%"),
    ("odd", "% of A²"),
    ("rounding", ""),
    ("worst atom", ""),
)
"""A of a component, relative to the size of the quantity, and how much of A² changes sign with
inversion."""
_SIGNS = {1: "+", -1: "−", 0: "±"}


def error_rows(found: ModelSymmetry) -> tuple[Row, ...]:
    """A row for each quantity; good where the guards pass.

    :param found: the measurement
    """
    return tuple(_error_row(found, quantity) for quantity in found.quantities)


def sections(found: ModelSymmetry) -> tuple[Section, ...]:
    """The further tables: elements, sectors, averages.

    :param found: the measurement
    """
    parts = (_elements(found), _sectors(found), _averages(found), *_layers(found))
    return tuple(section for section in parts if section.rows)


def _error_row(found: ModelSymmetry, quantity: Quantity) -> Row:
    response = found.responses[quantity.name]
    floor = response.floor / math.sqrt(response.components)
    seen = response.rms > floor
    size = response.B["z"]
    known = seen and (0, size.sigmas[0]) in size.above_floor
    worst, odd = found.worst_atom(quantity), found.odd_share(quantity)
    cells = (
        _named(quantity),
        _shown(response.rms, floor),
        f"{100 * response.relative:.3g}" if known else "-",
        f"{100 * odd:.1f}" if seen and math.isfinite(odd) else "-",
        f"{floor:.0e}",
        "-" if worst is None else _of_atom(worst, floor),
    )
    good = response.converged
    return Row(cells, "converged" if good else "not converged", good)


def _elements(found: ModelSymmetry) -> Section:
    symbols = list(dict.fromkeys(s for a in found.request.structures for s in a.symbols))
    rows = []
    for quantity in found.quantities:
        response = found.responses[quantity.name]
        floor = response.floor / math.sqrt(response.components)
        errors = {each.element: each.rms for each in found.elements(quantity)}
        if errors:
            cells = (_named(quantity), *(_shown(errors[s], floor) for s in symbols))
            rows.append(Row(cells, "", None, observed=True))
    columns = (("quantity", ""), *((symbol, "") for symbol in symbols))
    return Section("Error for each element", columns, tuple(rows))


def _sectors(found: ModelSymmetry) -> Section:
    """√B of a component in each sector; a dot for what is rounding."""
    rows = []
    for quantity in found.quantities:
        response = found.responses[quantity.name]
        spectrum = response.B["z"]
        shown = spectrum.above_floor
        for sigma in spectrum.sigmas:
            first = sigma == spectrum.sigmas[0]
            cells = [_named(quantity) if first else "", f"{_SIGNS[sigma]}"]
            for degree in range(found.request.lmax + 1):
                value = shown.get((degree, sigma))
                root = None if value is None else math.sqrt(value / response.components)
                # the symmetric part is no error
                no_error = degree == 0 and sigma != -1
                cells.append("" if no_error else "·" if root is None else f"{root:.2g}")
            if first or any(own == sigma for _, own in shown):
                rows.append(Row(tuple(cells), "", None, observed=True))
    columns = (
        ("√B of a component", ""),
        ("σ", ""),
        *((str(degree), "") for degree in range(found.request.lmax + 1)),
    )
    return Section("What is wrong, by angular momentum λ and parity σ", columns, tuple(rows))


def _averages(found: ModelSymmetry) -> Section:
    rows = []
    for quantity in found.quantities:
        response = found.responses[quantity.name]
        floor = response.floor / math.sqrt(response.components)
        left = (found.left_by(quantity.name, copies) for copies in found.sets)
        cells = (quantity.words, *(_shown(value, floor) for value in left))
        rows.append(Row(cells, "predicted", None, observed=True))
        measured = [each for each in found.averages if each.quantity == quantity.name]
        if measured:
            good = all(each.agrees for each in measured)
            values = (_measured(each.measured, each.error, floor) for each in measured)
            # what is above lmax may be left whole, so that there agreement says nothing
            known = response.converged or not good
            verdict = "differs" if not good else "agrees" if known else "not converged"
            rows.append(Row(("", *values), verdict, good and known))
    columns = (("quantity", ""), *(_heading(name) for name in found.sets))
    return Section("What averages leave of A: predicted, measured", columns, tuple(rows))


def _layers(found: ModelSymmetry) -> list[Section]:
    if found.layers is None:
        return []
    columns = tuple((heading, "") for heading in found.layers.headings)
    rows = tuple(
        Row(layer.cells(), "not converged" if layer.problems else "converged", not layer.problems)
        for layer in found.layers.layers
    )
    title = "Share of each λ in the features of a layer, without what all samples share, %"
    return [Section(title, columns, rows)]


def _heading(copies: str) -> tuple[str, str]:
    name, _, inversion = copies.partition("/")
    return name, "/inversion" if inversion else ""


def _named(quantity: Quantity) -> str:
    return f"{quantity.words}, {quantity.unit}" if quantity.unit else quantity.words


def _shown(value: float, floor: float) -> str:
    return significant(value, 3) if value > floor else "·"


def _of_atom(worst: WorstAtom, floor: float) -> str:
    """Which one it is, if it is known: the order of what is rounding says nothing."""
    shown = _shown(worst.rms, floor)
    return f"{worst.element} {worst.index}: {shown}" if worst.rms > floor else shown


def _measured(value: float, error: float, floor: float) -> str:
    """With one digit of the error."""
    if value <= floor:
        return "·"
    decimals = max(0, -math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"
