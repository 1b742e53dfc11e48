"""Evaluate an exported model on ASE structures, in its own or in double precision, for the checks.

This goes through metatomic alone, so that the checks do not lean on the engine they vouch for. What
Python evaluates is in :mod:`md_bridge.export.checks.calculator_runner`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import ase
import numpy as np
import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelEvaluationOptions,
    ModelOutput,
    System,
    register_autograd_neighbors,
)
from vesin.metatomic import NeighborList

from md_bridge.export.errors import ExportError, nearest
from md_bridge.export.model_file import load_exported, requested_inputs
from md_bridge.export.options import DTYPES
from md_bridge.export.pet import assumed_inputs
from md_bridge.model_options import ModelOptions

__all__ = [
    "PairOrder",
    "Prediction",
    "Predictor",
    "Runner",
    "energy_variants",
    "given_inputs",
    "per_atom",
    "require_no_averages",
]

PairOrder = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From a pair list (``[P, 5]`` two atoms and the cell shift; ``[P, 3]`` vectors) to the order in
which the model gets its rows (``[P]``, a permutation)."""


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


class Predictor(Protocol):
    """A model that the checks can look at."""

    @property
    def atomic_types(self) -> Sequence[int]:
        """Atomic numbers of the elements that it knows."""

    @property
    def is_double(self) -> bool:
        """Whether the arithmetic is in double precision."""

    @property
    def cutoffs(self) -> list[float]:
        """Cutoffs of the pair lists that it is given, in Å, the largest last."""

    @property
    def interaction_range(self) -> float:
        """In Å."""

    @property
    def knows_atoms(self) -> bool:
        """Whether it gives energies of atoms."""

    @property
    def has_direct(self) -> bool:
        """Whether it gives direct forces."""

    @property
    def takes_no_atoms(self) -> bool:
        """Whether it is asked for structures without atoms."""

    @property
    def not_checked(self) -> Mapping[str, str]:
        """Names of checks that it cannot have, and why."""

    def evaluate(
        self, structures: Sequence[ase.Atoms], *, conservative: bool = True, direct: bool = True
    ) -> list[Prediction]:
        """Predictions for all structures.

        :param structures: any number of them
        :param conservative: also conservative forces and stress
        :param direct: also direct forces and stress, if there are any
        """

    def energy(self, atoms: ase.Atoms) -> float:
        """The energy alone, of one structure, in eV.

        :param atoms: the structure
        """


class Runner:
    """A model ready to be evaluated by metatomic.

    :param model: path of an exported model, or the model itself
    :param model_options: variants, device, extensions, charge and spin multiplicity; without a
        variant, the unnamed one or the first if there is none
    :param double: convert a single precision model to double precision. Finite differences of a
        large total energy need it. Works where all numbers of the model are parameters or buffers
    :raises ExportError: not an exported model, it has no such variant, does not run on the device,
        needs a charge or a spin multiplicity that is not given or is given one that it does not
        ask for, or ``symmetrize`` is asked for, which is the engine's
    """

    takes_no_atoms = True
    """Files are run on ranks of LAMMPS, of which one may have no atoms."""
    not_checked: Mapping[str, str] = MappingProxyType({})
    """Nothing: a file can have all checks."""

    def __init__(
        self,
        model: str | os.PathLike[str] | AtomisticModel,
        model_options: ModelOptions = ModelOptions(),
        *,
        double: bool = False,
    ) -> None:
        require_no_averages(model_options)
        name = os.fspath(model) if isinstance(model, str | os.PathLike) else model.metadata().name
        if isinstance(model, str | os.PathLike):
            model = load_exported(model, model_options.extensions)
        assumed = assumed_inputs(model)
        asked = {each: each in assumed for each in requested_inputs(model)}
        self._inputs = given_inputs(name, asked, model_options)
        self.capabilities = model.capabilities()
        self.device = _choose_device(model_options.device, self.capabilities.supported_devices)
        self.dtype = torch.float64 if double else DTYPES[self.capabilities.dtype]
        # the type is left as it is where possible: not every model can be converted
        self.model: Any = model.to(device=self.device)
        if self.dtype != DTYPES[self.capabilities.dtype]:
            self.model = self.model.to(self.dtype)
        outputs = self.capabilities.outputs
        suffix = _suffix(outputs, model_options.variant)
        direct_suffix = _direct_suffix(model_options.direct_variant, suffix)
        self.energy_output = f"energy{suffix}"
        self.force_output = self._find(f"non_conservative_force{direct_suffix}")
        self.stress_output = self._find(f"non_conservative_stress{direct_suffix}")
        self.knows_atoms = outputs[self.energy_output].sample_kind == "atom"
        self._pair_lists = self.model.requested_neighbor_lists()

    @property
    def atomic_types(self) -> list[int]:
        """Atomic numbers of the elements that it knows."""
        return list(self.capabilities.atomic_types)

    @property
    def has_direct(self) -> bool:
        """Whether it gives direct forces."""
        return self.force_output is not None

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
        self,
        structures: Sequence[ase.Atoms],
        *,
        conservative: bool = True,
        direct: bool = True,
        pair_order: PairOrder | None = None,
    ) -> list[Prediction]:
        """Predictions for all ``structures``, in one forward pass.

        :param structures: any number of them, periodic or not, also without atoms
        :param conservative: also forces and stress by differentiation
        :param direct: also direct forces and stress, if the model has them
        :param pair_order: of the rows of each pair list; None: as they are found
        :returns: one prediction for each structure, in eV and Å
        """
        systems, positions, strains = [], [], []
        for atoms in structures:
            system, position, strain = self.system(atoms, conservative, pair_order)
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
            energies = per_atom(results[self.energy_output], structures)
        else:
            energies = list(results[self.energy_output].block().values)
        predictions = [Prediction(e.detach().cpu().double().numpy()) for e in energies]
        if conservative:
            self._differentiate(torch.cat(energies), structures, positions, strains, predictions)
        if self.force_output in outputs:
            forces = per_atom(results[self.force_output], structures)
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
        """The energy alone, of one structure, in eV.

        :param atoms: the structure
        """
        (prediction,) = self.evaluate([atoms], conservative=False, direct=False)
        return prediction.energy

    def system(
        self, atoms: ase.Atoms, differentiable: bool, pair_order: PairOrder | None = None
    ) -> tuple[System, torch.Tensor, torch.Tensor]:
        """A structure as metatomic has it, with its pairs, on the device of the model.

        :param atoms: the structure
        :param differentiable: keep the graph from the system back to positions and strain
        :param pair_order: of the rows of each pair list; None: as they are found
        :returns: the system; its positions ``[N, 3]`` (Å) and the strain ``[3, 3]`` (the identity)
            that it was made from, both on the CPU: what to differentiate with respect to
        """
        cell = np.where(atoms.pbc[:, None], atoms.cell[:], 0.0)
        positions = torch.tensor(atoms.positions, dtype=self.dtype, requires_grad=differentiable)
        strain = torch.eye(3, dtype=self.dtype, requires_grad=differentiable)
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
                if pair_order is not None:
                    pairs = _reordered(pairs, pair_order)
                    register_autograd_neighbors(system, pairs, False)
            system.add_neighbor_list(options, pairs)
        for name, value in self._inputs.items():
            system.add_data(name, _input(name, value, self.dtype))
        return system.to(device=self.device), positions, strain

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


def require_no_averages(model_options: ModelOptions) -> None:
    """Refuse averages over rotated copies.

    :param model_options: how a model is to be evaluated
    :raises ExportError: they are asked for
    """
    if model_options.symmetrize != "none":
        raise ExportError(
            "averages over rotated copies (symmetrize) are made by the engine, and the checks "
            f"are of the model alone: expected symmetrize 'none', found "
            f"'{model_options.symmetrize}'"
        )


def given_inputs(
    model: str, asked: Mapping[str, bool], model_options: ModelOptions
) -> dict[str, float]:
    """What is given of that which a model asks for besides the atoms, as the engine has it.

    :param model: its name, for messages
    :param asked: ``charge`` and ``spin_multiplicity``, and whether it can do without
    :param model_options: with their values
    :raises ExportError: one is missing, or has no effect
    """
    values = {name: getattr(model_options, name) for name in ("charge", "spin_multiplicity")}
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in asked:
            raise ExportError(
                f"{name} has no effect: the model '{model}' does not ask for it. Leave it out"
            )
    for name, can_do_without in asked.items():
        if name not in values:
            raise ExportError(
                f"the model '{model}' needs '{name}' of each structure, which MD Bridge cannot "
                "give it: use a model of atoms, cell and atomic numbers alone"
            )
        if name not in given and not can_do_without:
            raise ExportError(
                f"the model '{model}' needs the {name.replace('_', ' ')} of each structure: give "
                f"it ({name})"
            )
    return given


def _input(name: str, value: float, dtype: torch.dtype) -> TensorMap:
    """A number of the whole structure, as models ask for it."""
    zero = torch.zeros((1, 1), dtype=torch.int32)
    block = TensorBlock(
        torch.full((1, 1), value, dtype=dtype), Labels(["system"], zero), [], Labels([name], zero)
    )
    tensor = TensorMap(Labels(["_"], zero), [block])
    tensor.set_info("unit", "e" if name == "charge" else "")
    return tensor


def energy_variants(outputs: Iterable[str]) -> list[str]:
    """The variants that a model has an energy for, sorted; the unnamed one is ``""``.

    :param outputs: names of the outputs of a model
    """
    bases = [name.partition("/") for name in outputs]
    return sorted(variant for base, _, variant in bases if base == "energy")


def _suffix(outputs: Iterable[str], variant: str) -> str:
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


def _direct_suffix(direct_variant: str, suffix: str) -> str:
    """The same for direct outputs: their own variant, where it is given; ``-`` is the unnamed."""
    if not direct_variant:
        return suffix
    return "" if direct_variant == "-" else f"/{direct_variant}"


def _choose_device(wanted: str, supported: Sequence[str]) -> torch.device:
    """The device to run on, as the engine would choose it.

    :raises ExportError: there is no such device here, or the model does not run on it
    """
    cuda_here = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if "cuda" in supported and cuda_here else "cpu")
    kind, _, index = wanted.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise ExportError(f"unknown device '{wanted}': expected auto, cpu, cuda or cuda:N")
    if kind not in supported:
        raise ExportError(
            f"the model was not exported for {kind}: it supports {', '.join(supported)}"
        )
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ExportError(
            f"device '{wanted}' was asked for, but torch finds {torch.cuda.device_count()} CUDA "
            "devices here"
        )
    return torch.device(wanted)


def _reordered(pairs: TensorBlock, pair_order: PairOrder) -> TensorBlock:
    """The same pairs in other rows; detached from the positions that they were found from."""
    samples, vectors = pairs.samples.values, pairs.values.detach()
    rows = torch.as_tensor(pair_order(samples.numpy(), vectors[:, :, 0].numpy()))
    return TensorBlock(
        values=vectors[rows],
        samples=Labels(pairs.samples.names, samples[rows]),
        components=pairs.components,
        properties=pairs.properties,
    )


def _no_pairs(dtype: torch.dtype) -> TensorBlock:
    names = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
    return TensorBlock(
        values=torch.zeros((0, 3, 1), dtype=dtype),
        samples=Labels(names, torch.zeros((0, 5), dtype=torch.int32)),
        components=[Labels.range("xyz", 3)],
        properties=Labels.range("distance", 1),
    )


def per_atom(tensor_map: TensorMap, structures: Sequence[ase.Atoms]) -> list[torch.Tensor]:
    """Values of a per-atom output, squeezed, in the order of the atoms, on the CPU.

    :param tensor_map: what the model returned for the output
    :param structures: what it was evaluated on
    :returns: one tensor for each structure, ``[N]`` or ``[N, 3]``, in the unit of the output
    """
    block = tensor_map.block()
    samples = block.samples.values.to(device="cpu", dtype=torch.int64)
    sizes = torch.tensor([len(atoms) for atoms in structures])
    first = sizes.cumsum(0) - sizes
    row = torch.empty(len(samples), dtype=torch.int64)
    row[first[samples[:, 0]] + samples[:, 1]] = torch.arange(len(samples))
    values = block.values.squeeze(-1).to(device="cpu")[row]
    return list(torch.split(values, sizes.tolist()))
