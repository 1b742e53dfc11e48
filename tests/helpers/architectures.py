"""Models of every kind that exports to the metatomic format, tiny and untrained, in float64."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, List, Optional, Tuple  # noqa: UP035 (TorchScript)

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)
from metatrain.utils.architectures import get_default_hypers, import_architecture
from metatrain.utils.data import DatasetInfo
from pet_models import target

from md_bridge.export.files import save_atomically

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
    outputs: Tuple[str, ...] = ("energy",),  # noqa: UP006
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


class PairEnergy(torch.nn.Module):
    """0.1 eV · Z plus ½ Σ (1 − r²/rc²)³ eV over the pairs of each list, half or full."""

    _lists: list[NeighborListOptions]

    def __init__(self, lists: List[Tuple[float, bool]]):  # noqa: UP006
        super().__init__()
        self._lists = [
            NeighborListOptions(cutoff=cutoff, full_list=full, strict=True)
            for cutoff, full in lists
        ]

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        return self._lists

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels] = None,  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        if "energy" not in outputs:
            return {}
        energies: List[torch.Tensor] = []  # noqa: UP006
        rows: List[torch.Tensor] = []  # noqa: UP006
        for s, system in enumerate(systems):
            energy = 0.1 * system.types.to(system.positions.dtype)
            for options in self._lists:
                pairs = system.get_neighbor_list(options)
                r2 = pairs.values.square().sum(dim=1).squeeze(-1)
                term = 0.5 * torch.relu(1.0 - r2 / options.cutoff**2) ** 3
                first = pairs.samples.column("first_atom").to(torch.int64)
                second = pairs.samples.column("second_atom").to(torch.int64)
                energy = energy.index_add(0, first, term)
                if not options.full_list:
                    energy = energy.index_add(0, second, term)
            energies.append(energy)
            rows.append(
                torch.stack([torch.full_like(system.types, s), torch.arange(len(system))], dim=1)
            )
        values, samples = torch.cat(energies), Labels(["system", "atom"], torch.cat(rows))
        if selected_atoms is not None:
            kept = samples.select(selected_atoms)
            values, samples = values[kept], Labels(samples.names, samples.values[kept])
        if outputs["energy"].sample_kind != "atom":
            total = torch.zeros(len(systems), dtype=values.dtype)
            values = total.index_add(0, samples.column("system").to(torch.int64), values)
            samples = Labels(["system"], torch.arange(len(systems)).reshape(-1, 1))
        one = torch.zeros((1, 1), dtype=torch.int64)
        block = TensorBlock(values.unsqueeze(1), samples, [], Labels(["energy"], one))
        return {"energy": TensorMap(Labels(["_"], one), [block])}


def pair_energy_file(
    path: Path,
    lists: List[Tuple[float, bool]],  # noqa: UP006
    per: str = "atom",
) -> Path:
    """Export :class:`PairEnergy` for H and O: no list, a half one, two.

    :param lists: cutoff (Å) and whether both directions are listed, of each
    :param per: of what there are energies: "atom", or "system" alone
    """
    capabilities = ModelCapabilities(
        outputs={"energy": ModelOutput(unit="eV", sample_kind=per)},
        atomic_types=[1, 8],
        interaction_range=max([0.0, *[cutoff for cutoff, _ in lists]]),
        length_unit="angstrom",
        supported_devices=["cpu"],
        dtype="float64",
    )
    model = AtomisticModel(PairEnergy(lists).eval(), ModelMetadata(), capabilities)
    return save_atomically(model, path)
