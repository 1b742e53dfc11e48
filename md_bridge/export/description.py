"""What a model says of itself, as plain data."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from metatomic.torch import unit_conversion_factor

from md_bridge.export.model_file import load_exported, requested_inputs
from md_bridge.export.pet import assumed_inputs, true_range
from md_bridge.model_names import is_python_model

__all__ = ["describe"]

USED_OUTPUTS = (
    "energy",
    "energy_uncertainty",
    "non_conservative_force",
    "non_conservative_forces",  # in files of before 2026
    "non_conservative_stress",
)
"""Outputs of a model that MD Bridge makes use of, without their variants."""

_OF_CALCULATORS = {
    "energy": ("energy", "eV", "system"),
    "conservative_forces": ("forces", "eV/A", "atom"),
    "conservative_virial": ("stress", "eV/A^3", "system"),
    "direct_forces": ("direct_forces", "eV/A", "atom"),
    "direct_virial": ("direct_stress", "eV/A^3", "system"),
    "atomic_energies": ("energies", "eV", "atom"),
    "uncertainty": ("energy_uncertainty", "eV", "atom"),
    "committee": ("energy_ensemble", "eV", "system"),
}
"""The engine's quantities: name, unit and of what they are, as docs/python-models.md has them."""


def describe(path: str | os.PathLike[str], extensions: str = "") -> dict[str, Any]:
    """Name, elements, cutoffs and range (Å), outputs, precision, size, origin, references.

    :param path: of the exported model, or ``python:package.module:factory``
    :param extensions: folder of compiled TorchScript extensions; empty: none
    :returns: plain data, ready for JSON; an infinite range is None. ``stated_range_A`` is what the
        file states, where the network in it reaches further. ``inputs`` are those besides the
        structure, each with the value that is assumed where there is one. Of a calculator, what it
        does not say is empty or None, and ``elements`` are all if it names none
    :raises ExportError: not an exported model
    :raises md_bridge.engine.ModelError: there is no such calculator
    """
    if is_python_model(path):
        return _of_calculator(os.fspath(path))
    model = load_exported(path, extensions)
    capabilities, metadata = model.capabilities(), model.metadata()
    stated = capabilities.engine_interaction_range("angstrom")
    to_angstrom = unit_conversion_factor(capabilities.length_unit, "angstrom")
    reach = max(stated, true_range(model) * to_angstrom)
    assumed = assumed_inputs(model)
    versions = _extra_files(path)
    return {
        "path": str(path),
        "name": metadata.name,
        "description": metadata.description,
        "authors": list(metadata.authors),
        "references": {kind: list(texts) for kind, texts in metadata.references.items()},
        "extra": dict(metadata.extra),
        "elements": [_symbol(number) for number in capabilities.atomic_types],
        "cutoffs_A": sorted(
            options.engine_cutoff("angstrom") for options in model.requested_neighbor_lists()
        ),
        "interaction_range_A": reach if np.isfinite(reach) else None,
        "stated_range_A": stated if np.isfinite(stated) else None,
        "inputs": {name: assumed.get(name) for name in requested_inputs(model)},
        "length_unit": capabilities.length_unit,
        "outputs": [
            {
                "name": name,
                "unit": capabilities.outputs[name].unit,
                "per": capabilities.outputs[name].sample_kind,
                "used": name.split("/")[0] in USED_OUTPUTS,
            }
            # without the old names that metatomic adds for engines of before
            for name in model._model_capabilities_outputs_names
        ],
        "dtype": capabilities.dtype,
        "devices": list(capabilities.supported_devices),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "bytes": Path(path).stat().st_size,
        **versions,
    }


def _of_calculator(name: str) -> dict[str, Any]:
    """The same of what Python evaluates."""
    from md_bridge.calculators.opening import open_model

    model = open_model(name)
    outputs = [_OF_CALCULATORS[quantity] for quantity in model.quantities]
    reach = model.interaction_range
    return {
        "path": name,
        "name": model.name,
        "description": "evaluated by Python",
        "authors": [],
        "references": {},
        "extra": {},
        "elements": [_symbol(number) for number in model.atomic_numbers],
        "cutoffs_A": [],
        "interaction_range_A": reach if np.isfinite(reach) else None,
        "stated_range_A": reach if np.isfinite(reach) else None,
        "inputs": {each: model.assumed.get(each) for each in model.inputs},
        "length_unit": "angstrom",
        "outputs": [
            {"name": output, "unit": unit, "per": per, "used": True}
            for output, unit, per in outputs
        ],
        "dtype": "",
        "devices": [model.device],
        "parameters": None,
        "bytes": None,
        "exported": "",
        "torch": "",
        "metatomic": "",
    }


def _symbol(number: int) -> str:
    return chemical_symbols[number] if 0 < number < len(chemical_symbols) else str(number)


def _extra_files(path: str | os.PathLike[str]) -> dict[str, str]:
    """When and by which versions the file was made; other extra files may hold anything."""
    with zipfile.ZipFile(path) as archive:
        files = {name.rpartition("/extra/")[2]: name for name in archive.namelist()}

        def read(name: str, missing: str) -> str:
            return archive.read(files[name]).decode(errors="replace") if name in files else missing

        try:
            date = str(json.loads(read("export-metadata", "{}")).get("date", ""))
        except ValueError:
            date = ""
        return {
            "exported": date.partition("T")[0],
            "torch": read("torch-version", "unknown"),
            "metatomic": read("metatomic-version", "unknown"),
        }
