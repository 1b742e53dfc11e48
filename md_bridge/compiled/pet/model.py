"""What a file with a PET computes, as a function of atoms and their pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from metatrain.pet.modules.utilities import cutoff_func_bump, cutoff_func_cosine

from md_bridge.compiled.pet.neighborhoods import Neighborhoods, rows_of_pairs
from md_bridge.compiled.pet.network import FusedPET
from md_bridge.compiled.pet.pair_forces import PairForces
from md_bridge.export.errors import ExportError
from md_bridge.export.pet_backbone import find_backbone, rebuild_backbone

__all__ = ["Outputs", "PETModel", "Prediction"]

_CUTOFF_FUNCTIONS = {"bump": cutoff_func_bump, "cosine": cutoff_func_cosine}


class Outputs(NamedTuple):
    """The network's own names of what is compiled; empty where it has no such output."""

    energy: str
    forces: str
    stress: str


class Prediction(NamedTuple):
    """What the network says of each of ``N`` atoms."""

    #: ``[N]`` float64, eV
    energies: torch.Tensor
    #: ``[N, 3]``, direct forces in eV/Å, net force and all; None where they were not wanted
    forces: torch.Tensor | None
    #: ``[N, 3, 3]``, its share of the direct stress times the volume, in eV; None likewise
    stresses: torch.Tensor | None


class PETModel(torch.nn.Module):
    """A PET from an exported file with its scales and the energies of lone atoms.

    :param network: scripted, the ``module`` of metatomic's ``AtomisticModel``
    :param outputs: which of its outputs to compute
    :raises ExportError: there is no PET in it, or one with parts that cannot be compiled
    """

    offsets: torch.Tensor
    force_scales: torch.Tensor

    def __init__(self, network: Any, outputs: Outputs) -> None:
        super().__init__()
        found = find_backbone(network)
        if found is None:
            raise ExportError("there is no PET in this model")
        whole, scripted = found
        self.backbone = rebuild_backbone(scripted)
        self.features = FusedPET(self.backbone)
        self.outputs = outputs
        self.width_adaptive = float(whole.cutoff_width_adaptive)
        self.pair_forces: PairForces | None = None
        elements = self.backbone.species_to_species_index >= 0
        self.types = torch.nonzero(elements).flatten().tolist()
        self.force_scales = torch.ones(1)
        self.stress_scale = 1.0
        if hasattr(whole, "head"):  # the bundled model
            self.pair_forces = PairForces(whole.head)
            self.energy_scale = float(whole.energy_scale)
            self.register_buffer("offsets", whole.energy_offsets.double())
        else:
            _require_short_range(whole)
            self._read_scales(whole)

    @property
    def adaptive(self) -> bool:
        """Whether each atom has a cutoff of its own."""
        return self.backbone.num_neighbors_adaptive is not None

    def adaptive_settings(self) -> dict[str, Any]:
        """The keywords of :func:`~md_bridge.compiled.pet.adaptive.atomic_cutoffs`."""
        return {
            "method": self.backbone.adaptive_cutoff_method,
            "target": self.backbone.num_neighbors_adaptive,
            "largest": self.backbone.cutoff,
            "width": self.width_adaptive,
        }

    def _read_scales(self, whole: Any) -> None:
        scales = {name: _block_values(map_) for name, map_ in whole.scaler.model.scales.items()}
        self.energy_scale = float(scales[self.outputs.energy])
        if self.outputs.forces:
            of_types = scales[self.outputs.forces].flatten()
            self.force_scales = of_types.to(next(self.backbone.parameters()).dtype)
        if self.outputs.stress:
            self.stress_scale = float(scales[self.outputs.stress])
        offsets = torch.zeros(len(self.types), dtype=torch.float64)
        for _, additive in whole.additive_models.named_children():
            offsets += self._offsets_of(additive)
        self.register_buffer("offsets", offsets)

    def _offsets_of(self, additive: Any) -> torch.Tensor:
        """The energy that a part adds for each element, in the order of the network's elements."""
        if additive.original_name != "CompositionModel":
            raise ExportError(
                f"the model adds a {additive.original_name} to its network, which cannot be "
                "compiled: run the TorchScript file itself"
            )
        block = additive.model.weights[self.outputs.energy].block(0)
        types = block.samples.values.flatten().tolist()
        values = dict(zip(types, block.values.flatten().tolist(), strict=True))
        return torch.tensor([values[kind] for kind in self.types], dtype=torch.float64)

    def forward(self, atoms: Neighborhoods, direct: bool) -> Prediction:
        """Energies, and direct forces and stresses where there are some.

        :param atoms: atoms and their pairs
        :param direct: whether more than the energies is wanted
        """
        elements = self.backbone.species_to_species_index[atoms.types]
        distances = torch.sqrt((atoms.vectors**2).sum(-1) + 1e-15)
        factors = _CUTOFF_FUNCTIONS[self.backbone.cutoff_function.lower()](
            distances, atoms.cutoffs, self.backbone.cutoff_width
        )
        nodes, edges = self.features(elements, distances, factors, atoms)

        def predict(name: str) -> torch.Tensor:
            return self._predict(name, nodes, edges, factors, atoms)

        energies = predict(self.outputs.energy).flatten().double() * self.energy_scale
        energies = energies + self.offsets[elements]
        if not direct:
            return Prediction(energies, None, None)
        if self.pair_forces is not None:
            return Prediction(energies, *self.pair_forces(nodes[0], edges[0], distances, atoms))
        forces = stresses = None
        if self.outputs.forces:
            forces = predict(self.outputs.forces) * self.force_scales[elements][:, None]
        if self.outputs.stress:
            tensors = predict(self.outputs.stress).reshape(-1, 3, 3) * self.stress_scale
            stresses = 0.5 * (tensors + tensors.transpose(1, 2))
        return Prediction(energies, forces, stresses)

    def _predict(
        self,
        name: str,
        nodes: list[torch.Tensor],
        edges: list[torch.Tensor],
        factors: torch.Tensor,
        atoms: Neighborhoods,
    ) -> torch.Tensor:
        """``[N, F]``, an output of the network before its scale."""
        backbone = self.backbone
        of_atoms, of_pairs = [], []
        for layer, (node, edge) in enumerate(zip(nodes, edges, strict=True)):
            (of_node,) = backbone.node_last_layers[name][layer].values()
            (of_edge,) = backbone.edge_last_layers[name][layer].values()
            of_atoms.append(of_node(backbone.node_heads[name][layer](node)))
            of_pairs.append(of_edge(backbone.edge_heads[name][layer](edge)))
        pairs = sum(of_pairs[1:], of_pairs[0]) * factors[:, None]
        return sum(of_atoms[1:], of_atoms[0]) + rows_of_pairs(pairs, atoms.rows, atoms.places).sum(
            1
        )


def _block_values(tensor_map: Any) -> torch.Tensor:
    """The values of the only block of a metatensor ``TensorMap``."""
    values: torch.Tensor = tensor_map.block(0).values
    return values


def _require_short_range(whole: Any) -> None:
    if bool(getattr(whole, "long_range", False)):
        raise ExportError(
            "the model has long-range features, which cannot be compiled: run the TorchScript "
            "file itself"
        )
