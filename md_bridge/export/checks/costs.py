"""What an evaluation of each of two models costs, and so what the cheap one can gain."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase import Atoms

from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.engine import Engine

__all__ = ["EvaluationCosts", "evaluation_costs", "evaluation_seconds"]

_LEAST_TIME = 1.0  # s
_LEAST_ROUNDS = 5
_INNER_PER_ROUND = 4


@dataclass(frozen=True)
class EvaluationCosts:
    """Wall time of an evaluation of each model, with a pair list that is kept.

    :raises ValueError: a time is not positive
    """

    outer_s: float
    """Of the conservative forces of the outer model (s)."""
    inner_s: float
    """Of the inner forces (s)."""

    def __post_init__(self) -> None:
        if not (0 < self.outer_s < float("inf") and 0 < self.inner_s < float("inf")):
            raise ValueError(
                f"times of evaluations must be positive, found {self.outer_s} s and "
                f"{self.inner_s} s"
            )

    @property
    def ratio(self) -> float:
        """Outer over inner cost: no M gains more than this factor."""
        return self.outer_s / self.inner_s

    def speedup_bound(self, multiplicity: int) -> float:
        """Largest possible speed-up over conservative dynamics of the outer model,
        S(M) = M c_o / (M c_i + c_o).

        An outer step of M inner ones needs M evaluations of the inner model, the last of which
        serves the correction too, and one of the outer model, in place of M of the outer one.

        :param multiplicity: M, at least 1; M = 1 is conservative dynamics, which gains nothing
        """
        if multiplicity < 1:
            raise ValueError(f"the multiplicity M must be at least 1, found {multiplicity}")
        if multiplicity == 1:
            return 1.0
        return multiplicity * self.outer_s / (multiplicity * self.inner_s + self.outer_s)


def evaluation_costs(
    model: str | os.PathLike[str], atoms: Atoms, options: ModelOptions, threads: int
) -> EvaluationCosts:
    """Measure both models on a structure, by turns: what else the machine does meets both.

    :param model: path of the outer model
    :param atoms: the structure
    :param options: with an inner model
    :param threads: of torch
    :raises EngineError: a model cannot be loaded, or lacks an element or its forces
    """
    from md_bridge.engine import (
        DEFAULT_SKIN,
        Engine,
        Pairs,
        open_inner,
        set_threads,
        structure_from_ase,
    )

    set_threads(threads)
    structure = structure_from_ase(atoms)
    outer = Engine(model, **options.engine_keywords())
    inner, kind = open_inner(options)
    lists = {outer: Pairs(DEFAULT_SKIN), inner: Pairs(DEFAULT_SKIN)}

    def seconds(engine: Engine, forces: str, repeats: int) -> float:
        begin = time.perf_counter()
        for _ in range(repeats):
            # random rotations need no counter here: the positions are the same
            engine.evaluate(
                structure, lists[engine], energy=engine is outer, **{f"{forces}_forces": True}
            )
        return (time.perf_counter() - begin) / repeats

    times: list[tuple[float, float]] = []
    begin = time.perf_counter()
    while len(times) <= _LEAST_ROUNDS or time.perf_counter() - begin < _LEAST_TIME:
        times.append((seconds(outer, "conservative", 1), seconds(inner, kind, _INNER_PER_ROUND)))
    # the first round has the start of everything in it
    outer_s, inner_s = (statistics.median(column) for column in zip(*times[1:], strict=True))
    return EvaluationCosts(outer_s, inner_s)


def evaluation_seconds(engine: Engine, atoms: Atoms, kind: str) -> float:
    """Wall time of an evaluation of one kind of forces, with a pair list that is kept.

    The median of at least five and of a second, after a first one that has the start of everything
    in it. The energy comes with conservative forces, as in dynamics.

    :param engine: of the model
    :param atoms: the structure, Å
    :param kind: ``conservative`` or ``direct``
    :returns: s
    :raises EngineError: the model lacks an element or these forces, or fails
    """
    from md_bridge.engine import DEFAULT_SKIN, Pairs, structure_from_ase

    structure, pairs = structure_from_ase(atoms), Pairs(DEFAULT_SKIN)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) <= _LEAST_ROUNDS or time.perf_counter() - begin < _LEAST_TIME:
        before = time.perf_counter()
        engine.evaluate(structure, pairs, energy=kind != "direct", **{f"{kind}_forces": True})
        times.append(time.perf_counter() - before)
    return statistics.median(times[1:])
