"""Measure a function of points that is no model file: a network on point clouds, say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.export.sources import call_python
from md_bridge.symmetry.api import analyse
from md_bridge.symmetry.layers import analyse_layers_of
from md_bridge.symmetry.measuring.calls import Calls
from md_bridge.symmetry.measuring.laws import Law, as_law
from md_bridge.symmetry.measuring.points import FunctionOnPoints, structures_of
from md_bridge.symmetry.models.precision import measured_precision
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.models.request import Cost, ModelSymmetry, SymmetryRequest

__all__ = ["Output", "measure_function"]

_TIMED = 3


@dataclass(frozen=True)
class Output(Quantity):
    """An output of a function, of whatever kind: no atoms, no forces."""

    @property
    def per_atom(self) -> bool:
        """Points have no elements."""
        return False

    @property
    def is_force(self) -> bool:
        """A vector need not be one."""
        return False


def measure_function(
    target: str, request: SymmetryRequest, progress: Callable[[str, float], None]
) -> ModelSymmetry:
    """How the outputs of a function respond to rotations and mirrors of its points.

    :param target: ``package.module:factory``, a function without arguments that gives a
        :class:`FunctionOnPoints`; the current folder is searched too
    :param request: lmax, degree and layers; structures and what else is of models is not used
    :param progress: called often
    :raises ExportError: the factory cannot be called
    :raises ArgumentError: it gives something else, or a quantity is none of its outputs
    :raises SymmetryError: as :func:`md_bridge.symmetry.analyse`
    """
    given = call_python(target)
    if not isinstance(given, FunctionOnPoints):
        raise ArgumentError(
            "model",
            f"expects {target}() to give a md_bridge.symmetry.FunctionOnPoints, found a "
            f"{type(given).__name__}",
        )
    laws = _chosen(given, request.quantities)
    layers = None
    if request.layers:
        layers = analyse_layers_of(
            given.function,
            given.points,
            request.layers,
            lmax=request.lmax,
            grid=request.grid,
            copies_per_call=given.copies_per_call,
            progress=lambda done, total: progress("layers", 0.5 * done / total),
        )
    begin = time.perf_counter()
    responses = analyse(
        given.function,
        given.points,
        law=laws,
        grid=request.grid,
        lmax=request.lmax,
        copies_per_call=given.copies_per_call,
        progress=lambda done, total: progress("turned copies", done / total),
    )
    seconds = time.perf_counter() - begin
    first = next(iter(responses.values()))
    return ModelSymmetry(
        request,
        tuple(_output(name, law, given.units.get(name, "")) for name, law in laws.items()),
        responses,
        (),
        {},
        Cost(first.evaluations, seconds, _seconds_of_one(given)),
        measured_precision(responses),
        layers,
    )


def _chosen(given: FunctionOnPoints, names: Sequence[str]) -> dict[str, Law]:
    """Laws of the outputs that are asked for; all without names."""
    unknown = [name for name in names if name not in given.laws]
    if unknown:
        raise ArgumentError(
            "quantity", f"expects some of {', '.join(given.laws)}, found {unknown[0]!r}"
        )
    laws = {}
    for name in names or given.laws:
        law = as_law(given.laws[name])
        if law is None:
            raise ArgumentError("law", f"of {name} is None: leave features to --layers")
        laws[name] = law
    return laws


def _output(name: str, law: Law, unit: str) -> Output:
    return Output(name, name.replace("_", " "), unit, "", law)


def _seconds_of_one(given: FunctionOnPoints) -> float:
    """Of one evaluation by itself, the mean over structures."""
    means = []
    for points in structures_of(given.points):
        calls = Calls(given.function, points, given.copies_per_call)
        seconds = []
        for _ in range(_TIMED):
            begin = time.perf_counter()
            calls.turned(np.eye(3)[None])
            seconds.append(time.perf_counter() - begin)
        means.append(np.median(seconds))
    return float(np.mean(means))
