"""The metatomic face of a plain torch module: what ends up in the exported file.

Everything here is compiled by TorchScript, which is why it keeps to its dialect (typing's List and
Dict, no keyword-only arguments, no ``from __future__ import annotations``).
"""
# ruff: noqa: UP006, UP035, UP045

from typing import Dict, List, Optional, Tuple

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import ModelOutput, NeighborListOptions, System

from md_bridge.export.torch_module.edges import complete_cells, shifts_of_vectors

__all__ = ["PlainModuleModel"]


class PlainModuleModel(torch.nn.Module):
    """A :py:class:`metatomic.torch.ModelInterface` around a module that takes plain tensors.

    :param module: called as ``module(types, positions, cell, pairs, shifts, structure)``; see
        :func:`md_bridge.export.export_module`
    :param cutoff: of the pair list, in the length unit of the model
    :param stress_per_atom: the module returns contributions of the atoms, ``[N, 3, 3]``, that add
        up to the stress, instead of the stress of each structure, ``[S, 3, 3]``
    :param edge_gradients: gradients go through the vectors of the pair list alone, for engines
        that ask for it (by data of that name, ``mdbridge::pair_gradients``, with the systems):
        right where the energy depends on positions and cell through them only
    """

    def __init__(
        self,
        module: torch.nn.Module,
        cutoff: float,
        stress_per_atom: bool,
        edge_gradients: bool = False,
    ):
        super().__init__()
        self.module = module
        self.stress_per_atom = stress_per_atom
        self.edge_gradients = edge_gradients
        self.pair_list = NeighborListOptions(
            cutoff=cutoff, full_list=True, strict=True, requestor="md-bridge export"
        )

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:
        """The one pair list: each pair in both directions, none longer than the cutoff."""
        return [self.pair_list]

    def forward(
        self,
        systems: List[System],
        outputs: Dict[str, ModelOutput],
        selected_atoms: Optional[Labels],
    ) -> Dict[str, TensorMap]:
        """Called by metatomic; see :py:meth:`metatomic.torch.ModelInterface.forward`."""
        results: Dict[str, TensorMap] = {}
        if len(systems) == 0 or len(outputs) == 0:
            return results

        types = torch.cat([system.types for system in systems]).to(torch.int64)
        positions = torch.cat([system.positions for system in systems])
        cell = torch.stack([system.cell for system in systems])
        sizes = torch.tensor([len(system) for system in systems], device=positions.device)
        first_atoms = sizes.cumsum(0) - sizes
        structure = torch.repeat_interleave(sizes)
        pairs, shifts = self._concatenate_pairs(systems, positions)

        # an inverse of each cell, which only gradients of pair vectors are worth
        if self.edge_gradients and "mdbridge::pair_gradients" in systems[0].known_data():
            lists = [system.get_neighbor_list(self.pair_list) for system in systems]
            vectors = torch.cat([pair_list.values.reshape(-1, 3) for pair_list in lists])
            positions = positions.detach()
            cell = complete_cells(cell.detach())
            shifts = shifts_of_vectors(shifts, vectors, cell, structure[pairs[:, 0]])

        plain = self.module(types, positions, cell, pairs, shifts, structure)

        # [M, 2] (structure, atom) and the index among all atoms of what is asked for
        if selected_atoms is None:
            atom = torch.arange(positions.size(0), device=positions.device)
            labels = torch.stack([structure, atom - first_atoms[structure]], dim=1)
            subset = torch.jit.annotate(Optional[torch.Tensor], None)
        else:
            labels = selected_atoms.values.to(torch.int64)
            subset = first_atoms[labels[:, 0]] + labels[:, 1]
        atom_samples = Labels(["system", "atom"], labels.to(torch.int32), assume_unique=True)

        for name, output in outputs.items():
            if name == "energy":
                values = self._take(plain["energy"], subset)
                if output.sample_kind == "system":
                    values = self._sum(values, labels[:, 0], len(systems))
                results[name] = self._scalar(values, "energy", output, atom_samples, len(systems))
            elif name == "energy_uncertainty":
                if output.sample_kind == "system":
                    raise ValueError(
                        "this model knows the uncertainty of each atom's energy, not that of a "
                        "whole structure: ask for 'energy_uncertainty' with sample_kind='atom'"
                    )
                values = self._take(plain["uncertainty"], subset)
                results[name] = self._scalar(values, name, output, atom_samples, len(systems))
            elif name == "non_conservative_force":
                results[name] = self._forces(self._take(plain["forces"], subset), atom_samples)
            elif name == "non_conservative_stress":
                stress = plain["stress"]
                if self.stress_per_atom:
                    stress = self._sum(self._take(stress, subset), labels[:, 0], len(systems))
                elif subset is not None and subset.numel() != positions.size(0):
                    raise ValueError(
                        "this model predicts the direct stress of a whole structure, so the share "
                        "of some of its atoms (several MPI ranks) is not defined: use one rank, or "
                        "the conservative stress, or a model that returns 'stress' per atom"
                    )
                results[name] = self._stress(stress)
            else:
                raise ValueError("this model has no output '" + name + "'")

        return results

    def _concatenate_pairs(
        self, systems: List[System], positions: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        pairs: List[torch.Tensor] = []
        shifts: List[torch.Tensor] = []
        first_atom = 0
        for system in systems:
            samples = system.get_neighbor_list(self.pair_list).samples.values
            pairs.append(samples[:, :2].to(torch.int64) + first_atom)
            shifts.append(samples[:, 2:5].to(positions.dtype))
            first_atom += len(system)
        return torch.cat(pairs), torch.cat(shifts)

    def _take(self, values: torch.Tensor, subset: Optional[torch.Tensor]) -> torch.Tensor:
        return values if subset is None else values.index_select(0, subset)

    def _sum(self, values: torch.Tensor, structure: torch.Tensor, n: int) -> torch.Tensor:
        shape = [n] + list(values.shape[1:])  # noqa: RUF005 (TorchScript)
        total = torch.zeros(shape, dtype=values.dtype, device=values.device)
        return total.index_add(0, structure, values)

    def _system_samples(self, n: int, device: torch.device) -> Labels:
        values = torch.arange(n, dtype=torch.int32, device=device).reshape(-1, 1)
        return Labels(["system"], values, assume_unique=True)

    def _map(
        self,
        values: torch.Tensor,
        samples: Labels,
        components: List[Labels],
        property_name: str,
    ) -> TensorMap:
        device = values.device
        zero = torch.zeros((1, 1), dtype=torch.int32, device=device)
        block = TensorBlock(
            values=values.unsqueeze(-1),
            samples=samples,
            components=components,
            properties=Labels([property_name], zero, assume_unique=True),
        )
        return TensorMap(Labels(["_"], zero, assume_unique=True), [block])

    def _scalar(
        self,
        values: torch.Tensor,
        property_name: str,
        output: ModelOutput,
        atom_samples: Labels,
        n_systems: int,
    ) -> TensorMap:
        samples = atom_samples
        if output.sample_kind == "system":
            samples = self._system_samples(n_systems, values.device)
        no_components: List[Labels] = []
        return self._map(values, samples, no_components, property_name)

    def _forces(self, values: torch.Tensor, atom_samples: Labels) -> TensorMap:
        xyz = torch.arange(3, dtype=torch.int32, device=values.device).reshape(3, 1)
        components = [Labels(["xyz"], xyz, assume_unique=True)]
        return self._map(values, atom_samples, components, "non_conservative_force")

    def _stress(self, values: torch.Tensor) -> TensorMap:
        xyz = torch.arange(3, dtype=torch.int32, device=values.device).reshape(3, 1)
        components = [
            Labels(["xyz_1"], xyz, assume_unique=True),
            Labels(["xyz_2"], xyz, assume_unique=True),
        ]
        samples = self._system_samples(values.size(0), values.device)
        return self._map(values, samples, components, "non_conservative_stress")
