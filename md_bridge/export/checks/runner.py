"""Evaluate an exported model on ASE structures, in its own or in double precision, for the checks.

This goes through metatomic alone, so that the checks do not lean on the engine they vouch for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from metatensor.torch import Labels, TensorBlock
from metatomic.torch import (
    AtomisticModel,
    ModelEvaluationOptions,
    ModelOutput,
    System,
    register_autograd_neighbors,
)
from vesin.metatomic import NeighborList

from md_bridge.export.errors import ExportError, nearest
from md_bridge.export.model_file import load_exported
from md_bridge.export.options import DTYPES


@dataclass
class Prediction:
    """What a model says of one structure, in eV and Å; None for what was not asked or is not there.

    :param energies: ``[N]``, of the atoms; ``[1]``, their sum, if the model does not know them
    :param forces: ``[N, 3]``, minus the gradient of the energy
    :param stress: ``[3, 3]``, dE/d(strain)/V; None without a volume
    :param direct_forces: ``[N, 3]``, as predicted: the net force is not removed
    :param direct_stress: ``[3, 3]``, as predicted
    """

    energies: np.ndarray
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None
    direct_forces: np.ndarray | None = None
    direct_stress: np.ndarray | None = None

    @property
    def energy(self) -> float:
        """Sum over the atoms, in double precision."""
        return float(self.energies.sum())


class Runner:
    """A model ready to be evaluated.

    :param model: path of an exported model, or the model itself
    :param double: convert a single precision model to double precision. Finite differences of a
        large total energy need it. Works where all numbers of the model are parameters or buffers
    :param variant: of the outputs; None: the unnamed one, or the first if there is none
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | AtomisticModel,
        *,
        double: bool = False,
        variant: str | None = None,
    ) -> None:
        self.model: Any = load_exported(model) if isinstance(model, str | os.PathLike) else model
        self.capabilities = self.model.capabilities()
        self.dtype = DTYPES[self.capabilities.dtype]
        if double and self.dtype != torch.float64:
            self.model = self.model.to(torch.float64)
            self.dtype = torch.float64
        suffix = _suffix(self.capabilities.outputs, variant)
        self.energy_output = f"energy{suffix}"
        self.force_output = self._find(f"non_conservative_force{suffix}")
        self.stress_output = self._find(f"non_conservative_stress{suffix}")
        self.knows_atoms = self.capabilities.outputs[self.energy_output].sample_kind == "atom"
        self._pair_lists = self.model.requested_neighbor_lists()

    @property
    def is_double(self) -> bool:
        """Whether the arithmetic is in double precision."""
        return self.dtype == torch.float64

    @property
    def cutoffs(self) -> list[float]:
        """Cutoffs of the pair lists, in Å, the largest last."""
        return sorted(options.engine_cutoff("angstrom") for options in self._pair_lists)

    @property
    def interaction_range(self) -> float:
        """In Å."""
        return self.capabilities.engine_interaction_range("angstrom")

    def _find(self, name: str) -> str | None:
        return name if name in self.capabilities.outputs else None

    def evaluate(
        self, structures: Sequence[ase.Atoms], *, conservative: bool = True, direct: bool = True
    ) -> list[Prediction]:
        """Predictions for all ``structures``, in one forward pass.

        :param conservative: also forces and stress by differentiation
        :param direct: also direct forces and stress, if the model has them
        """
        systems, positions, strains = [], [], []
        for atoms in structures:
            system, position, strain = self._system(atoms, conservative)
            systems.append(system)
            positions.append(position)
            strains.append(strain)

        kind = "atom" if self.knows_atoms else "system"
        outputs = {self.energy_output: ModelOutput(unit="eV", sample_kind=kind)}
        if direct and self.force_output:
            outputs[self.force_output] = ModelOutput(unit="eV/A", sample_kind="atom")
        if direct and self.stress_output:
            outputs[self.stress_output] = ModelOutput(unit="eV/A^3", sample_kind="system")
        options = ModelEvaluationOptions(length_unit="angstrom", outputs=outputs)
        # without the profiling executor, which compiles anew for every shape it has not seen
        with torch.set_grad_enabled(conservative), torch.jit.optimized_execution(False):
            results = self.model(systems, options, check_consistency=False)

        if self.knows_atoms:
            energies = _per_atom(results[self.energy_output], structures)
        else:
            energies = list(results[self.energy_output].block().values)
        predictions = [Prediction(e.detach().cpu().double().numpy()) for e in energies]
        if conservative:
            self._differentiate(torch.cat(energies), structures, positions, strains, predictions)
        if self.force_output in outputs:
            forces = _per_atom(results[self.force_output], structures)
            for prediction, value in zip(predictions, forces, strict=True):
                prediction.direct_forces = value.detach().cpu().double().numpy()
        if self.stress_output in outputs:
            stresses = results[self.stress_output].block().values.detach().cpu().double().numpy()
            # metatrain's models leave out the row of a structure without atoms
            filled = [i for i, atoms in enumerate(structures) if len(atoms) > 0]
            rows = range(len(structures)) if len(stresses) == len(structures) else filled
            for i, value in zip(rows, stresses, strict=True):
                if structures[i].pbc.all():
                    predictions[i].direct_stress = value.reshape(3, 3)
        return predictions

    def energy(self, atoms: ase.Atoms) -> float:
        """The energy alone, of one structure."""
        (prediction,) = self.evaluate([atoms], conservative=False, direct=False)
        return prediction.energy

    def _system(
        self, atoms: ase.Atoms, conservative: bool
    ) -> tuple[System, torch.Tensor, torch.Tensor]:
        cell = np.where(atoms.pbc[:, None], atoms.cell[:], 0.0)
        positions = torch.tensor(atoms.positions, dtype=self.dtype, requires_grad=conservative)
        strain = torch.eye(3, dtype=self.dtype, requires_grad=conservative)
        system = System(
            types=torch.tensor(atoms.numbers, dtype=torch.int32),
            positions=positions @ strain,
            cell=torch.tensor(cell, dtype=self.dtype) @ strain,
            pbc=torch.tensor(atoms.pbc),
        )
        for options in self._pair_lists:
            if len(atoms) == 0:  # vesin wants at least one point
                pairs = _no_pairs(self.dtype)
                register_autograd_neighbors(system, pairs, False)
            else:
                calculator = NeighborList(options, length_unit="angstrom", skin=0.0)
                pairs = calculator.compute(system)
            system.add_neighbor_list(options, pairs)
        return system, positions, strain

    def _differentiate(
        self,
        energies: torch.Tensor,
        structures: Sequence[ase.Atoms],
        positions: list[torch.Tensor],
        strains: list[torch.Tensor],
        predictions: list[Prediction],
    ) -> None:
        inputs = [*positions, *strains]
        if energies.requires_grad:
            gradients = torch.autograd.grad(energies.sum(), inputs, allow_unused=True)
        else:
            gradients = tuple(torch.zeros_like(x) for x in inputs)
        values = [
            np.zeros(tuple(x.shape)) if g is None else g.detach().cpu().double().numpy()
            for x, g in zip(inputs, gradients, strict=True)
        ]
        for i, (atoms, prediction) in enumerate(zip(structures, predictions, strict=True)):
            prediction.forces = -values[i]
            if atoms.pbc.all():
                derivative = values[len(structures) + i]
                prediction.stress = 0.5 * (derivative + derivative.T) / atoms.get_volume()


def energy_variants(outputs: Iterable[str]) -> list[str]:
    """The variants that a model has an energy for, sorted; the unnamed one is ``""``."""
    bases = [name.partition("/") for name in outputs]
    return sorted(variant for base, _, variant in bases if base == "energy")


def _suffix(outputs: Iterable[str], variant: str | None) -> str:
    """What to append to the names of outputs: ``/pbe``, or nothing for the unnamed variant."""
    outputs = list(outputs)
    variants = energy_variants(outputs)
    if not variants:
        raise ExportError(f"the model has no energy; it has {', '.join(outputs)}")
    if not variant:
        variant = variants[0]
    if variant not in variants:
        names = ", ".join(repr(name) for name in variants if name) or "none"
        raise ExportError(
            f"the model has no energy of variant '{variant}'; its variants: {names}."
            f"{nearest(variant, variants)}"
        )
    return f"/{variant}" if variant else ""


def _no_pairs(dtype: torch.dtype) -> TensorBlock:
    names = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
    return TensorBlock(
        values=torch.zeros((0, 3, 1), dtype=dtype),
        samples=Labels(names, torch.zeros((0, 5), dtype=torch.int32)),
        components=[Labels.range("xyz", 3)],
        properties=Labels.range("distance", 1),
    )


def _per_atom(tensor_map: object, structures: Sequence[ase.Atoms]) -> list[torch.Tensor]:
    """Values of a per-atom output, squeezed, in the order of the atoms, one tensor a structure."""
    block = tensor_map.block()  # type: ignore[attr-defined]
    samples = block.samples.values.to(torch.int64)
    sizes = torch.tensor([len(atoms) for atoms in structures])
    first = sizes.cumsum(0) - sizes
    row = torch.empty(len(samples), dtype=torch.int64)
    row[first[samples[:, 0]] + samples[:, 1]] = torch.arange(len(samples))
    values = block.values.squeeze(-1)[row]
    return list(torch.split(values, sizes.tolist()))
