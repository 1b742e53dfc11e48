"""The head of the bundled model: direct forces as a sum of forces between pairs.

The formulas are those of ``examples/train_water/direct_head.py``, which trains it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from md_bridge.compiled.pet.neighborhoods import Neighborhoods, rows_of_pairs

__all__ = ["PairForces"]


class PairForces(nn.Module):
    """Antisymmetric forces between pairs from the features of a PET backbone.

    :param scripted: the trained head, as it is in an exported file
    """

    radial_centers: torch.Tensor
    node_mean: torch.Tensor
    node_scale: torch.Tensor
    edge_mean: torch.Tensor
    edge_scale: torch.Tensor

    def __init__(self, scripted: Any) -> None:
        super().__init__()
        self.cutoff = float(scripted.cutoff)
        self.radial_spacing = float(scripted.radial_spacing)
        for name, buffer in scripted.named_buffers(recurse=False):
            self.register_buffer(name, buffer.clone())
        self.edge_in, self.node_in = _linear(scripted.edge_in), _linear(scripted.node_in)
        self.radial_in = _linear(scripted.radial_in)
        self.rest_hidden = _linear(scripted.rest_hidden)
        self.rest_out = _linear(scripted.rest_out)
        layers = [_linear(layer) for layer in _linear_layers(scripted.central)]
        self.central = nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])

    def forward(
        self,
        node: torch.Tensor,
        edge: torch.Tensor,
        distances: torch.Tensor,
        atoms: Neighborhoods,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Direct forces, and each atom's share of the direct stress times the volume.

        :param node: ``[N, node size]``, features of the atoms
        :param edge: ``[P, edge size]``, features of their pairs
        :param distances: ``[P]``, in Å
        :param atoms: the atoms and their pairs
        :returns: ``[N, 3]`` in eV/Å and ``[N, 3, 3]`` in eV
        """
        back = atoms.reverse[atoms.half]
        forces = self._of_half(node, edge, distances, atoms, back)
        of_pairs = torch.zeros_like(atoms.vectors)
        of_pairs = of_pairs.index_copy(0, atoms.half, forces).index_copy(0, back, -forces)
        # half of r (x) f to each end of a pair, made symmetric
        products = atoms.vectors[:, :, None] * of_pairs[:, None, :]
        products = 0.25 * (products + products.transpose(1, 2))
        sums = torch.cat([of_pairs, products.reshape(-1, 9)], dim=1)
        sums = rows_of_pairs(sums, atoms.rows, atoms.places).sum(1)
        return sums[:, :3], sums[:, 3:].reshape(-1, 3, 3)

    def _of_half(
        self,
        node: torch.Tensor,
        edge: torch.Tensor,
        distances: torch.Tensor,
        atoms: Neighborhoods,
        back: torch.Tensor,
    ) -> torch.Tensor:
        """``[M, 3]``, the force on the first atom of each pair; the other one's is the opposite."""
        hidden = self.edge_in((edge - self.edge_mean) * self.edge_scale)
        of_nodes = self.node_in((node - self.node_mean) * self.node_scale)
        hidden = hidden + of_nodes[atoms.pairs[:, 0]]
        distance = distances[atoms.half][:, None]
        inverse = 1.0 / (distance + 1e-6)
        gaussians = torch.exp(-0.5 * ((inverse - self.radial_centers) / self.radial_spacing) ** 2)
        radial = self.radial_in(torch.cat([gaussians, distance - 2.0, 1.0 / (distance + 0.2)], 1))
        one_way = nn.functional.silu(hidden[atoms.half] + radial)
        other_way = nn.functional.silu(hidden[back] + radial)
        central = self.central(one_way + other_way) * (atoms.vectors[atoms.half] / distance)
        rest = self.rest_out(
            nn.functional.silu(self.rest_hidden(one_way))
            - nn.functional.silu(self.rest_hidden(other_way))
        )
        inside = torch.clamp(1.0 - (distance / self.cutoff) ** 2, min=0.0)
        return inside**3 * (central + rest)


def _linear_layers(sequence: Any) -> list[Any]:
    return [layer for _, layer in sequence.named_children() if hasattr(layer, "weight")]


def _linear(scripted: Any) -> nn.Linear:
    """A linear layer with the weights of a scripted one."""
    weight, bias = scripted.weight, getattr(scripted, "bias", None)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return layer
