"""Many structures are relaxed in lockstep: each step is one pass through the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ase import Atoms

from md_bridge.engine import EngineError, ModelError, Pairs
from md_bridge.statics.evaluator import Evaluator, Forces
from md_bridge.statics.relaxing.moving import Moving, Symmetry
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.relaxing.settings import RelaxSettings

__all__ = ["TOGETHER", "relax_together"]

TOGETHER = 64
"""Structures that are on their way at a time; where one ends, the next one begins."""

_SKIN = 0.5
"""Å, of the pair lists, which each structure keeps: atoms that relax move little."""


class _Rider:
    """A structure on its way, with its number and its pair list."""

    def __init__(self, number: int, moving: Moving) -> None:
        self.number = number
        self.moving = moving
        self.pairs = Pairs(_SKIN)


def relax_together(
    evaluator: Evaluator,
    structures: Sequence[Atoms],
    *,
    cell: str = "fixed",
    pressure_GPa: float = 0.0,  # noqa: N803 (the unit's own letters)
    optimizer: str = "auto",
    fmax: float = 1e-4,
    steps: int = 500,
    walk: Evaluator | None = None,
    symmetry: Sequence[Symmetry | None] | None = None,
    keep_frames: bool = False,
    together: int = TOGETHER,
    on_step: Callable[[int, int], None] | None = None,
    on_end: Callable[[int, Relaxation], None] | None = None,
) -> list[Relaxation]:
    """Relax structures, all of them in one pass a step.

    A structure that fails or explodes stops by itself; the others go on.

    :param evaluator: of the forces that are to vanish
    :param structures: starts, Å; they stay as they are
    :param cell: what of it is relaxed, one of :data:`md_bridge.statics.relaxing.settings.CELLS`
    :param pressure_GPa: under which it is, positive if it compresses
    :param optimizer: one of :data:`md_bridge.statics.relaxing.settings.OPTIMIZERS`
    :param fmax: largest force on an atom, and on a row of the cell, eV/Å
    :param steps: after which a structure counts as not converged
    :param walk: of direct forces, on which structures move until these stop helping: their largest
        is below fmax, or less than twice their largest difference from those of ``evaluator``, or
        the energy has not fallen in five steps. The difference is measured at the start, and again
        where forces have become as small as that
    :param symmetry: what the space group of each leaves of forces and stress; None: all
    :param keep_frames: whether results have their paths
    :param together: how many are on their way at a time
    :param on_step: called with the number of structures that have ended, and of steps made in all
    :param on_end: called with the number of a structure, counted from 0, and its result
    :returns: in the order of the structures
    :raises md_bridge.errors.ArgumentError: a setting makes no sense
    :raises md_bridge.statics.errors.StaticsError: a cell cannot be relaxed like that
    :raises md_bridge.engine.ModelError: the model has no stress of this kind
    """
    settings = RelaxSettings(cell, pressure_GPa, optimizer, fmax, steps)
    evaluators = {evaluator.row.forces: evaluator}
    if walk is not None:
        evaluators[walk.row.forces] = walk
    if settings.moves_cell:
        for each in evaluators.values():
            each.require_stress()
    own = symmetry or [None] * len(structures)
    waiting = deque(
        _Rider(
            number,
            Moving(
                atoms,
                settings,
                evaluator.row.forces,
                walks=walk is not None,
                symmetry=group,
                keep_frames=keep_frames,
            ),
        )
        for number, (atoms, group) in enumerate(zip(structures, own, strict=True))
    )
    results: dict[int, Relaxation] = {}
    active: list[_Rider] = []
    made = 0
    while waiting or active:
        while waiting and len(active) < together:
            active.append(waiting.popleft())
        _answer(active, evaluators, settings.moves_cell)
        for rider in active:
            if not rider.moving.status:
                rider.moving.move()
                made += 1
            if rider.moving.status:
                results[rider.number] = rider.moving.result()
                if on_end is not None:
                    on_end(rider.number, results[rider.number])
        active = [rider for rider in active if not rider.moving.status]
        if on_step is not None:
            on_step(len(results), made)
    return [results[number] for number in range(len(structures))]


def _answer(riders: list[_Rider], evaluators: dict[str, Evaluator], stress: bool) -> None:
    """Give each structure the forces that it needs, all of a kind in one pass."""
    kinds = {kind: [r for r in riders if r.moving.kind == kind] for kind in evaluators}
    # those at the beginning of a walk need both kinds, once
    both = [rider for rider in riders if rider.moving.wants_difference]
    answers = {
        (rider.number, kind): answer
        for kind, evaluator in evaluators.items()
        for rider, answer in _evaluate(
            evaluator,
            kinds[kind] + [rider for rider in both if rider.moving.final_kind == kind],
            stress,
        )
    }
    for rider in riders:
        moving = rider.moving
        found = answers[rider.number, moving.kind]
        if moving.wants_difference and isinstance(found, Forces):
            other = answers[rider.number, moving.final_kind]
            if isinstance(other, Forces):
                moving.compare(found, other)
            else:
                found = other
        if isinstance(found, Forces):
            moving.take(found)
        else:
            moving.stop(f"the model fails on it: {found}")


def _evaluate(
    evaluator: Evaluator, riders: list[_Rider], stress: bool
) -> list[tuple[_Rider, Forces | EngineError]]:
    """In one pass; if that fails one by one, so that what fails is known."""
    if not riders:
        return []
    before = evaluator.seconds
    try:
        found = evaluator(
            [rider.moving.atoms for rider in riders],
            stress=stress,
            pairs=[rider.pairs for rider in riders],
        )
    except ModelError:
        raise
    except EngineError as error:
        if len(riders) == 1:
            return [(riders[0], error)]
        return [one for rider in riders for one in _evaluate(evaluator, [rider], stress)]
    seconds = evaluator.seconds - before
    atoms = sum(len(rider.moving.atoms) for rider in riders)
    for rider in riders:
        share = len(rider.moving.atoms) / atoms
        rider.moving.count(evaluator.row.forces, seconds * share)
    return list(zip(riders, found, strict=True))
