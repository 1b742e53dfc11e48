"""Notices calculators that break what dynamics rely on: results of another structure, and atoms
that were moved behind our back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.engine import ModelError

__all__ = ["Watch"]

Array = NDArray[np.float64]

_MOVED = 1e-4
"""Atoms that have moved so far against each other cannot have the same energy and forces to the
last bit, Å."""


class Watch:
    """Looks after the evaluations of one model.

    :param model: for messages
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._found: dict[str, tuple[Atoms, Array]] = {}

    @contextlib.contextmanager
    def looks_after(self, atoms: Atoms) -> Iterator[None]:
        """Make sure that these atoms are the same afterwards.

        :param atoms: which a calculator gets
        :raises ModelError: they are not
        """
        before = atoms.copy()
        yield
        same = (
            len(atoms) == len(before)
            and np.array_equal(atoms.numbers, before.numbers)
            and np.array_equal(atoms.positions, before.positions)
            and np.array_equal(atoms.cell.array, before.cell.array)
            and np.array_equal(atoms.pbc, before.pbc)
        )
        if not same:
            raise ModelError(
                f"the model '{self._model}' changed the atoms that it was given (positions, cell, "
                "elements or their number), so that its forces belong to other ones: let it work "
                "on a copy"
            )

    def require_new(self, atoms: Atoms, numbers: Mapping[str, Array]) -> None:
        """Make sure that results are not those of the structure before.

        Forces alone tell: the energy may be that of the new structure.

        :param atoms: N atoms
        :param numbers: energy, forces and whatever else was found for them, by name
        :raises ModelError: atoms have moved, and forces other than zero have not changed
        """
        same = [
            name
            for name, value in numbers.items()
            if name in self._found and np.array_equal(value, self._found[name][1])
        ]
        for name, value in numbers.items():
            # the structure that numbers came with first stays: small moves add up
            if name not in same:
                self._found[name] = (atoms, value)
        old = [name for name in same if _moved(self._found[name][0], atoms)]
        if any(name.endswith("forces") and np.any(numbers[name]) for name in old):
            raise ModelError(
                f"the model '{self._model}' gave the {' and '.join(old)} of the structure "
                "before, to the last bit, for one whose atoms have moved: it keeps old results"
            )


def _moved(before: Atoms, now: Atoms) -> bool:
    """Whether atoms have moved against each other, by more than a turn of the whole."""
    if len(before) != len(now) or not np.array_equal(before.numbers, now.numbers):
        return False
    old, new = before.cell.array, now.cell.array
    turned = not np.array_equal(old, new) and np.allclose(old @ old.T, new @ new.T)
    motion = now.positions - before.positions
    if np.any(now.pbc):  # a lattice vector more or less is no motion
        lattice = now.cell.complete().array
        turns = np.round(motion @ np.linalg.inv(lattice)) * now.pbc
        motion = motion - turns @ lattice
    return not turned and bool(np.any(np.abs(motion - motion.mean(axis=0)) > _MOVED))
