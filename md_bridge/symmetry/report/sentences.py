"""What the numbers say, in words."""

from __future__ import annotations

import math

from md_bridge.model_names import is_python_model
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.models.request import ModelSymmetry
from md_bridge.text import significant

__all__ = ["cost_sentence", "sentences"]

_COUNTS = {2: "two", 4: "four"}
"""Of the groups of a measurement without and with mirror images."""


def sentences(found: ModelSymmetry) -> tuple[str, ...]:
    """Findings first, then what limits them.

    :param found: the measurement
    """
    return (
        *_recommendation(found),
        *_sectors_of_forces(found),
        *_inversion(found),
        *_problems(found),
        *(() if found.layers is None else (f"Layer {each}." for each in found.layers.problems)),
        *_disagreements(found),
        *_rounding(found),
        *(f"Not measured: {_words(name)}, because {why}." for name, why in found.left_out.items()),
        cost_sentence(found),
    )


def cost_sentence(found: ModelSymmetry) -> str:
    """Of the copies, as a multiple of single evaluations.

    :param found: the measurement
    """
    cost = found.cost
    return (
        f"{cost.evaluations} turned copies took {significant(cost.seconds, 2)} s, "
        f"{cost.multiple:.0f} times as long as one evaluation by itself "
        f"({significant(1e3 * cost.one, 2)} ms): {cost.multiple / cost.evaluations:.2f} times "
        "their number."
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _recommendation(found: ModelSymmetry) -> list[str]:
    forces = [quantity for quantity in found.quantities if quantity.is_force]
    if not forces:
        return []
    tolerance = f"{found.request.tolerance:g} meV/Å"
    converged = all(found.responses[quantity.name].converged for quantity in forces)
    known = "" if converged else f" as far as λ ≤ {found.request.lmax}"
    copies, error = found.recommended(), _left_by(found, forces, "none")
    if copies is None:
        last = found.sets[-1]
        return [
            f"None of the {_COUNTS[len(found.sets)]} groups leaves {tolerance} or less of a "
            f"component of the forces{known}: {last} leaves {_left_by(found, forces, last)}. A "
            "grid, lebedev:L, may leave less."
        ]
    if copies == "none":
        return [
            f"No average is needed for a tolerance of {tolerance}: the error of a component of the "
            f"forces is {error}."
        ]
    left = _left_by(found, forces, copies)
    return [
        f"For a tolerance of {tolerance}{known}, symmetrize {copies} is the smallest set: it "
        f"leaves {left} of the {error} of a component of the forces."
    ]


def _left_by(found: ModelSymmetry, forces: list[Quantity], copies: str) -> str:
    """What a set leaves of a component of the forces that it does least for."""
    left = max(found.left_by(quantity.name, copies) for quantity in forces)
    floor = max(_floor(found, quantity) for quantity in forces)
    return f"{significant(left, 2)} meV/Å" if left > floor else "rounding"


def _sectors_of_forces(found: ModelSymmetry) -> list[str]:
    if not {"energy", "conservative_forces"} <= set(found.responses):
        return []
    return [
        "Conservative forces and the energy err in the same sectors, because the one is the "
        "gradient of the other; the forces weigh a high λ by about √(λ(λ+1))/r."
    ]


def _inversion(found: ModelSymmetry) -> list[str]:
    """How much is wrong with mirror images alone, in the forces that dynamics use."""
    for quantity in found.quantities:
        share = found.odd_share(quantity)
        seen = found.responses[quantity.name].rms > _floor(found, quantity)
        if quantity.is_force and seen and math.isfinite(share):
            return [
                f"{100 * share:.0f} % of A² of the {quantity.words} changes sign with inversion: "
                "the sets with /inversion remove all of it."
            ]
    return []


def _problems(found: ModelSymmetry) -> list[str]:
    return [
        f"{quantity.words.capitalize()}: {_as_options(problem)}."
        for quantity in found.quantities
        for problem in found.responses[quantity.name].convergence.problems
    ]


def _as_options(problem: str) -> str:
    """The advice of the guards in the words of the command."""
    return problem.replace("increase lmax", "increase --lmax").replace(
        "increase the degree of the grid", "increase --degree"
    )


def _disagreements(found: ModelSymmetry) -> list[str]:
    units = {quantity.name: quantity.unit for quantity in found.quantities}
    return [
        f"{_words(each.quantity).capitalize()}: {each.copies} leaves "
        f"{significant(each.measured, 3)} ± {significant(each.error, 1)} {units[each.quantity]} "
        f"at random orientations, where {significant(each.predicted, 3)} was predicted: increase "
        "--lmax; if they still differ, please report it."
        for each in found.averages
        if not each.agrees
    ]


def _rounding(found: ModelSymmetry) -> list[str]:
    hidden = [quantity.words for quantity in found.quantities if _hides_something(found, quantity)]
    if not hidden or found.precision == "float64":
        return []
    remedy = "" if is_python_model(found.request.model) else ": --double shows more"
    return [
        f"Rounding in {found.precision}, a dot in the tables, hides what some averages leave of "
        f"{', '.join(hidden)}{remedy}."
    ]


def _hides_something(found: ModelSymmetry, quantity: Quantity) -> bool:
    floor = _floor(found, quantity)
    return any(found.left_by(quantity.name, copies) <= floor for copies in found.sets)


def _floor(found: ModelSymmetry, quantity: Quantity) -> float:
    """Of a component; what is less is rounding."""
    response = found.responses[quantity.name]
    return response.floor / math.sqrt(response.components)
