"""Evaluations averaged over rotated copies, by our engine."""

import time
from typing import Any

import ase.io
from ase import Atoms

from md_bridge.engine import DEFAULT_SKIN, Engine, Pairs, set_threads, structure_from_ase

__all__ = ["Averages", "open_work"]


def open_work(task: dict[str, Any]) -> "Averages":
    """Of a set of rotations.

    :param task: ``model``, ``forces``, ``start``, ``threads``, ``device``, ``symmetrize``
    """
    set_threads(task["threads"])
    return Averages(task)


class Averages:
    """Energy and forces of one structure, with a pair list that is kept.

    :param task: as :func:`open_work` takes it
    """

    first = None
    """Averages differ from plain evaluations: nothing to compare."""

    def __init__(self, task: dict[str, Any]) -> None:
        atoms = ase.io.read(task["start"])
        assert isinstance(atoms, Atoms)
        self._structure = structure_from_ase(atoms)
        self._pairs = Pairs(DEFAULT_SKIN)
        self._wanted = {f"{task['forces']}_forces": True}
        self._engine = Engine(task["model"], task["device"], symmetrize=task["symmetrize"])
        self.run(1)

    def run(self, count: int) -> float:
        """Seconds of so many evaluations.

        :param count: how many
        """
        begin = time.perf_counter()
        for _ in range(count):
            self._engine.evaluate(self._structure, self._pairs, **self._wanted)
        return time.perf_counter() - begin
