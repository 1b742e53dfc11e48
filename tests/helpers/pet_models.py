"""Small untrained models of metatrain, most of them PETs: checkpoints to export, with the outputs a
test wants."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

pytest.importorskip("metatrain", reason="checkpoints are made and read by metatrain")

from metatomic.torch import load_atomistic_model
from metatrain.pet import PET
from metatrain.utils.architectures import get_default_hypers, import_architecture
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
# PET-MAD, PET-OMat and their kin come in these sizes (documentation of UPET, arXiv:2601.16195).
# What it leaves out (d_node = 4 d_pet, d_head = d_pet, d_feedforward = 2 d_pet) gives exactly the
# 4.5, 25.9 and 109 million parameters that it states, with direct forces and stress.
PUBLISHED = {
    size: {
        "cutoff": cutoff,
        "num_neighbors_adaptive": neighbors,
        "d_pet": width,
        "d_head": width,
        "d_node": 4 * width,
        "d_feedforward": 2 * width,
        "num_heads": 8,
        "num_gnn_layers": layers,
        "num_attention_layers": attention,
    }
    for size, cutoff, neighbors, width, layers, attention in (
        ("XS", 7.5, 8, 128, 2, 1),
        ("S", 8.0, 16, 256, 3, 1),
        ("M", 8.5, 24, 384, 3, 2),
    )
}
LONG_RANGE = {
    "enable": True,
    "use_ewald": True,
    "smearing": 1.4,
    "kspace_resolution": 1.33,
    "interpolation_nodes": 5,
}


def target(name: str):
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
        targets={name: target(name) for name in outputs},
    )
    torch.save(PET(model_hypers, info).get_checkpoint(), path)
    return Path(path)


def charged_pet_checkpoint(path, **hypers) -> Path:
    """Write a checkpoint of a PET with charge and spin, which an untrained one leaves without
    effect; for the rest as :func:`pet_checkpoint`."""
    pet_checkpoint(path, system_conditioning=True, **hypers)
    contents = torch.load(path, weights_only=False)
    for state in (contents["model_state_dict"], contents["best_model_state_dict"]):
        for name in ("weight", "bias"):
            gate = state[f"backend.system_conditioning.project.2.{name}"]
            gate.copy_(0.1 * torch.cos(torch.arange(gate.numel())).reshape(gate.shape))
    torch.save(contents, path)
    return Path(path)


def uncertain_pet_checkpoint(path, elements=(1, 8), seed=0, members=0, **hypers) -> Path:
    """Write a checkpoint of an untrained PET with the uncertainty model of metatrain around it.

    :param members: of a committee for the energy, with random last layers; 0: none
    :param hypers: of PET, on top of :data:`TINY`
    """
    from metatrain.llpr import LLPRUncertaintyModel

    torch.manual_seed(seed)
    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=list(elements),
        targets={name: target(name) for name in DEFAULT_OUTPUTS},
    )
    pet = PET({**get_default_hypers("pet")["model"], **TINY, **hypers}, info)
    llpr = get_default_hypers("llpr")["model"]
    if members:
        llpr = {**llpr, "num_ensemble_members": {"energy": members}}
    model = LLPRUncertaintyModel(llpr, info)
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
        length_unit="angstrom", atomic_types=[1, 8], targets={"energy": target("energy")}
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


# what makes each architecture of metatrain small; all have an energy
SMALL = {
    "soap_bpnn": {
        "soap": {"max_angular": 2, "max_radial": 2, "cutoff": {"radius": 3.5, "width": 0.5}},
        "bpnn": {"num_hidden_layers": 1, "num_neurons_per_layer": 8, "layernorm": True},
    },
    "experimental.space": {
        "num_tensor_products": 2,
        "num_gnn_layers": 1,
        "cutoff": 3.5,
        "num_neighbors_adaptive": 8,
        "num_element_channels": 8,
        "radial_basis": {
            "max_eigenvalue": 25.0,
            "element_scale": 0.7,
            "mlp_depth": 2,
            "mlp_expansion_ratio": 1,
        },
    },
    "experimental.mace": {
        "r_max": 3.5,
        "hidden_irreps": "4x0e + 4x1o",
        "MLP_irreps": "4x0e",
        "radial_MLP": [8],
        "max_ell": 2,
        "correlation": 2,
        "num_radial_basis": 4,
    },
}


def architecture_checkpoint(
    path: Path,
    name: str,
    outputs: tuple[str, ...] = ("energy",),
) -> Path:
    """Write a checkpoint of an untrained model of this architecture of metatrain for H and O."""
    torch.manual_seed(0)
    info = DatasetInfo(
        length_unit="angstrom",
        atomic_types=[1, 8],
        targets={output: target(output) for output in outputs},
    )
    hypers = {**get_default_hypers(name)["model"], **SMALL[name]}
    torch.save(import_architecture(name).__model__(hypers, info).get_checkpoint(), path)
    return Path(path)


@contextmanager
def loaded_extensions_forgotten() -> Iterator[None]:
    """Let other models of this process not say that they need what is loaded within.

    metatomic writes into every file which TorchScript extensions the process had loaded.
    """
    before = set(torch.ops.loaded_libraries)
    yield
    torch.ops.loaded_libraries.intersection_update(before)


class Hub:
    """A hub with two versions of a model, and no network to any other."""

    files = ("models/pet-mad-s-v1.9.0.ckpt", "models/pet-mad-s-v1.10.0.ckpt")

    def __init__(self, monkeypatch, checkpoint):
        self.checkpoint, self.asked = checkpoint, []
        monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda *_: list(self.files))
        monkeypatch.setattr("huggingface_hub.hf_hub_download", self.download)

    def download(self, repository, file):
        self.asked.append((repository, file))
        return shutil.copy(self.checkpoint, Path(file).name)
