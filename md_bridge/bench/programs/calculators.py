"""Evaluations by ASE calculators: ours, metatomic's, pet-kokkos's; all of our engine's output."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

__all__ = ["CALCULATORS", "Evaluations", "open_work"]

_WARM_UP = 5
"""Evaluations that are not timed: TorchScript's executor profiles and compiles."""
_PERIOD = 40
"""Evaluations in which an atom swings once."""
_SWING = 0.08
"""Å, how far."""
_DRIFT = 0.012
"""Å by which everything moves between evaluations, the speed of hydrogen at 300 K and 0.5 fs: pair
lists are made again as often as in dynamics."""


def open_work(task: dict[str, Any]) -> "Evaluations":
    """Of the calculator that the task names.

    :param task: ``calculator``, ``model``, ``forces``, ``start``, ``threads``
    """
    atoms = ase.io.read(task["start"])
    assert isinstance(atoms, Atoms)
    atoms.calc = CALCULATORS[task["calculator"]](task)
    return Evaluations(atoms)


class Evaluations:
    """Forces along a path that is the same for all: swings and a drift, as fast as at 300 K.

    :param atoms: with a calculator
    """

    def __init__(self, atoms: Atoms) -> None:
        self._atoms = atoms
        self._start = atoms.positions.copy()
        generator = np.random.default_rng(0)
        self._phase = generator.uniform(0, 2 * np.pi, self._start.shape)
        self._count = 0
        self.details: dict[str, float] = {}
        forces = atoms.get_forces()
        self.first = {"energy": float(atoms.get_potential_energy()), "forces": forces.tolist()}
        self.run(_WARM_UP)

    def run(self, count: int) -> float:
        """Seconds of so many evaluations; energies come with forces.

        :param count: how many
        """
        seconds = 0.0
        for _ in range(count):
            self._count += 1
            angle = 2 * np.pi * self._count / _PERIOD + self._phase
            moved = _SWING * np.sin(angle) + _DRIFT * self._count
            self._atoms.positions = self._start + moved
            begin = time.perf_counter()
            self._atoms.get_forces()
            seconds += time.perf_counter() - begin
        return seconds


def _ours(task: dict[str, Any]) -> Calculator:
    from md_bridge.ase import MDBridgeCalculator

    return MDBridgeCalculator(
        task["model"], forces=task["forces"], device=task["device"], threads=task["threads"]
    )


def _engine(task: dict[str, Any]) -> Calculator:
    """Energy, forces and virials from one pass; ``forces`` may be ``both``."""
    from md_bridge.engine import (
        DEFAULT_SKIN,
        Engine,
        ModelError,
        Pairs,
        Wanted,
        set_threads,
        structure_from_ase,
    )

    set_threads(task["threads"])
    engine = Engine(task["model"], task["device"])
    kinds = ("conservative", "direct") if task["forces"] == "both" else (task["forces"],)
    wanted = {f"{kind}_forces": True for kind in kinds}
    for kind in kinds:
        try:  # not every model has a direct stress beside its direct forces
            engine.require(Wanted(**{f"{kind}_virial": True}))
        except ModelError:
            continue
        wanted[f"{kind}_virial"] = True
    pairs = Pairs(DEFAULT_SKIN)

    class Whole(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012 (as ASE declares it)

        def calculate(
            self,
            atoms: Atoms | None = None,
            properties: Sequence[str] = ("energy",),
            system_changes: Sequence[str] = all_changes,
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            result = engine.evaluate(structure_from_ase(self.atoms), pairs, **wanted)
            forces = getattr(result, f"{kinds[0]}_forces")
            self.results = {"energy": result.energy, "forces": forces}

    return Whole()


def _metatomic(task: dict[str, Any]) -> Calculator:
    import torch
    from metatomic_ase import MetatomicCalculator

    torch.set_num_threads(task["threads"])
    return MetatomicCalculator(
        task["model"], device=task["device"], non_conservative=task["forces"] == "direct"
    )


def _pet_kokkos(task: dict[str, Any]) -> Calculator:
    from pet_kokkos.ase import PETCalculator

    # threads are those of OMP_NUM_THREADS
    return PETCalculator(task["model"])


CALCULATORS: dict[str, Callable[[dict[str, Any]], Calculator]] = {
    "ours": _ours,
    "engine": _engine,
    "metatomic": _metatomic,
    "pet-kokkos": _pet_kokkos,
}
