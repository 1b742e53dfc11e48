"""Measure a model file: all its quantities in one pass over the turned copies."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from md_bridge.engine import Engine, choose_threads, set_threads, structure_from_ase
from md_bridge.errors import ArgumentError
from md_bridge.model_names import is_python_model
from md_bridge.symmetry.api import analyse
from md_bridge.symmetry.group.averaging import sets_of
from md_bridge.symmetry.group.grids import o3_grid
from md_bridge.symmetry.layers.layer_map import LayerMap
from md_bridge.symmetry.models.averages import Average, compare_averages
from md_bridge.symmetry.models.copies import Copies, copies_per_call, require_free_space
from md_bridge.symmetry.models.precision import in_double_precision, measured_precision
from md_bridge.symmetry.models.quantities import choose_quantities
from md_bridge.symmetry.models.request import Cost, ModelSymmetry, SymmetryRequest
from md_bridge.symmetry.results.response import Response

__all__ = ["Progress", "measure_model"]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the whole that is done."""

_TIMED = 3
"""Evaluations one by one, to compare the cost with."""
_MEMORY = 2**29
"""Bytes for the sums over copies."""
_LAYERS_LMAX = 4
_LAYERS_SAMPLES = 32
"""Atoms and pairs of a structure. Features are many numbers, and a network in Python is slow: with
all of both a map would take hours, and look the same."""
_LAYERS_SHARE = 0.3
"""Of the progress."""


def measure_model(request: SymmetryRequest, progress: Progress) -> ModelSymmetry:
    """How the quantities of a model respond to rotations and mirrors of its structures.

    :param request: what to measure
    :param progress: called often
    :raises ArgumentError: the request cannot be met, see :class:`SymmetryRequest`
    :raises SymmetryError: the model gives something else in a second call, or lives in a field
    :raises MDBridgeError: the model cannot be loaded, or does not fit the structures
    """
    if not request.structures:
        raise ArgumentError("structures", "must be one at least, found none")
    for place, atoms in zip(request.places, request.structures, strict=True):
        if len(atoms) == 0:
            raise ArgumentError("structures", f"must have atoms; structure {place} has none")
    set_threads(choose_threads(request.model_options.threads))
    with ExitStack() as stack:
        path = request.model
        if request.double:
            progress("converting to double precision", 0.0)
            first = structure_from_ase(request.structures[0])
            path = stack.enter_context(in_double_precision(path, request.model_options, first))
        return _Measurement(request, path, progress).run()


class _Measurement:
    """One measurement; the shares of its parts in the whole are those of their evaluations."""

    def __init__(self, request: SymmetryRequest, path: Path, progress: Progress) -> None:
        self.request, self.path = request, path
        self.show, self.shown = progress, _LAYERS_SHARE if request.layers else 0.0
        self.grid = request.grid
        self.engine = self._engine("none")
        self.quantities, self.left_out = choose_quantities(
            self.engine, request.structures, request.quantities
        )
        if not self.quantities:
            raise ArgumentError("quantity", f"none can be measured: {self.left_out}")
        averaged = sum(self._engine(name).copies for name in self._sets())
        self.copies_of_averages = request.orientations * averaged
        self.evaluations_of_all = len(self.grid) + self.copies_of_averages

    def run(self) -> ModelSymmetry:
        """All of it."""
        several = self._copies(self.engine)
        for each in several:
            require_free_space(self.engine, each.structure)
        layers = self._layers()  # first: what is wrong with the pattern is known at once
        one = float(np.mean([_seconds_of(each) for each in several]))
        begin = time.perf_counter()
        responses = self._responses(several)
        seconds = time.perf_counter() - begin
        of_python = is_python_model(self.request.model)  # which does not say
        evaluations = next(iter(responses.values())).evaluations
        return ModelSymmetry(
            self.request,
            tuple(self.quantities),
            responses,
            tuple(self._averages(responses)),
            self.left_out,
            Cost(evaluations, seconds, one),
            measured_precision(responses) if of_python else self.engine.info.dtype,
            layers,
        )

    def _engine(self, symmetrize: str) -> Engine:
        keywords = self.request.model_options.engine_keywords()
        keywords["symmetrize"] = symmetrize
        return Engine(self.path, **keywords, atoms_per_forward=self.request.atoms_per_forward)

    def _copies(self, engine: Engine) -> list[Copies]:
        return [Copies(engine, atoms, self.quantities) for atoms in self.request.structures]

    def _sets(self) -> tuple[str, ...]:
        return sets_of(self.grid.inversion)

    def _responses(self, several: list[Copies]) -> dict[str, Response]:
        largest = max(len(each.structure) for each in several)
        whole = len(several) * self.evaluations_of_all
        finished = 0

        def tell(done: int, total: int) -> None:
            nonlocal finished
            share = (finished * self.evaluations_of_all + min(done, len(self.grid))) / whole
            self.progress(f"turned copies of structure {finished}", share)
            finished += done >= total - 1

        return analyse(
            list(several),
            [each.points for each in several],
            law={quantity.name: quantity.law for quantity in self.quantities},
            grid=self.grid,
            lmax=self.request.lmax,
            copies_per_call=copies_per_call(largest, self.request.atoms_per_forward),
            memory=_MEMORY,
            progress=tell,
        )

    def progress(self, words: str, share: float) -> None:
        """Of all but the layers."""
        self.show(words, self.shown + (1.0 - self.shown) * share)

    def _layers(self) -> LayerMap | None:
        """In Python, where a network has layers to look into."""
        request = self.request
        if not request.layers:
            return None
        from md_bridge.symmetry.layers import analyse_layers

        lmax, finished = min(request.lmax, _LAYERS_LMAX), 0

        def tell(done: int, total: int) -> None:
            nonlocal finished
            share = (finished + done / total) / len(request.structures)
            self.show(f"layers in structure {finished}", self.shown * share)
            finished += done >= total - 1

        return analyse_layers(
            self.path,
            request.structures,
            request.layers,
            lmax=lmax,
            grid=o3_grid(2 * lmax, inversion=not request.proper),
            samples=_LAYERS_SAMPLES,
            progress=tell,
        )

    def _averages(self, responses: dict[str, Response]) -> list[Average]:
        if not self.request.orientations:
            return []
        share = self.copies_of_averages / self.evaluations_of_all

        def tell(done: int, total: int) -> None:
            self.progress("averages at random orientations", 1 - share * (1 - done / total))

        return compare_averages(
            lambda name: self._copies(self._engine(name)),
            self.quantities,
            responses,
            self.request.orientations,
            self.grid.inversion,
            tell,
        )


def _seconds_of(copies: Copies) -> float:
    """Of one evaluation by itself; the first one is not counted."""
    copies.evaluate_once()
    seconds = []
    for _ in range(_TIMED):
        begin = time.perf_counter()
        copies.evaluate_once()
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))
