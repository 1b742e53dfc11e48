"""Evaluations averaged over rotated copies, by our engine, of a box that is turned."""

import time
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from scipy.spatial.transform import Rotation

from md_bridge.engine import DEFAULT_SKIN, Engine, Pairs, Structure, set_threads

__all__ = ["Averages", "open_work"]

_ORIENTATIONS = 4
"""Of the box, at random: how much do results depend on them?"""


def open_work(task: dict[str, Any]) -> "Averages":
    """Of a set of rotations.

    :param task: ``model``, ``forces`` (``direct``, ``conservative``, or ``both``), ``start``,
        ``threads``, ``device``, ``symmetrize``
    """
    set_threads(task["threads"])
    atoms = ase.io.read(task["start"])
    assert isinstance(atoms, Atoms)
    engine = Engine(task["model"], task["device"], symmetrize=task["symmetrize"])
    kinds = ("conservative", "direct") if task["forces"] == "both" else (task["forces"],)
    return Averages(engine, atoms, kinds)


class Averages:
    """Energy and forces in several orientations by turns, with pair lists that are kept.

    Results are turned back: what is left of their differences is the model's lack of symmetry.

    :param engine: with its set of rotations
    :param atoms: the box
    :param kinds: of forces
    """

    first = None
    """Averages differ from plain evaluations: nothing to compare."""

    def __init__(self, engine: Engine, atoms: Atoms, kinds: tuple[str, ...]) -> None:
        self._engine = engine
        self._wanted = {f"{kind}_forces": True for kind in kinds}
        self._turns = list(Rotation.random(_ORIENTATIONS, random_state=0).as_matrix())
        self._structures = [_turned(atoms, rotation) for rotation in self._turns]
        self._pairs = [Pairs(DEFAULT_SKIN) for _ in self._turns]
        self._count = 0
        self._results: dict[int, dict[str, np.ndarray]] = {}
        self.run(1)

    def run(self, count: int) -> float:
        """Seconds of so many evaluations.

        :param count: how many
        """
        seconds = 0.0
        for _ in range(count):
            place = self._count % len(self._turns)
            self._count += 1
            begin = time.perf_counter()
            result = self._engine.evaluate(
                self._structures[place], self._pairs[place], **self._wanted
            )
            seconds += time.perf_counter() - begin
            forces = {name: getattr(result, name) @ self._turns[place] for name in self._wanted}
            energy = np.array(result.energy / len(self._structures[place]))
            self._results[place] = {"energy": energy, **forces}
        return seconds

    @property
    def details(self) -> dict[str, float]:
        """Standard deviations over the orientations so far: ``energy_spread`` (meV/atom),
        ``conservative_forces_spread`` and ``direct_forces_spread`` (meV/Å), and
        ``direct_difference``, rms of direct minus conservative (meV/Å).
        """
        found = list(self._results.values())
        if len(found) < 2:
            return {}
        details = {
            f"{name}_spread": 1e3 * _deviation([result[name] for result in found])
            for name in found[0]
        }
        if len(self._wanted) == 2:
            conservative, direct = self._wanted
            differences = [result[direct] - result[conservative] for result in found]
            details["direct_difference"] = 1e3 * float(np.sqrt(np.mean(np.square(differences))))
        return details


def _turned(atoms: Atoms, rotation: np.ndarray) -> Structure:
    positions, cell = atoms.positions @ rotation.T, atoms.cell.array @ rotation.T
    return Structure(atoms.numbers, positions, cell, [True] * 3)


def _deviation(values: list[np.ndarray]) -> float:
    """Of one component, over all of them."""
    return float(np.sqrt(np.mean(np.var(values, axis=0, ddof=1))))
