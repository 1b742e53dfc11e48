"""A direct-force head for PET in which the network predicts pair forces, not atom forces.

The force on atom i is a sum over its neighbours, ``F_i = sum_j f_ij`` with ``f_ij = -f_ji``, so
that the net force is exactly zero and the pair forces carry a stress. A pair force is

    f_ij = w(r_ij) * [ s_ij r_ij / |r_ij|  +  (q_ij - q_ji) ]

with a scalar ``s_ij = s_ji`` for the central part (about 97 % of the pair force of a trained PET,
which is why this head learns fast), a free Cartesian vector ``q_ij`` for the rest, and a smooth
envelope ``w(r) = (1 - (r / cutoff)^2)^3``. Both ``s`` and ``q`` are small networks of PET's own
edge and node features, which stay frozen: energies and conservative forces do not change.
"""

# TorchScript and metatomic read the annotations of this file, and want typing's names.
# ruff: noqa: UP006, UP035, UP045
from typing import Dict, List, Optional, Tuple

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, NeighborListOptions, System
from metatrain.pet import PET
from metatrain.pet.modules.structures import concatenate_structures
from torch import nn


class PairForceHead(nn.Module):
    """Antisymmetric pair forces from the node and edge features of a PET backbone.

    :param node_size: length of a node feature vector
    :param edge_size: length of an edge feature vector
    :param cutoff: range of the pairs, in Å
    :param width: length of the per-edge hidden vector
    :param hidden: lengths of the two hidden layers that give the central scalar
    :param radial: number of Gaussians of 1/r in which the pair distance is expanded: equal steps
        in 1/r are fine where the covalent bonds are, whose vibrations limit the outer time step
    """

    radial_centers: torch.Tensor
    node_mean: torch.Tensor
    node_scale: torch.Tensor
    edge_mean: torch.Tensor
    edge_scale: torch.Tensor

    def __init__(
        self,
        node_size: int,
        edge_size: int,
        cutoff: float,
        width: int = 128,
        hidden: Tuple[int, int] = (128, 64),
        radial: int = 24,
    ) -> None:
        super().__init__()
        self.options = {
            "node_size": node_size,
            "edge_size": edge_size,
            "cutoff": cutoff,
            "width": width,
            "hidden": hidden,
            "radial": radial,
        }
        self.cutoff = cutoff
        self.radial_spacing = (1.0 / 0.8 - 1.0 / cutoff) / (radial - 1)
        self.register_buffer("radial_centers", torch.linspace(1.0 / cutoff, 1.0 / 0.8, radial))
        self.register_buffer("node_mean", torch.zeros(node_size))
        self.register_buffer("node_scale", torch.ones(node_size))
        self.register_buffer("edge_mean", torch.zeros(edge_size))
        self.register_buffer("edge_scale", torch.ones(edge_size))
        self.edge_in = nn.Linear(edge_size, width)
        self.node_in = nn.Linear(node_size, width, bias=False)
        self.radial_in = nn.Linear(radial + 2, width, bias=False)
        self.central = nn.Sequential(
            nn.Linear(width, hidden[0]),
            nn.SiLU(),
            nn.Linear(hidden[0], hidden[1]),
            nn.SiLU(),
            nn.Linear(hidden[1], 1),
        )
        self.rest_hidden = nn.Linear(width, hidden[1])
        self.rest_out = nn.Linear(hidden[1], 3, bias=False)
        nn.init.zeros_(self.rest_out.weight)

    def normalise_inputs(self, node: torch.Tensor, edge: torch.Tensor) -> None:
        """Take the mean and spread of the features from a sample of atoms and pairs."""
        self.node_mean.copy_(node.mean(0))
        self.node_scale.copy_(1.0 / (node.std(0) + 0.05))
        self.edge_mean.copy_(edge.mean(0))
        self.edge_scale.copy_(1.0 / (edge.std(0) + 0.05))

    def forward(
        self,
        node: torch.Tensor,
        edge: torch.Tensor,
        vectors: torch.Tensor,
        centers: torch.Tensor,
        reverse: torch.Tensor,
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        """Pair forces, each pair once.

        :param node: (atoms, node_size) features
        :param edge: (pairs, edge_size) features of the directed pairs i -> j
        :param vectors: (pairs, 3) r_j - r_i in Å
        :param centers: (pairs,) index of atom i
        :param reverse: (pairs,) index of the pair j -> i
        :return: indices (pairs / 2,) of one direction of each pair, and the force (pairs / 2, 3) on
            its atom i in eV/Å; the force on atom j is the opposite
        """
        order = torch.arange(reverse.shape[0], device=reverse.device)
        half = torch.nonzero(order < reverse).squeeze(1)
        back = reverse[half]
        r = vectors[half]
        distance = torch.sqrt((r * r).sum(1, keepdim=True) + 1e-15)

        hidden = self.edge_in((edge - self.edge_mean) * self.edge_scale)
        hidden = hidden + self.node_in((node - self.node_mean) * self.node_scale)[centers]
        inverse = 1.0 / (distance + 1e-6)
        gaussians = torch.exp(-0.5 * ((inverse - self.radial_centers) / self.radial_spacing) ** 2)
        radial = self.radial_in(torch.cat([gaussians, distance - 2.0, 1.0 / (distance + 0.2)], 1))
        there = nn.functional.silu(hidden[half] + radial)
        return_ = nn.functional.silu(hidden[back] + radial)

        # A sum over both directions makes s_ij symmetric, whatever network follows.
        central = self.central(there + return_) * (r / distance)
        rest = self.rest_out(
            nn.functional.silu(self.rest_hidden(there))
            - nn.functional.silu(self.rest_hidden(return_))
        )
        inside = torch.clamp(1.0 - (distance / self.cutoff) ** 2, min=0.0)
        return half, inside * inside * inside * (central + rest)


class WaterModel(nn.Module):
    """A trained PET whose direct forces and stress come from a :class:`PairForceHead`.

    Outputs ``energy`` (eV, per atom or per system), ``non_conservative_force`` (eV/Å, per atom) and
    ``non_conservative_stress`` (eV/Å^3, positive in tension; of a system, or each atom's share).
    Only what is asked for is computed.
    """

    energy_offsets: torch.Tensor

    def __init__(self, pet: PET, head: PairForceHead) -> None:
        super().__init__()
        self.backend = pet.backend
        for name in list(self.backend.node_heads.keys()):
            if name != "energy":
                self.backend.remove_output(name)
        self.head = head
        self.cutoff_width_adaptive = float(pet.cutoff_width_adaptive)
        self.neighbor_options: NeighborListOptions = pet.requested_nl
        # One scale for the energy and one offset for each element, which metatrain fits.
        scale = pet.scaler.model.per_target_scales["energy"].block().values.flatten()
        offsets = pet.additive_models[0].model.weights["energy"].block().values.flatten()
        self.energy_scale = float(scale[0])
        self.register_buffer("energy_offsets", offsets.to(torch.float64).clone())

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """The pair list that the backbone reads."""
        return [self.neighbor_options]

    def _energies(
        self,
        node: List[torch.Tensor],
        edge: List[torch.Tensor],
        batch: Dict[str, torch.Tensor],
        cells: torch.Tensor,
        system_indices: torch.Tensor,
    ) -> torch.Tensor:
        """(atoms, 1) energies in eV, in double precision so that the large offsets sum exactly."""
        predicted, _, _ = self.backend.predict(node, edge, batch, cells, system_indices, ["energy"])
        energies = predicted["energy"][0].to(torch.float64) * self.energy_scale
        offsets = self.energy_offsets.to(torch.float64)[batch["element_indices_nodes"]]
        return energies + offsets[:, None]

    def _pair_forces(
        self, node: torch.Tensor, edge: torch.Tensor, batch: Dict[str, torch.Tensor]
    ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Centres i, neighbours j, vectors r_j - r_i and forces on i, each pair once."""
        centers = batch["centers"]
        slots = batch["nef_to_edges_neighbor"]
        # From PET's padded (atom, slot) layout to a plain list of pairs, and the same for ji.
        width = batch["edge_vectors"].shape[1]
        position = torch.zeros(node.shape[0] * width, dtype=torch.int64, device=node.device)
        position[centers * width + slots] = torch.arange(centers.shape[0], device=node.device)
        reverse = position[batch["reverse_neighbor_index"][centers, slots]]
        vectors = batch["edge_vectors"][centers, slots]
        half, forces = self.head(node, edge[centers, slots], vectors, centers, reverse)
        return centers[half], batch["neighbors"][half], vectors[half], forces

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels] = None,
    ) -> Dict[str, TensorMap]:
        """See :class:`metatomic.torch.ModelInterface`."""
        (
            positions,
            centers,
            neighbors,
            species,
            cells,
            cell_shifts,
            system_indices,
            samples,
        ) = concatenate_structures(systems, self.neighbor_options)
        batch = self.backend.preprocess(
            positions,
            centers,
            neighbors,
            species,
            cells,
            cell_shifts,
            system_indices,
            self.cutoff_width_adaptive,
        )
        node, edge = self.backend.calculate_features(batch)

        per_atom: Dict[str, torch.Tensor] = {}
        if "energy" in outputs:
            per_atom["energy"] = self._energies(node, edge, batch, cells, system_indices)
        if "non_conservative_force" in outputs or "non_conservative_stress" in outputs:
            i, j, vectors, forces = self._pair_forces(node[0], edge[0], batch)
            if "non_conservative_force" in outputs:
                total = torch.zeros_like(positions).index_add(0, i, forces)
                total = total.index_add(0, j, -forces)
                per_atom["non_conservative_force"] = total[:, :, None]
            if "non_conservative_stress" in outputs:
                # dE/d(strain) / V = sum over pairs of r (x) f / V, half to each atom of the pair.
                volumes = torch.abs(torch.det(cells))
                volumes = torch.where(volumes == 0.0, torch.full_like(volumes, torch.inf), volumes)
                pair = vectors[:, :, None] * forces[:, None, :]
                pair = (
                    0.25 * (pair + pair.transpose(1, 2)) / volumes[system_indices[i]][:, None, None]
                )
                share = torch.zeros(
                    (positions.shape[0], 3, 3), dtype=pair.dtype, device=pair.device
                )
                share = share.index_add(0, i, pair).index_add(0, j, pair)
                per_atom["non_conservative_stress"] = share[:, :, :, None]

        results: Dict[str, TensorMap] = {}
        for name, values in per_atom.items():
            results[name] = self._tensor_map(
                name,
                values,
                samples,
                selected_atoms,
                outputs[name].sample_kind == "atom",
                len(systems),
                positions.dtype,
            )
        return results

    def _tensor_map(
        self,
        name: str,
        values: torch.Tensor,
        samples: Labels,
        selected_atoms: Optional[Labels],
        per_atom: bool,
        n_systems: int,
        dtype: torch.dtype,
    ) -> TensorMap:
        """One block of per-atom values, restricted to the selected atoms, summed if asked for."""
        device = values.device
        if selected_atoms is not None:
            kept = samples.select(selected_atoms)
            values = values[kept]
            samples = Labels(samples.names, samples.values[kept], assume_unique=True)
        if not per_atom:
            shape = list(values.shape)
            shape[0] = n_systems
            summed = torch.zeros(shape, dtype=values.dtype, device=device)
            values = summed.index_add(0, samples.column("system").to(torch.int64), values)
            index = torch.arange(n_systems, device=device).reshape(-1, 1)
            samples = Labels(["system"], index, assume_unique=True)
        axis = torch.arange(3, device=device).reshape(-1, 1)
        components: List[Labels] = []
        if values.dim() == 3:
            components = [Labels(["xyz"], axis)]
        elif values.dim() == 4:
            components = [Labels(["xyz_1"], axis), Labels(["xyz_2"], axis)]
        zero = torch.zeros((1, 1), dtype=torch.int64, device=device)
        block = TensorBlock(values.to(dtype), samples, components, Labels([name], zero))
        return TensorMap(Labels(["_"], zero), [block])
