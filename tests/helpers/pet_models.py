"""Small untrained PET models: metatrain checkpoints to export, with the outputs a test wants."""

from pathlib import Path

import pytest
import torch

pytest.importorskip("metatrain", reason="checkpoints are made and read by metatrain")

from metatomic.torch import load_atomistic_model
from metatrain.pet import PET
from metatrain.utils.architectures import get_default_hypers
from metatrain.utils.data import DatasetInfo
from metatrain.utils.data.target_info import get_energy_target_info, get_generic_target_info

from md_bridge._paths import DATA

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
        "non_conservative_forces": (1, "atom", "eV/A"),
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


def uncertain_pet_checkpoint(path, elements=(1, 8), seed=0, members=0) -> Path:
    """Write a checkpoint of an untrained PET with the uncertainty model of metatrain around it.

    :param members: of a committee for the energy, with random last layers; 0: none
    """
    from metatrain.llpr import LLPRUncertaintyModel

    torch.manual_seed(seed)
    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=list(elements),
        targets={name: _target(name) for name in DEFAULT_OUTPUTS},
    )
    pet = PET({**get_default_hypers("pet")["model"], **TINY}, info)
    hypers = get_default_hypers("llpr")["model"]
    if members:
        hypers = {**hypers, "num_ensemble_members": {"energy": members}}
    model = LLPRUncertaintyModel(hypers, info)
    model.set_wrapped_model(pet)
    for name, buffer in model.named_buffers():
        if name.startswith(("covariance_", "cholesky_")):
            buffer.copy_(torch.eye(len(buffer)))
    torch.save(model.get_checkpoint(), path)
    return Path(path)


def trained_pet_checkpoint(path, **hypers) -> Path:
    """Write a checkpoint of a PET with the weights of the bundled water model, energy only.

    Rounding errors show in a network with the gradients of a trained one, not in an untrained one.
    With an adaptive cutoff it is no good model of water, but its forces are of the right size.

    :param hypers: of PET, on top of those of the water model
    """
    size = {"cutoff": 4.0, "d_pet": 64, "d_head": 64, "d_node": 128, "d_feedforward": 128}
    size |= {"num_heads": 4, "num_attention_layers": 1, "num_gnn_layers": 2}
    info = DatasetInfo(
        length_unit="angstrom", atomic_types=[1, 8], targets={"energy": _target("energy")}
    )
    pet = PET({**get_default_hypers("pet")["model"], **size, **hypers}, info)
    water = load_atomistic_model(DATA / "water.pt")
    weights = {
        name.removeprefix("module.backend."): values
        for name, values in water.state_dict().items()
        if name.startswith("module.backend.")
    }
    pet.backend.load_state_dict(weights)
    with torch.no_grad():
        for name, values in pet.backend.named_parameters():
            if "last_layers.energy" in name:
                values *= water.module.energy_scale
    torch.save(pet.get_checkpoint(), path)
    return Path(path)
