"""Export of a plain torch module."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from metatomic.torch import AtomisticModel, ModelCapabilities, ModelMetadata, ModelOutput

from md_bridge.export.errors import ExportError
from md_bridge.export.files import check_destination, save_atomically
from md_bridge.export.metadata import parse_metadata
from md_bridge.export.options import DTYPES, ModuleOptions
from md_bridge.export.torch_module.compilation import compile_module
from md_bridge.export.torch_module.metatomic_model import PlainModuleModel
from md_bridge.export.torch_module.probe import OUTPUT_NAMES, Probe, probe_module

__all__ = ["build_module_model", "export_module"]


def export_module(
    module: torch.nn.Module,
    path: str | os.PathLike[str],
    *,
    elements: Sequence[str | int],
    cutoff: float,
    layers: int,
    length_unit: str = ModuleOptions.length_unit,
    energy_unit: str = ModuleOptions.energy_unit,
    dtype: str = ModuleOptions.dtype,
    devices: Sequence[str] = ModuleOptions.devices,
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

    :param module: the module, on any device and of any dtype
    :param path: file to write, ``something.pt``
    :param elements: the elements the model knows, symbols or atomic numbers
    :param cutoff: of the pair list, in ``length_unit``
    :param layers: message-passing layers: how many times information travels a cutoff. 1 for a
        model in which the energy of an atom depends on its own neighbours only. layers × cutoff is
        the interaction range, which sets the ghost atoms of a parallel run: too small, and forces
        are wrong
    :param length_unit: what the module computes with, ``"angstrom"``, ``"bohr"``, ``"nm"``…
    :param energy_unit: ``"eV"``, ``"hartree"``, ``"kJ/mol"``, ``"kcal/mol"``…
    :param dtype: ``"float32"`` or ``"float64"``
    :param devices: device types the model runs on, the best first
    :param metadata: ``name``, ``description``, ``authors`` (list), ``references`` (dictionary of
        lists: ``model``, ``architecture``, ``implementation``), ``extra`` (dictionary of strings)
    :returns: the path written
    :raises ExportError: with what was expected and what was found
    """
    path = check_destination(path)
    options = ModuleOptions(
        elements, cutoff, layers, length_unit, energy_unit, dtype, devices, metadata
    )
    return save_atomically(build_module_model(module, options), path)


def build_module_model(module: torch.nn.Module, options: ModuleOptions) -> AtomisticModel:
    """The model that :func:`export_module` saves, still in Python.

    :param module: the module, which is not changed
    :param options: what it does not say of itself
    :raises ExportError: as :func:`export_module`
    """
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"expected a torch.nn.Module, found a {type(module).__name__}")
    dtype = DTYPES[options.dtype]
    module = copy.deepcopy(module).to(device="cpu", dtype=dtype).eval()
    probe = probe_module(module, options.atomic_types, options.cutoff, dtype)
    compile_module(module)

    return AtomisticModel(
        PlainModuleModel(
            module, float(options.cutoff), probe.stress_per_atom, probe.edge_gradients
        ).eval(),
        parse_metadata(options.metadata, default_name=type(module).__name__),
        ModelCapabilities(
            outputs=_declare_outputs(probe, options.length_unit, options.energy_unit),
            atomic_types=options.atomic_types,
            interaction_range=float(options.layers * options.cutoff),
            length_unit=options.length_unit,
            supported_devices=list(options.devices),
            dtype=options.dtype,
        ),
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
