"""metatrain's PET, built anew in Python from the TorchScript in an exported file.

A file has the network's weights and its settings, but TorchScript cannot be differentiated and
compiled as a whole, nor does it show its layers; the Python class of the same name can and does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from md_bridge.export.errors import ExportError

__all__ = ["find_backbone", "rebuild_backbone"]

_SETTINGS = (
    "cutoff",
    "cutoff_function",
    "cutoff_width",
    "num_neighbors_adaptive",
    "adaptive_cutoff_method",
    "d_pet",
    "d_node",
    "d_head",
    "d_feedforward",
    "num_heads",
    "num_gnn_layers",
    "num_attention_layers",
    "normalization",
    "activation",
    "attention_temperature",
    "transformer_type",
    "featurizer_type",
)


def find_backbone(network: Any) -> tuple[Any, Any] | None:
    """The part of ``network`` that holds a PET, and its backbone; None if there is no PET.

    :param network: scripted, as :func:`metatomic.torch.load_atomistic_model` gives it
    :returns: the module whose ``backend`` the backbone is, and the backbone
    """
    for part in network.modules():
        backbone = getattr(part, "backend", None)
        if backbone is not None and hasattr(backbone, "featurizer_type"):
            return part, backbone
    return None


def rebuild_backbone(scripted: Any) -> Any:
    """metatrain's ``PETBackend`` in Python with the settings and weights of a scripted one.

    :param scripted: of this or a like release of metatrain
    :raises ExportError: metatrain is missing, or its class does not take the settings or weights
    """
    try:
        from metatrain.pet.modules.backend import PETBackend
    except ImportError as error:
        raise ExportError(
            "a PET is built anew from its file with the package metatrain, which is missing: "
            "pip install 'md-bridge[train]'"
        ) from error
    missing = [name for name in _SETTINGS if not hasattr(scripted, name)]
    if missing:
        raise ExportError(
            f"the PET in this file has no '{missing[0]}': it is of another release of metatrain "
            "than the one that is installed. Export its checkpoint again, and take that file"
        )
    state = dict(scripted.state_dict())
    settings: dict[str, Any] = {name: getattr(scripted, name) for name in _SETTINGS}
    settings["long_range"] = {"enable": bool(getattr(scripted, "nl_is_strict", False))}
    settings.update(_conditioning(state))
    try:
        backbone = PETBackend(settings, _atomic_types(state))
        for name, shapes in _heads(state):
            backbone.add_output(name, shapes)
        backbone.load_state_dict(state)
    except (RuntimeError, KeyError, TypeError) as error:
        raise ExportError(
            "the PET in this file does not fit the metatrain that is installed; export its "
            f"checkpoint again, and take that file. The reason: {error}"
        ) from error
    dtype = next(scripted.parameters()).dtype
    return backbone.to(dtype).eval().requires_grad_(False)


def _atomic_types(state: dict[str, torch.Tensor]) -> list[int]:
    place = state["species_to_species_index"]
    known = torch.nonzero(place >= 0).flatten()
    return known[torch.argsort(place[known])].tolist()


def _conditioning(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Settings of the network's charge and spin, from the sizes of their tables."""
    charges = state.get("system_conditioning.charge_embedding.weight")
    if charges is None:
        return {"system_conditioning": False}
    spins = state["system_conditioning.spin_multiplicity_embedding.weight"]
    return {
        "system_conditioning": True,
        "max_charge": (charges.shape[0] - 1) // 2,
        "max_spin_multiplicity": spins.shape[0],
    }


def _heads(state: dict[str, torch.Tensor]) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """Each output of the network, with the number of values in each of its blocks."""
    outputs: dict[str, dict[str, list[int]]] = {}
    for name, weight in state.items():
        if not name.startswith("node_last_layers.") or not name.endswith(".weight"):
            continue
        output, _layer, block = name.removesuffix(".weight").split(".")[1:]
        outputs.setdefault(output, {})[block] = [weight.shape[0]]
    yield from outputs.items()
