"""What the scripts here ask of a trained PET, in plain tensors: features and exact labels."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from metatrain.pet import PET
from metatrain.pet.modules.utilities import cutoff_func_bump
from vesin import NeighborList

Structure = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Atomic numbers (n,), positions (n, 3) in Å, cell (3, 3) in Å with lattice vectors in rows."""


@dataclass
class Sample:
    """One structure as the direct head sees it, with the labels it learns from."""

    centers: torch.Tensor
    """(pairs,) index of atom i of each directed pair"""
    neighbors: torch.Tensor
    """(pairs,) index of atom j"""
    reverse: torch.Tensor
    """(pairs,) index of the pair j -> i"""
    vectors: torch.Tensor
    """(pairs, 3) r_j - r_i, Å"""
    node: torch.Tensor
    """(atoms, node_size) features of the backbone"""
    edge: torch.Tensor
    """(pairs, edge_size) features of the backbone"""
    pair_forces: torch.Tensor
    """(pairs, 3) label: force on i from the pair, eV/Å"""
    forces: torch.Tensor
    """(atoms, 3) label: conservative forces, eV/Å"""
    volume: torch.Tensor
    """(1,) Å^3"""

    def stress(self, pair_forces: torch.Tensor) -> torch.Tensor:
        """(3, 3) symmetric stress in eV/Å^3 (positive in tension) of (pairs, 3) pair forces."""
        virial = 0.5 * self.vectors.T @ pair_forces
        return 0.5 * (virial + virial.T) / self.volume


def batch(samples: list[Sample]) -> Sample:
    """Several structures as one, with indices shifted."""
    atoms = np.cumsum([0] + [len(s.node) for s in samples])
    pairs = np.cumsum([0] + [len(s.centers) for s in samples])
    shift = {"centers": atoms, "neighbors": atoms, "reverse": pairs}
    parts = {}
    for field in fields(Sample):
        tensors = [getattr(s, field.name) for s in samples]
        if field.name in shift:
            tensors = [t + int(n) for t, n in zip(tensors, shift[field.name], strict=False)]
        parts[field.name] = torch.cat(tensors)
    return Sample(**parts)


class Backbone:
    """A PET whose features and pair forces are wanted for many periodic structures.

    :param pet: model in evaluation mode with the Bump cutoff function
    """

    def __init__(self, pet: PET) -> None:
        if pet.cutoff_function.lower() != "bump" or pet.num_neighbors_adaptive is not None:
            raise ValueError(
                "expected a PET with a fixed cutoff and the Bump cutoff function, found "
                f"cutoff_function {pet.cutoff_function!r} and num_neighbors_adaptive "
                f"{pet.num_neighbors_adaptive}: adapt Backbone._smooth_cutoff to it"
            )
        self.pet = pet
        self.network = pet.backend
        self.energy_scale = float(
            pet.scaler.model.per_target_scales["energy"].block().values.flatten()[0]
        )
        force_scales = pet.scaler.model.per_target_scales["non_conservative_force"]
        self.force_scales = force_scales.block().values.flatten().to(torch.float32)
        self.pairs = NeighborList(cutoff=pet.cutoff, full_list=True)

    def _padded(self, structures: list[Structure]) -> dict[str, torch.Tensor]:
        """PET's own padded neighbour tensors of a batch, with its cells and system indices."""
        lists = [
            self.pairs.compute(points=x, box=cell, periodic=True, quantities="ijS")
            for _, x, cell in structures
        ]
        counts = [len(z) for z, _, _ in structures]
        offsets = np.cumsum([0, *counts])

        def whole(arrays: list[np.ndarray]) -> torch.Tensor:
            return torch.as_tensor(np.concatenate(arrays), dtype=torch.int64)

        cells = torch.as_tensor(np.array([c for _, _, c in structures]), dtype=torch.float32)
        system_indices = torch.repeat_interleave(
            torch.arange(len(structures)), torch.as_tensor(counts)
        )
        species = whole([z for z, _, _ in structures])
        padded = self.network.preprocess(
            torch.as_tensor(np.concatenate([x for _, x, _ in structures]), dtype=torch.float32),
            whole([i.astype(np.int64) + n for (i, _, _), n in zip(lists, offsets, strict=False)]),
            whole([j.astype(np.int64) + n for (_, j, _), n in zip(lists, offsets, strict=False)]),
            species,
            cells,
            whole([shift for _, _, shift in lists]),
            system_indices,
            self.pet.cutoff_width_adaptive,
        )
        padded.update(cells=cells, system_indices=system_indices)
        return padded

    def _smooth_cutoff(
        self, padded: dict[str, torch.Tensor], distances: torch.Tensor
    ) -> torch.Tensor:
        """The cutoff factors again, as a function of distances that carry a gradient."""
        flat = distances.reshape(-1)
        cutoffs = torch.full_like(flat, self.pet.cutoff)
        factors = cutoff_func_bump(flat, cutoffs, self.pet.cutoff_width).reshape(distances.shape)
        return torch.where(padded["padding_mask"], factors, torch.zeros_like(factors))

    def sample(self, structure: Structure) -> Sample:
        """Features of one structure, and the pair forces that its energy implies.

        The energy is a function of the pair vectors r_ij alone, so with G_ij = dE/dr_ij the
        conservative force is F_i = sum_j (G_ij - G_ji): each term is the force of one pair.
        """
        padded = self._padded([structure])
        vectors = padded["edge_vectors"].detach().requires_grad_(True)
        distances = torch.sqrt((vectors**2).sum(2) + 1e-15)
        padded["edge_vectors"] = vectors
        padded["edge_distances"] = distances
        padded["cutoff_factors"] = self._smooth_cutoff(padded, distances)
        node, edge = self.network.calculate_features(padded)
        predicted, _, _ = self.network.predict(
            node, edge, padded, padded["cells"], padded["system_indices"], ["energy"]
        )
        energy = predicted["energy"][0].sum() * self.energy_scale
        (gradient,) = torch.autograd.grad(energy, vectors)

        centers, slots = padded["centers"], padded["nef_to_edges_neighbor"]
        position = torch.zeros(vectors.shape[:2], dtype=torch.int64)
        position[centers, slots] = torch.arange(len(centers))
        reverse = position.flatten()[padded["reverse_neighbor_index"][centers, slots]]
        gradient = gradient[centers, slots]
        pair_forces = gradient - gradient[reverse]
        forces = torch.zeros(len(structure[0]), 3).index_add(0, centers, pair_forces)
        return Sample(
            centers=centers,
            neighbors=padded["neighbors"],
            reverse=reverse,
            vectors=vectors.detach()[centers, slots],
            node=node[0].detach(),
            edge=edge[0].detach()[centers, slots],
            pair_forces=pair_forces,
            forces=forces,
            volume=torch.linalg.det(padded["cells"]).abs(),
        )

    @torch.no_grad()
    def direct_forces(self, structures: list[Structure]) -> np.ndarray:
        """(all atoms, 3) direct forces of the checkpoint's own head, eV/Å: cheap dynamics."""
        padded = self._padded(structures)
        node, edge = self.network.calculate_features(padded)
        predicted, _, _ = self.network.predict(
            node,
            edge,
            padded,
            padded["cells"],
            padded["system_indices"],
            ["non_conservative_force"],
        )
        forces = predicted["non_conservative_force"][0].reshape(-1, 3)
        return (forces * self.force_scales[padded["element_indices_nodes"], None]).double().numpy()
