"""The engine in the place of metatomic alone, for checks of models that metatomic does not run.

Of a model that Python evaluates there is no file to look into, and of a compiled one the file has
two sets of numbers: what metatomic runs is the TorchScript model in it, what hosts run are the
compiled functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import ase
import numpy as np
from numpy.typing import NDArray

from md_bridge.engine import Engine, Evaluation, ModelError, Wanted, structure_from_ase
from md_bridge.export.checks.runner import Prediction

__all__ = ["EngineRunner"]

_UNKNOWN_REACH = 12.0
"""Where to look for the cutoff of a model that states none (Å): nearly all are shorter."""


class EngineRunner:
    """A model that the engine evaluates, as the checks look at models.

    :param engine: that removes no net force
    :param double: whether the arithmetic is in double precision
    """

    takes_no_atoms = True
    not_checked: Mapping[str, str] = MappingProxyType({})

    def __init__(self, engine: Engine, double: bool) -> None:
        self.engine, self.is_double = engine, double
        self.knows_atoms = self._gives("atomic_energies")
        self.has_stress = self._gives("conservative_virial")
        self.has_direct = self._gives("direct_forces")
        self._has_direct_stress = self._gives("direct_virial")

    def _gives(self, quantity: str) -> bool:
        try:
            self.engine.require(Wanted(energy=False, **{quantity: True}))
        except ModelError:
            return False
        return True

    @property
    def atomic_types(self) -> list[int]:
        """Atomic numbers of the elements that it knows."""
        return list(self.engine.info.atomic_types)

    @property
    def cutoffs(self) -> list[float]:
        """Where to look for jumps, in Å: the range of a model that states it."""
        reach = self.interaction_range
        return [reach if math.isfinite(reach) else _UNKNOWN_REACH]

    @property
    def interaction_range(self) -> float:
        """In Å."""
        return self.engine.info.interaction_range

    def evaluate(
        self, structures: Sequence[ase.Atoms], *, conservative: bool = True, direct: bool = True
    ) -> list[Prediction]:
        """Predictions for all structures; direct stresses where all are periodic.

        :param structures: any number of them
        :param conservative: also forces and stress by differentiation
        :param direct: also direct forces and stress, if the model has them
        :returns: one prediction for each structure, in eV and Å
        """
        periodic = [bool(atoms.pbc.all()) for atoms in structures]
        found = self.engine.evaluate(
            [structure_from_ase(atoms) for atoms in structures],
            atomic_energies=self.knows_atoms,
            conservative_forces=conservative,
            conservative_virial=conservative and self.has_stress and any(periodic),
            direct_forces=direct and self.has_direct,
            direct_virial=direct and self._has_direct_stress and all(periodic),
        )
        return [_prediction(one, atoms) for one, atoms in zip(found, structures, strict=True)]

    def energy(self, atoms: ase.Atoms) -> float:
        """The energy alone, of one structure, in eV.

        :param atoms: the structure
        """
        (prediction,) = self.evaluate([atoms], conservative=False, direct=False)
        return prediction.energy


def _prediction(found: Evaluation, atoms: ase.Atoms) -> Prediction:
    def stress(virial: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if virial is None or not atoms.pbc.all() else -virial / atoms.get_volume()

    energies = found.atomic_energies
    return Prediction(
        np.array([found.energy]) if energies is None else energies,
        found.conservative_forces,
        stress(found.conservative_virial),
        found.direct_forces,
        stress(found.direct_virial),
    )
