"""Forces that Python evaluates, and their Jacobian by central differences: there is no graph."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.engine import Engine, Wanted
from md_bridge.export.checks.two_models import engine_forces, force_matrix, sampled_asymmetry
from md_bridge.forces import rounds_as_double
from md_bridge.model_options import ModelOptions

__all__ = ["ForcesByDifferences"]

Array = NDArray[np.float64]

_DOUBLE_STEP = 1e-4
_SINGLE_STEP = 1e-2


class ForcesByDifferences:
    """F(x) of a model on one structure, and its Jacobian J = ∂F/∂x by central differences.

    :param model: ``python:package.module:factory``
    :param atoms: the structure x, N atoms, Å
    :param kind: ``conservative`` or ``direct``
    :param options: how the model is loaded; without averages
    :raises md_bridge.engine.ModelError: the model cannot be loaded, or has no forces of this kind
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        atoms: Atoms,
        kind: str,
        options: ModelOptions = ModelOptions(),
    ) -> None:
        self.atoms = atoms
        engine = Engine(model, **options.engine_keywords())
        direct = kind == "direct"
        engine.require(Wanted(direct_forces=direct, conservative_forces=not direct))
        self._forces = engine_forces(engine, kind)
        self.is_double = rounds_as_double(self._forces, [atoms])

    @property
    def size(self) -> int:
        """Number of coordinates, 3 N."""
        return 3 * len(self.atoms)

    @property
    def step(self) -> float:
        """Of the central differences (Å)."""
        return _DOUBLE_STEP if self.is_double else _SINGLE_STEP

    def forces(self, displacement: Array) -> Array:
        """Forces at the structure plus a displacement, shape (3 N,), eV/Å.

        :param displacement: shape (3 N,), Å
        """
        moved = self.atoms.copy()
        moved.positions += displacement.reshape(-1, 3)
        return self._forces(moved).reshape(-1)

    def jacobian(self, progress: Callable[[str, float], None]) -> Array:
        """J, shape (3N, 3N), eV/Å², two evaluations a column.

        :param progress: called for each column with a text and the share done
        """
        columns = np.empty((self.size, self.size))
        for k, unit in enumerate(self.step * np.eye(self.size)):
            progress(f"column {k + 1} of {self.size}", k / self.size)
            columns[k] = (self.forces(unit) - self.forces(-unit)) / (2 * self.step)
        return columns.T

    def asymmetry(self, probes: Array) -> tuple[float, float]:
        """λ of the Jacobian from random signs, and the relative error of the differences, estimated
        with twice the step.

        :param probes: shape (k, 3 N), +1 or -1, k at least 2
        """
        found, wider = (force_matrix(self.forces, probes, h) for h in (self.step, 2 * self.step))
        size = float(np.sqrt(np.mean(found[-1])))
        change = float(np.sqrt(np.mean((wider[:-1] - found[:-1]) ** 2)))
        return sampled_asymmetry(found), change / max(size, 1e-300)
