"""Small untrained PET models: metatrain checkpoints to export, with the outputs a test wants."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("metatrain", reason="checkpoints are made and read by metatrain")

from metatrain.pet import PET
from metatrain.utils.architectures import get_default_hypers
from metatrain.utils.data import DatasetInfo
from metatrain.utils.data.target_info import get_energy_target_info, get_generic_target_info

DEFAULT_OUTPUTS = ("energy", "non_conservative_force", "non_conservative_stress")
TINY = {
    "cutoff": 3.5,
    "d_pet": 16,
    "d_head": 16,
    "d_node": 32,
    "d_feedforward": 32,
    "num_heads": 2,
    "num_attention_layers": 1,
}


def _target(name: str):
    base = name.split("/")[0]
    if base == "energy":
        return get_energy_target_info(name, {"quantity": "energy", "unit": "eV"})
    rank, sample_kind, unit = {
        "non_conservative_force": (1, "atom", "eV/A"),
        "non_conservative_stress": (2, "system", "eV/A^3"),
    }[base]
    layout = {"type": {"cartesian": {"rank": rank}}, "num_subtargets": 1}
    return get_generic_target_info(
        name, {"quantity": "", "unit": unit, "sample_kind": sample_kind, **layout}
    )


def pet_checkpoint(path, outputs=DEFAULT_OUTPUTS, elements=(1, 8), seed=0, **hypers) -> Path:
    """Write a checkpoint of an untrained PET at ``path`` and return the path.

    :param outputs: may have variants: ``energy/pbe``
    :param hypers: of PET, on top of :data:`TINY`; ``default_size=True`` for the published size
    """
    torch.manual_seed(seed)
    size = {} if hypers.pop("default_size", False) else TINY
    model_hypers = {**get_default_hypers("pet")["model"], **size, **hypers}
    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=list(elements),
        targets={name: _target(name) for name in outputs},
    )
    torch.save(PET(model_hypers, info).get_checkpoint(), path)
    return Path(path)


def uncertain_pet_checkpoint(path, elements=(1, 8), seed=0) -> Path:
    """Write a checkpoint of an untrained PET with the uncertainty model of metatrain around it."""
    from metatrain.llpr import LLPRUncertaintyModel

    torch.manual_seed(seed)
    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=list(elements),
        targets={name: _target(name) for name in DEFAULT_OUTPUTS},
    )
    pet = PET({**get_default_hypers("pet")["model"], **TINY}, info)
    model = LLPRUncertaintyModel(get_default_hypers("llpr")["model"], info)
    model.set_wrapped_model(pet)
    for name, buffer in model.named_buffers():
        if name.startswith(("covariance_", "cholesky_")):
            buffer.copy_(torch.eye(len(buffer)))
    torch.save(model.get_checkpoint(), path)
    return Path(path)
