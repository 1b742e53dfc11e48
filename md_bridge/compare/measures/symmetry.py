"""How much what a model says changes with the orientation, by angular momentum and parity: as
``md-bridge symmetry`` has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task
from md_bridge.compare.request import as_settings
from md_bridge.structures import read_structure
from md_bridge.symmetry.models.measure import measure_model
from md_bridge.symmetry.models.request import SymmetryRequest
from md_bridge.symmetry.report.result import summary_of
from md_bridge.text import significant

__all__ = ["MEASURE"]

_SECTORS = "Symmetry error by angular momentum λ and parity σ, √B of a component"
_SIGNS = {1: "+", -1: "−", 0: "±"}


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.start is not None
    found = measure_model(
        SymmetryRequest(
            model=subject.model,
            structures=(read_structure(request.start),),
            lmax=request.lmax,
            orientations=0,
            model_options=subject.options,
        ),
        task.progress,
    )
    summary = summary_of(found)
    figures: list[Figure] = []
    problems: dict[str, Sequence[str]] = {}
    for quantity in found.quantities:
        numbers = summary["quantities"][quantity.name]
        unit, rounding = quantity.unit, numbers["rounding"]
        name = f"symmetry error, {quantity.words}"
        figures.append(_error(name, unit, numbers["rms"], rounding))
        figures += _sectors(quantity.words, unit, numbers["sectors"])
        if not numbers["converged"]:
            problems[quantity.words] = numbers["guards"]["problems"]
    # a measurement that is too coarse is no fault of the model
    words, good = ("no", None) if problems else ("yes", True)
    figures.append(Figure("symmetry errors converged", "", words, judged=True, good=good))
    return Found(tuple(figures), _not_converged(problems), summary)


def _not_converged(problems: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """One sentence, with the reasons of the first quantity.

    :param problems: by the words for the quantity
    """
    if not problems:
        return ()
    first, *others = problems
    more = f"; nor are those of its {', '.join(others)}" if others else ""
    return (
        f"The symmetry error of its {first} is not converged with this lmax "
        f"({'; '.join(problems[first])}){more}.",
    )


def _error(name: str, unit: str, value: float, rounding: float) -> Figure:
    """What is rounding is shown as such."""
    text = significant(value, 3) if value > rounding else f"< {rounding:.0e}"
    return Figure(name, unit, text, value, "smaller")


def _sectors(words: str, unit: str, sectors: list[dict[str, Any]]) -> list[Figure]:
    """Those of z above rounding, but for the part that turns as it should."""
    figures = []
    for each in sectors:
        symmetric = each["lambda"] == 0 and each["sigma"] != -1
        if each["frame"] != "z" or symmetric or not each["above_rounding"]:
            continue
        root = each["root"]
        if not math.isfinite(root):
            continue
        name = f"{words}, λ = {each['lambda']}, σ = {_SIGNS[each['sigma']]}"
        text = f"{root:.2g}"
        figures.append(Figure(name, unit, text, root, "smaller", section=_SECTORS))
    return figures


MEASURE = Measure(settings=lambda request: as_settings(request, "lmax"), make=_make, weight=30.0)
"""All quantities of the model at turned and mirrored copies of the start."""
