"""Export of a plain torch module."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    unit_conversion_factor,
)

from .compilation import compile_module
from .errors import ExportError, nearest
from .files import check_destination, save_atomically
from .metadata import parse_metadata
from .metatomic_model import PlainModuleModel
from .probe import OUTPUT_NAMES, Probe, probe_module

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DEVICES = ("cpu", "cuda", "mps")  # the device types of metatomic


def export_module(
    module: torch.nn.Module,
    path: str | os.PathLike[str],
    *,
    elements: Sequence[str | int],
    cutoff: float,
    layers: int,
    length_unit: str = "angstrom",
    energy_unit: str = "eV",
    dtype: str = "float32",
    devices: Sequence[str] = ("cuda", "cpu"),
    metadata: Mapping[str, Any] | ModelMetadata | None = None,
) -> Path:
    """Write a plain torch module to a file that LAMMPS, i-PI and ASE run.

    The module is called as ``module(types, positions, cell, pairs, shifts, structure)``, for N
    atoms in S structures with P pairs:

    - ``types`` ``[N]`` int64, atomic numbers;
    - ``positions`` ``[N, 3]``, in ``length_unit``;
    - ``cell`` ``[S, 3, 3]``, a cell vector each row, zero rows where a structure is not periodic;
    - ``pairs`` ``[P, 2]`` int64, first and second atom of all pairs not farther apart than
      ``cutoff``, each pair in both directions, periodic images as pairs of their own;
    - ``shifts`` ``[P, 3]``, cell vectors to add to the second atom;
    - ``structure`` ``[N]`` int64, the structure of each atom.

    It returns a dictionary of tensors, of which only the first is required:

    - ``energy`` ``[N]``, the energy of each atom; their sum is differentiated for the conservative
      forces, so compute distances with :func:`md_bridge.export.pair_vectors`;
    - ``forces`` ``[N, 3]``, direct forces, in energy / length;
    - ``stress`` ``[S, 3, 3]``, direct stress, dE/d(strain)/V, in energy / length³; or the
      contributions of the atoms, ``[N, 3, 3]``, which several MPI ranks need;
    - ``uncertainty`` ``[N]``, standard deviation of the energy of each atom.

    The module itself is not changed: a copy of it is converted and compiled by TorchScript.

    :param path: file to write, ``something.pt``
    :param elements: the elements the model knows, symbols or atomic numbers
    :param cutoff: of the pair list, in ``length_unit``
    :param layers: message-passing layers: how many times information travels a cutoff. 1 for a
        model in which the energy of an atom depends on its own neighbours only. layers × cutoff is
        the interaction range, which sets the ghost atoms of a parallel run: too small, and forces
        are wrong
    :param length_unit: ``"angstrom"``, ``"bohr"``, ``"nm"``…: what the module computes with
    :param energy_unit: ``"eV"``, ``"hartree"``, ``"kJ/mol"``, ``"kcal/mol"``…
    :param dtype: ``"float32"`` or ``"float64"``
    :param devices: device types the model runs on, the best first
    :param metadata: ``name``, ``description``, ``authors`` (list), ``references`` (dictionary of
        lists: ``model``, ``architecture``, ``implementation``), ``extra`` (dictionary of strings)
    :returns: the path written
    :raises ExportError: with what was expected and what was found
    """
    path = check_destination(path)
    model = build_module_model(
        module,
        elements=elements,
        cutoff=cutoff,
        layers=layers,
        length_unit=length_unit,
        energy_unit=energy_unit,
        dtype=dtype,
        devices=devices,
        metadata=metadata,
    )
    return save_atomically(model, path)


def build_module_model(
    module: torch.nn.Module,
    *,
    elements: Sequence[str | int],
    cutoff: float,
    layers: int,
    length_unit: str = "angstrom",
    energy_unit: str = "eV",
    dtype: str = "float32",
    devices: Sequence[str] = ("cuda", "cpu"),
    metadata: Mapping[str, Any] | ModelMetadata | None = None,
) -> AtomisticModel:
    """The model that :func:`export_module` saves, still in Python."""
    numbers = parse_elements(elements)
    _check_numbers(cutoff, layers)
    _check_units(length_unit, energy_unit)
    _check_devices(devices)
    if dtype not in DTYPES:
        raise ExportError(f"unknown dtype '{dtype}'; expected 'float32' or 'float64'")
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"expected a torch.nn.Module, found a {type(module).__name__}")

    module = copy.deepcopy(module).to(device="cpu", dtype=DTYPES[dtype]).eval()
    probe = probe_module(module, numbers, cutoff, DTYPES[dtype])
    compile_module(module)

    return AtomisticModel(
        PlainModuleModel(module, float(cutoff), probe.stress_per_atom).eval(),
        parse_metadata(metadata, default_name=type(module).__name__),
        ModelCapabilities(
            outputs=_declare_outputs(probe, length_unit, energy_unit),
            atomic_types=numbers,
            interaction_range=float(layers * cutoff),
            length_unit=length_unit,
            supported_devices=list(devices),
            dtype=dtype,
        ),
    )


def parse_elements(elements: Sequence[str | int]) -> list[int]:
    """Atomic numbers of ``elements`` (symbols or atomic numbers), in the order given.

    :raises ExportError: no element, an unknown one, or one given twice
    """
    if isinstance(elements, str):
        raise ExportError(
            f"elements should be a list such as ['O', 'H'], found the string '{elements}'"
        )
    numbers = []
    for element in elements:
        if isinstance(element, str):
            if element not in atomic_numbers:
                raise ExportError(
                    f"unknown element '{element}'.{nearest(element.capitalize(), chemical_symbols)}"
                )
            number = atomic_numbers[element]
        else:
            number = int(element)
        if not 1 <= number < len(chemical_symbols):
            raise ExportError(f"no element has the atomic number {number}")
        if number in numbers:
            raise ExportError(f"element '{chemical_symbols[number]}' is given twice")
        numbers.append(number)
    if not numbers:
        raise ExportError("the list of elements is empty; give those the model was trained on")
    return numbers


def _check_numbers(cutoff: float, layers: int) -> None:
    if not (math.isfinite(cutoff) and cutoff > 0):
        raise ExportError(f"the cutoff should be a positive number, found {cutoff}")
    if isinstance(layers, bool) or int(layers) != layers or layers < 1:
        raise ExportError(f"layers should be a whole number, 1 or more, found {layers}")


def _check_units(length_unit: str, energy_unit: str) -> None:
    for what, unit, standard in (
        ("length_unit", length_unit, "angstrom"),
        ("energy_unit", energy_unit, "eV"),
    ):
        try:
            if not unit:
                raise ValueError("it is empty")
            unit_conversion_factor(unit, standard)
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(
                f"{what} '{unit}' is not a unit like '{standard}': {reason}"
            ) from error


def _check_devices(devices: Sequence[str]) -> None:
    if isinstance(devices, str) or not devices:
        raise ExportError(f"devices should be a list such as ['cuda', 'cpu'], found {devices!r}")
    for device in devices:
        if device not in DEVICES:
            raise ExportError(
                f"unknown device '{device}'; expected cpu, cuda or mps.{nearest(device, DEVICES)}"
            )


def _declare_outputs(probe: Probe, length_unit: str, energy_unit: str) -> dict[str, ModelOutput]:
    declared = {
        "energy": ("atom", energy_unit, "energy of each atom"),
        "forces": ("atom", f"({energy_unit})/{length_unit}", "direct forces"),
        "stress": ("system", f"({energy_unit})/{length_unit}^3", "direct stress"),
        "uncertainty": ("atom", energy_unit, "standard deviation of the energy of each atom"),
    }
    outputs = {}
    for key in probe.outputs:
        sample_kind, unit, description = declared[key]
        outputs[OUTPUT_NAMES[key]] = ModelOutput(
            unit=unit, sample_kind=sample_kind, description=description
        )
    return outputs
