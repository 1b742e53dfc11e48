"""The weights of an exported PET in the two files that pet-kokkos reads.

``name.json`` has the hyper-parameters, the species, their composition energies and the scale of the
energy; ``name.safetensors`` the weights, as PET names them. All of it is in the exported file. The
direct heads stay behind: pet-kokkos has conservative forces only.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import torch

from md_bridge.bench.errors import UnavailableError

__all__ = ["convert"]

_WEIGHTS = (
    "gnn_layers.",
    "combination_norms.",
    "combination_mlps.",
    "node_embedders.",
    "edge_embedder.",
    "node_heads.energy.",
    "edge_heads.energy.",
    "node_last_layers.energy.",
    "edge_last_layers.energy.",
)
_HYPERS = (
    "d_pet",
    "d_head",
    "d_node",
    "num_heads",
    "num_attention_layers",
    "num_gnn_layers",
    "num_readout_layers",
    "normalization",
    "activation",
    "transformer_type",
    "featurizer_type",
    "attention_temperature",
    "cutoff",
    "cutoff_width",
    "cutoff_function",
    "num_neighbors_adaptive",
    "adaptive_cutoff_method",
)
"""Attributes of metatrain's ``PETBackend`` that pet-kokkos wants under the same names."""


def convert(model: Path, prefix: Path) -> Path:
    """Write ``prefix.json`` and ``prefix.safetensors``.

    That they give the energies and forces of the model is for the caller to check.

    :param model: an exported PET of metatrain, or one of our own training with a PET inside
    :param prefix: path without a suffix
    :returns: the prefix
    :raises UnavailableError: the file is not a PET that pet-kokkos can run
    """
    import metatomic.torch  # noqa: F401  (the classes inside the file)

    loaded = torch.jit.load(str(model), map_location="cpu")
    module = getattr(loaded, "module", None)
    backend = getattr(module, "backend", None)
    if module is None or backend is None or not hasattr(backend, "species_to_species_index"):
        raise UnavailableError(f"pet-kokkos runs PETs of metatrain only, and {model.name} is none")
    missing = [name for name in _HYPERS if not hasattr(backend, name)]
    if missing:
        raise UnavailableError(f"{model.name} does not say its {', '.join(missing)}")
    weights = {
        name.removeprefix("backend."): value
        for name, value in module.state_dict().items()
        if name.removeprefix("backend.").startswith(_WEIGHTS)
    }
    species = backend.species_to_species_index.tolist()
    count = max(species) + 1
    scale, offsets = _scale_and_offsets(module, species, count)
    content = {
        "format_version": 1,
        "architecture": "pet",
        "source_model": model.name,
        "target": "energy",
        "hypers": _hypers(module, backend, weights),
        "length_unit": "angstrom",
        "energy_unit": "eV",
        "energy_scale": scale,
        "n_species": count,
        "species_to_index": species,
        "composition_energies": offsets,
    }
    prefix.with_name(f"{prefix.name}.json").write_text(json.dumps(content), encoding="utf-8")
    _save_safetensors(prefix.with_name(f"{prefix.name}.safetensors"), weights)
    return prefix


def _hypers(module: Any, backend: Any, weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Hyper-parameters under pet-kokkos's names."""
    hypers = {name: getattr(backend, name) for name in _HYPERS}
    # SwiGLU has a gate beside each value, and so twice the rows
    gates = 2 if hypers["activation"] == "SwiGLU" else 1
    rows = weights["gnn_layers.0.trans.layers.0.mlp.w_in.weight"].shape[0]
    return {
        **hypers,
        "d_feedforward": rows // gates,
        "head_dim": hypers["d_pet"] // hypers["num_heads"],
        "cutoff_width_adaptive": getattr(module, "cutoff_width_adaptive", hypers["cutoff_width"]),
        "long_range_enabled": False,
    }


def _scale_and_offsets(module: Any, species: list[int], count: int) -> tuple[float, list[float]]:
    """Scale of the energy, and the composition energy of each species in the order of indices."""
    if hasattr(module, "energy_offsets"):  # our own training keeps them as plain numbers
        return float(module.energy_scale), module.energy_offsets.tolist()
    buffers = dict(module.named_buffers())
    try:
        composition = buffers["additive_models.0.energy_composition_buffer"]
        scales = buffers["scaler.energy_per_target_scaler_buffer"]
    except KeyError as error:
        raise UnavailableError(f"the file has no {error} to read energies of atoms from") from None
    from metatensor.torch import load_buffer

    block = load_buffer(composition).block(0)
    types = block.samples.column("center_type").tolist()
    of_type = dict(zip(types, block.values[:, 0].tolist(), strict=True))
    offsets = [0.0] * count
    for number, index in enumerate(species):
        if index >= 0:
            offsets[index] = of_type[number]
    return float(load_buffer(scales).block(0).values.flatten()[0]), offsets


def _save_safetensors(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """The format is a length, a header in JSON, and the numbers one after the other."""
    header: dict[str, Any] = {}
    chunks = []
    offset = 0
    for name, value in weights.items():
        chunk = value.detach().to(torch.float32).contiguous().numpy().tobytes()
        header[name] = {
            "dtype": "F32",
            "shape": list(value.shape),
            "data_offsets": [offset, offset + len(chunk)],
        }
        offset += len(chunk)
        chunks.append(chunk)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(chunks)
