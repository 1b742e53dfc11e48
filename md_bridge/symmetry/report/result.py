"""A measurement as a result with tables, sentences, pictures and numbers."""

from __future__ import annotations

import math
from typing import Any

from md_bridge.drift.protocols.base import Picture, ProtocolResult
from md_bridge.drift.report.environment import describe_model, surroundings
from md_bridge.drift.report.plot import as_svg
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.models.request import ModelSymmetry
from md_bridge.symmetry.report.plots import spectrum_plots
from md_bridge.symmetry.report.sentences import sentences
from md_bridge.symmetry.report.tables import ERROR_COLUMNS, error_rows, sections
from md_bridge.text import finite_or_none

__all__ = ["as_result", "settings_of", "summary_of"]

_LEAD = (
    "The model is evaluated for turned and mirrored copies of the structures, and what it says is "
    "turned back. A is by how much that changes with the orientation; sectors (λ, σ) say what is "
    "wrong, by angular momentum and parity (arXiv:2603.24638)."
)


def as_result(found: ModelSymmetry) -> ProtocolResult:
    """What the command prints and writes.

    :param found: the measurement
    """
    summary = summary_of(found)
    return ProtocolResult(
        protocol="symmetry",
        title="How much symmetry the model has learned",
        lead=_LEAD,
        columns=ERROR_COLUMNS,
        rows=error_rows(found),
        sentences=sentences(found),
        summary=summary,
        plots=spectrum_plots(summary),
        sections=sections(found),
        pictures=_pictures(found),
    )


def _pictures(found: ModelSymmetry) -> tuple[Picture, ...]:
    if found.layers is None:
        return ()
    words = "Share of each angular momentum in the layers, proper and pseudotensors apart"
    return (Picture("Layer by layer", words, as_svg(found.layers.plot())),)


def settings_of(found: ModelSymmetry) -> list[tuple[str, str]]:
    """What was measured, and where.

    :param found: the measurement
    :raises EngineError: the model cannot be loaded
    """
    request, around = found.request, surroundings()
    described = [
        f"{atoms.get_chemical_formula()} (number {place})"
        for place, atoms in zip(request.places, request.structures, strict=True)
    ]
    if request.structures:
        model = describe_model(request.model, request.model_options)
    else:  # a function brings its own points
        model, described = str(request.model), ["those of the function"]
    copies = "rotations" if request.proper else "rotations and their mirror images"
    return [
        ("model", model),
        ("structures", ", ".join(described)),
        ("lmax", str(request.lmax)),
        ("degree", f"{request.grid.degree}: {len(request.grid)} {copies}"),
        ("precision", found.precision),
        ("machine", around["machine"]),
        *around["versions"].items(),
    ]


def summary_of(found: ModelSymmetry) -> dict[str, Any]:
    """Every number, for JSON.

    :param found: the measurement
    """
    request, cost = found.request, found.cost
    forces = any(quantity.is_force for quantity in found.quantities)
    return {
        "lmax": request.lmax,
        "degree": request.grid.degree,
        "inversion": not request.proper,
        "precision": found.precision,
        "quantities": {q.name: _of_quantity(found, q) for q in found.quantities},
        "left_out": dict(found.left_out),
        "tolerance_meV_per_angstrom": request.tolerance,
        "recommended": found.recommended() if forces else None,
        "layers": None if found.layers is None else found.layers.to_json(),
        "evaluations": cost.evaluations,
        "seconds": cost.seconds,
        "seconds_of_one_evaluation": cost.one,
        "multiple_of_one_evaluation": cost.multiple,
    }


def _of_quantity(found: ModelSymmetry, quantity: Quantity) -> dict[str, Any]:
    response = found.responses[quantity.name]
    guards = response.convergence
    root = math.sqrt(response.components)
    worst = found.worst_atom(quantity)
    return {
        "unit": quantity.unit,
        "components": response.components,
        "rms": response.rms,
        "relative": finite_or_none(response.relative),
        "rounding": response.floor / root,
        "odd_parity_share": finite_or_none(found.odd_share(quantity)),
        "elements": {each.element: each.rms for each in found.elements(quantity)},
        "worst_atom": None if worst is None else worst.__dict__,
        "sectors": _sectors(found, quantity),
        "averages": _averages(found, quantity),
        "converged": response.converged,
        "guards": {
            "captured": guards.captured,
            "highest": guards.highest,
            "squared_on_grid": guards.on_grid,
            "squared_at_random": guards.at_random.value,
            "squared_at_random_stderr": guards.at_random.error,
            "problems": guards.problems,
        },
    }


def _sectors(found: ModelSymmetry, quantity: Quantity) -> list[dict[str, Any]]:
    """√B of a component, of z and, where it is another one, of u."""
    response = found.responses[quantity.name]
    root = math.sqrt(response.components)
    return [
        {
            "frame": frame,
            "lambda": degree,
            "sigma": sigma,
            "root": math.sqrt(max(spectrum[degree, sigma], 0.0)) / root,
            "above_rounding": (degree, sigma) in spectrum.above_floor,
        }
        for frame, spectrum in response.B.items()
        if frame == "z" or spectrum is not response.B["z"]
        for degree in range(found.request.lmax + 1)
        for sigma in spectrum.sigmas
    ]


def _averages(found: ModelSymmetry, quantity: Quantity) -> dict[str, dict[str, Any]]:
    measured = {each.copies: each for each in found.averages if each.quantity == quantity.name}
    averages = {}
    for copies in found.sets:
        entry: dict[str, Any] = {"predicted": found.left_by(quantity.name, copies)}
        if copies in measured:
            each = measured[copies]
            entry |= {"measured": each.measured, "stderr": each.error, "agrees": each.agrees}
        averages[copies] = entry
    return averages
