"""Forces of one row, of many structures in one pass, with the number of evaluations."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.engine import Engine, Pairs, Wanted, structure_from_ase
from md_bridge.model_options import ModelOptions
from md_bridge.statics.rows import Row

__all__ = ["Evaluator", "Forces"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forces:
    """What a model says of a structure of N atoms."""

    energy: float
    """eV."""
    forces: Array
    """[N, 3], eV/Å, of the row's kind."""
    stress: Array | None
    """[3, 3], eV/Å³, of the row's kind, positive under tension; None if it was not asked for."""

    @property
    def largest_force(self) -> float:
        """On an atom, eV/Å."""
        return float(np.linalg.norm(self.forces, axis=1).max())


class Evaluator:
    """The forces of a row, of any number of structures in one pass.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: with forces that are ``conservative`` or ``direct``
    :raises md_bridge.engine.ModelError: the model cannot be loaded or lacks these forces
    """

    def __init__(self, model: str | os.PathLike[str], options: ModelOptions, row: Row) -> None:
        self.row = row
        self.is_direct = row.forces == "direct"
        keywords = replace(options, symmetrize=row.symmetrize, direct_symmetrize="")
        self.engine = Engine(model, **keywords.engine_keywords())
        self.engine.require(
            Wanted(direct_forces=self.is_direct, conservative_forces=not self.is_direct)
        )
        self.evaluations = 0
        """Structures that were evaluated; copies of an average are not counted."""
        self.seconds = 0.0
        """That these evaluations took."""

    def require_stress(self) -> None:
        """Make sure that there is a stress of the row's kind.

        :raises md_bridge.engine.ModelError: the model has none
        """
        self.engine.require(
            Wanted(direct_virial=self.is_direct, conservative_virial=not self.is_direct)
        )

    def __call__(
        self,
        structures: Sequence[Atoms],
        *,
        stress: bool = False,
        pairs: Sequence[Pairs] | None = None,
    ) -> list[Forces]:
        """Evaluate structures; what is too much for one pass goes in several.

        :param structures: Å
        :param stress: whether the stress is wanted
        :param pairs: a list for each structure, which the caller keeps; None: made anew
        :raises md_bridge.engine.EngineError: the model fails, or a number is not finite
        """
        began = time.perf_counter()
        direct = self.is_direct
        found = self.engine.evaluate(
            [structure_from_ase(atoms) for atoms in structures],
            pairs,
            direct_forces=direct,
            direct_virial=direct and stress,
            conservative_forces=not direct,
            conservative_virial=not direct and stress,
        )
        self.seconds += time.perf_counter() - began
        self.evaluations += len(structures)
        results = []
        for atoms, one in zip(structures, found, strict=True):
            virial = one.direct_virial if direct else one.conservative_virial
            results.append(
                Forces(
                    energy=one.energy,
                    forces=one.direct_forces if direct else one.conservative_forces,
                    stress=-virial / atoms.cell.volume if stress else None,
                )
            )
        return results
