"""What must not change a prediction: where a structure is, in which order, in which company.

Two predictions that should be equal are compared by :func:`largest_difference`. The invariances are
a table, :data:`INVARIANCES`; a new one is a function that makes such pairs, and a line in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import ase
import numpy as np

from md_bridge.export.checks.differences import relative, rms, worst
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import Prediction, Predictor, Runner

__all__ = [
    "INVARIANCES",
    "Invariance",
    "check_invariance",
    "check_scripted",
    "largest_difference",
]

_Pairs = Iterable[tuple[Prediction, Prediction]]


@dataclass(frozen=True)
class Invariance:
    """Something that changes nothing.

    :param pairs: from a runner, structures and a random generator to predictions of which the two
        in each pair should be equal
    :param detail: a sentence about the number, and what to do if it is too large
    :param double: tolerance in double precision, relative to the size of the predictions
    :param single: the same in single precision
    :param mesh: the same with long-range electrostatics, which a mesh makes inexact
    """

    pairs: Callable[[Predictor, Sequence[ase.Atoms], np.random.Generator], _Pairs]
    detail: str
    double: float = 1e-8
    single: float = 1e-3
    mesh: float = 0.0


def _moved(
    runner: Predictor, structures: Sequence[ase.Atoms], generator: np.random.Generator
) -> _Pairs:
    """All atoms move together, and come back into the cell."""
    moved = []
    for atoms in structures:
        copy = atoms.copy()
        copy.positions += generator.uniform(-5, 5, 3)
        copy.wrap()
        moved.append(copy)
    return zip(runner.evaluate(moved), runner.evaluate(structures), strict=True)


def _reordered(
    runner: Predictor, structures: Sequence[ase.Atoms], generator: np.random.Generator
) -> _Pairs:
    """Atoms in another order."""
    for atoms, before in zip(structures, runner.evaluate(structures), strict=True):
        order = generator.permutation(len(atoms))
        (after,) = runner.evaluate([atoms[order]])
        yield after, _permuted(before, order)


def _pairs_reordered(
    runner: Predictor, structures: Sequence[ase.Atoms], generator: np.random.Generator
) -> _Pairs:
    """The rows of the pair lists in another order."""

    def shuffled(labels: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        return generator.permutation(len(labels))

    assert isinstance(runner, Runner)  # others make their own pair lists
    for atoms, before in zip(structures, runner.evaluate(structures), strict=True):
        (after,) = runner.evaluate([atoms], pair_order=shuffled)
        yield after, before


def _one_by_one(
    runner: Predictor, structures: Sequence[ase.Atoms], generator: np.random.Generator
) -> _Pairs:
    """Structures evaluated together and one by one."""
    for atoms, together in zip(structures, runner.evaluate(structures), strict=True):
        (alone,) = runner.evaluate([atoms])
        yield together, alone


INVARIANCES = {
    "translation": Invariance(
        _moved,
        "largest change of energies, forces and stresses when the structure moves as a whole, "
        "relative to their size",
        mesh=1e-4,
    ),
    "permutation": Invariance(
        _reordered,
        "largest change of energies, forces and stresses when the atoms are listed in another "
        "order, relative to their size. If it fails, the order of the atoms has an influence, and "
        "LAMMPS changes it all the time: sum over atoms without looking at their indices",
    ),
    "order of pairs": Invariance(
        _pairs_reordered,
        "largest change of energies, forces and stresses when the rows of the pair list come in "
        "another order, relative to their size. If it fails, the order of the pairs has an "
        "influence, and no two programs list them in the same one. Long-range models of metatrain "
        "need them grouped by their first atom, as MD Bridge lists them and i-PI's own driver and "
        "metatomic's ASE calculator do not: export the checkpoint with md-bridge export, which "
        "mends that. In a model of your own, use no index of a pair but those of its atoms",
    ),
    "batches": Invariance(
        _one_by_one,
        "largest difference between structures evaluated together and one by one, relative to "
        "their size. If it fails, structures of a batch see each other (check the structure index)",
    ),
}
"""What must not change a prediction, by the name of the check."""


def check_invariance(
    name: str, runner: Predictor, structures: Sequence[ase.Atoms], seed: int = 0
) -> Check:
    """Predictions that should be equal are.

    :param name: of :data:`INVARIANCES`
    :param runner: the model
    :param structures: to check on
    :param seed: of the random moves and orders
    """
    invariance = INVARIANCES[name]
    pairs = invariance.pairs(runner, structures, np.random.default_rng(seed))
    mesh = 0.0 if np.isfinite(runner.interaction_range) else invariance.mesh
    double, single = max(invariance.double, mesh), max(invariance.single, mesh)
    return _compare(name, pairs, invariance.detail, runner, double, single)


def check_scripted(eager: Predictor, scripted: Predictor, structures: Sequence[ase.Atoms]) -> Check:
    """The compiled file gives the numbers of the Python module it was made from.

    :param eager: the model before it was compiled
    :param scripted: the compiled file
    :param structures: to compare them on
    """
    pairs = zip(eager.evaluate(structures), scripted.evaluate(structures), strict=True)
    detail = "largest difference of energies, forces and stresses, relative to their size"
    return _compare("scripted = eager", pairs, detail, scripted, 1e-9, 1e-4)


def _compare(
    name: str, pairs: _Pairs, detail: str, runner: Predictor, double: float, single: float
) -> Check:
    largest = worst(0.0, *(largest_difference(a, b) for a, b in pairs))
    return judge(name, largest, "", double if runner.is_double else single, detail)


def largest_difference(a: Prediction, b: Prediction) -> float:
    """Largest difference of what both predictions have, each relative to the size it has in ``b``.

    :param a: one prediction
    :param b: another one of as many atoms
    """
    largest = relative(a.energies - b.energies, np.maximum(np.abs(b.energies), 1.0))
    for x, y in (
        (a.forces, b.forces),
        (a.stress, b.stress),
        (a.direct_forces, b.direct_forces),
        (a.direct_stress, b.direct_stress),
    ):
        if x is not None and y is not None:
            largest = worst(largest, relative(x - y, max(rms(y), 1e-3)))
    return largest


def _permuted(prediction: Prediction, order: np.ndarray) -> Prediction:
    def take(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None or len(values) != len(order) else values[order]

    return Prediction(
        energies=prediction.energies[order]
        if len(prediction.energies) == len(order)
        else prediction.energies,
        forces=take(prediction.forces),
        stress=prediction.stress,
        direct_forces=take(prediction.direct_forces),
        direct_stress=prediction.direct_stress,
    )
