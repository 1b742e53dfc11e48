"""Forces of an exported model as differentiable functions, and products with their Jacobian."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from metatomic.torch import ModelEvaluationOptions, ModelOutput
from numpy.typing import NDArray

from md_bridge.export.checks.runner import Runner, per_atom
from md_bridge.export.errors import ExportError
from md_bridge.model_options import ModelOptions

__all__ = [
    "Array",
    "DifferentiableForces",
]

Array = NDArray[np.float64]

_DOUBLE_STEP = 1e-4
_SINGLE_STEP = 1e-2


class DifferentiableForces:
    """F(x) of a model on one structure and its Jacobian J = ∂F/∂x, in products with vectors.

    The net force is removed, as in dynamics. In double precision where the model can be converted.

    :param model: path of the exported model
    :param atoms: the structure x, N atoms, Å
    :param kind: ``conservative`` or ``direct``
    :param options: how the model is loaded; without averages, which are the engine's
    :raises ExportError: the model has no forces of this kind
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        atoms: Atoms,
        kind: str,
        *,
        options: ModelOptions = ModelOptions(),
    ) -> None:
        self.atoms = atoms
        self.kind = kind
        self._runner = _double_if_possible(model, atoms, options)
        if kind == "direct" and self._runner.force_output is None:
            known = ", ".join(self._runner.capabilities.outputs)
            raise ExportError(
                f"{model}: the model has no direct forces, whose Jacobian this is about; it has "
                f"{known}"
            )

    def at(self, atoms: Atoms) -> DifferentiableForces:
        """The same forces on another structure, with the model that is loaded.

        :param atoms: N atoms, Å
        """
        other = copy.copy(self)
        other.atoms = atoms
        return other

    @property
    def size(self) -> int:
        """Number of coordinates, 3 N."""
        return 3 * len(self.atoms)

    @property
    def is_double(self) -> bool:
        """Whether the arithmetic is in double precision."""
        return self._runner.is_double

    @property
    def step(self) -> float:
        """Step of the central differences (Å)."""
        return _DOUBLE_STEP if self.is_double else _SINGLE_STEP

    def forces(self, displacement: Array | None = None) -> Array:
        """Forces at the structure plus a displacement, shape (3 N,), eV/Å.

        :param displacement: shape (3 N,), Å; None: none
        """
        return self._graph(displacement, False)[1].detach().double().numpy().reshape(-1)

    def transposed_products(self) -> Callable[[Array], Array]:
        """A function u -> Jᵀu, by reverse differentiation; vectors have shape (3 N,), J is in
        eV/Å². One forward pass serves all its calls."""
        positions, forces = self._graph(None, True)

        def product(u: Array) -> Array:
            weights = torch.from_numpy(np.ascontiguousarray(u.reshape(-1, 3))).to(forces.dtype)
            if not forces.requires_grad:
                return np.zeros(self.size)
            (gradient,) = torch.autograd.grad(
                forces, positions, weights, retain_graph=True, allow_unused=True
            )
            zero = np.zeros(self.size)
            return zero if gradient is None else gradient.double().numpy().reshape(-1)

        return product

    def product(self, v: Array, step: float | None = None) -> Array:
        """Jv by central differences: [F(x + h v) - F(x - h v)] / 2h, where h moves no coordinate
        by more than ``step`` (Å).

        :param v: shape (3 N,), not zero
        :param step: largest change of a coordinate, Å; None: one that suits the precision of the
            model
        :returns: shape (3 N,), eV/Å² for a ``v`` without unit
        """
        h = (step or self.step) / float(np.max(np.abs(v)))
        return (self.forces(h * v) - self.forces(-h * v)) / (2 * h)

    def _graph(
        self, displacement: Array | None, differentiable: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        atoms = self.atoms
        if displacement is not None:
            atoms = atoms.copy()
            atoms.positions += displacement.reshape(-1, 3)
        direct = self.kind == "direct"
        system, positions, _ = self._runner.system(atoms, differentiable or not direct)
        name = self._runner.force_output if direct else self._runner.energy_output
        kind = "atom" if direct or self._runner.knows_atoms else "system"
        wanted = ModelOutput(unit="eV/A" if direct else "eV", sample_kind=kind)
        options = ModelEvaluationOptions(length_unit="angstrom", outputs={name: wanted})
        # without the profiling executor, which compiles anew for every shape it has not seen
        with (
            torch.set_grad_enabled(differentiable or not direct),
            torch.jit.optimized_execution(False),
        ):
            results = self._runner.model([system], options, check_consistency=False)
            if direct:
                forces = per_atom(results[name], [atoms])[0]
            else:
                energy = results[name].block().values.sum()
                (gradient,) = torch.autograd.grad(energy, positions, create_graph=differentiable)
                forces = -gradient
            return positions, forces - forces.mean(dim=0, keepdim=True)


def _double_if_possible(
    model: str | os.PathLike[str], atoms: Atoms, model_options: ModelOptions
) -> Runner:
    runner = Runner(model, model_options, double=True)
    try:
        runner.evaluate([atoms], conservative=False)
    except RuntimeError:  # a constant of the model is in single precision
        return Runner(model, model_options)
    return runner
