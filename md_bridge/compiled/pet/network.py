"""PET's layers on packed pairs, with the weights of metatrain's ``PETBackend``.

The network is that of arXiv:2305.19302 as metatrain has it (arXiv:2601.16195): each atom has a
token, each of its neighbours another, transformers mix them, and messages go to and fro between the
two ends of a pair. What is different here is arithmetic only: padding is left out, and products of
two matrices without anything between them are multiplied out beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from md_bridge.compiled.pet.neighborhoods import (
    Neighborhoods,
    pairs_of_rows,
    reversed_pairs,
    rows_of_pairs,
)

__all__ = ["Features", "FusedPET"]

#: of the nodes and of the pairs, for each readout layer
Features = tuple[list[torch.Tensor], list[torch.Tensor]]
# a layer, and features of atoms and pairs, to new ones of both
_Exchange = Callable[[nn.Module, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class FusedPET(nn.Module):
    """Features of atoms and pairs.

    :param backbone: metatrain's ``PETBackend``
    """

    neutral: torch.Tensor

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.feedforward = backbone.featurizer_type == "feedforward"
        self.node_embedders = backbone.node_embedders
        self.edge_embedder = backbone.edge_embedder
        self.combination_norms = backbone.combination_norms
        self.combination_mlps = backbone.combination_mlps
        table = self.edge_embedder.weight
        self.layers = nn.ModuleList(_Layer(layer, table) for layer in backbone.gnn_layers)
        dtype = table.dtype
        self.register_buffer("neutral", _of_neutral_singlet(backbone).to(dtype))

    def forward(
        self,
        elements: torch.Tensor,
        distances: torch.Tensor,
        factors: torch.Tensor,
        atoms: Neighborhoods,
    ) -> Features:
        """Features from the elements of the atoms and the geometry of their pairs.

        :param elements: ``[N]``, places in the network's tables
        :param distances: ``[P]``, in Å
        :param factors: ``[P]``, cutoff function of each pair
        :param atoms: the atoms and their pairs
        """
        of_second = elements[atoms.pairs[:, 1]]
        geometry = torch.cat([atoms.vectors, distances[:, None]], dim=1)
        logarithms = _logarithms(factors, atoms)

        def exchange(layer: nn.Module, node: torch.Tensor, edge: torch.Tensor) -> Any:
            node, edge = layer(node, edge, of_second, geometry, logarithms, atoms)
            return node + self.neutral, edge

        run = self._feedforward if self.feedforward else self._residual
        return run(elements, self.edge_embedder(of_second), exchange, atoms.reverse)

    def _feedforward(
        self, elements: torch.Tensor, edge: torch.Tensor, exchange: _Exchange, reverse: torch.Tensor
    ) -> Features:
        node = self.node_embedders[0](elements)
        for layer, norm, mlp in zip(
            self.layers, self.combination_norms, self.combination_mlps, strict=True
        ):
            node, new = exchange(layer, node, edge)
            both = torch.cat([new, reversed_pairs(new, reverse)], dim=1)
            edge = edge + new + mlp(norm(both))
        return [node], [edge]

    def _residual(
        self, elements: torch.Tensor, edge: torch.Tensor, exchange: _Exchange, reverse: torch.Tensor
    ) -> Features:
        nodes, edges = [], []
        for embedder, layer in zip(self.node_embedders, self.layers, strict=True):
            node, new = exchange(layer, embedder(elements), edge)
            nodes.append(node)
            edges.append(new)
            edge = 0.5 * (edge + reversed_pairs(new, reverse))
        return nodes, edges


class _Layer(nn.Module):
    """One exchange within the neighbourhood of each atom (metatrain's ``CartesianTransformer``).

    Its first matrix meets geometry, element and message side by side: the first is linear in four
    numbers, the second a table.
    """

    of_geometry: torch.Tensor
    of_element: torch.Tensor

    def __init__(self, layer: Any, first_messages: torch.Tensor) -> None:
        super().__init__()
        first, _, self.second = layer.compress
        embed = layer.edge_embedder
        of_geometry, *of_element, of_message = first.weight.detach().split(len(embed.weight), dim=1)
        bias = first.bias + of_geometry @ embed.bias
        self.register_buffer("of_geometry", of_geometry @ embed.weight)
        self.of_message = None
        if layer.is_first:  # its messages are a table as well
            table = first_messages @ of_message.T
        else:
            table = layer.neighbor_embedder.weight @ of_element[0].T
            self.of_message = nn.Parameter(of_message.clone(), requires_grad=False)
        self.register_buffer("of_element", (table + bias).detach())
        self.blocks = nn.ModuleList(_Block(block) for block in layer.trans.layers)

    def forward(
        self,
        node: torch.Tensor,
        message: torch.Tensor,
        of_second: torch.Tensor,
        geometry: torch.Tensor,
        logarithms: torch.Tensor,
        atoms: Neighborhoods,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """New features of the atoms, ``[N, node size]``, and of their pairs, ``[P, size]``."""
        hidden = geometry @ self.of_geometry.T + self.of_element[of_second]
        if self.of_message is not None:
            hidden = hidden + message @ self.of_message.T
        edge = self.second(nn.functional.silu(hidden))
        for block in self.blocks:
            node, edge = block(node, edge, logarithms, atoms)
        return node, edge


class _Block(nn.Module):
    """Attention and feed-forward network, of atoms and pairs (``TransformerLayer``)."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block
        self.heads = block.attention.num_heads
        size = block.attention.head_dim
        self.scale = 1.0 / (size**0.5 * block.attention.temperature)

    def forward(
        self,
        node: torch.Tensor,
        edge: torch.Tensor,
        logarithms: torch.Tensor,
        atoms: Neighborhoods,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """New features of both."""
        block = self.block
        contracted = block.center_contraction(node)
        if block.transformer_type == "PreLN":
            of_node, of_edge = self._attention(
                block.norm_attention(contracted), block.norm_attention(edge), logarithms, atoms
            )
            edge = edge + of_edge
            edge = edge + block.mlp(block.norm_mlp(edge))
        else:
            of_node, of_edge = self._attention(contracted, edge, logarithms, atoms)
            of_node = block.norm_attention(contracted + of_node)
            of_node = block.norm_mlp(of_node + block.mlp(of_node))
            edge = block.norm_attention(edge + of_edge)
            edge = block.norm_mlp(edge + block.mlp(edge))
        if block.expanded_node_features:
            node = node + block.center_expansion(of_node)
            return node + block.center_mlp(block.norm_center_features(node)), edge
        return of_node, edge

    def _attention(
        self,
        node: torch.Tensor,
        edge: torch.Tensor,
        logarithms: torch.Tensor,
        atoms: Neighborhoods,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Among each atom and its neighbours, weighted by the cutoff function."""
        attention = self.block.attention
        of_node = attention.input_linear(node)[:, None]
        of_edge = rows_of_pairs(attention.input_linear(edge), atoms.rows, atoms.places)
        tokens = torch.cat([of_node, of_edge], dim=1)
        count, length = tokens.shape[0], tokens.shape[1]
        tokens = tokens.reshape(count, length, 3, self.heads, attention.head_dim)
        query, key, value = tokens.permute(2, 0, 3, 1, 4)
        weights = query @ key.transpose(-2, -1) * self.scale + logarithms[:, None, None, :]
        mixed = torch.softmax(weights, dim=-1) @ value
        mixed = mixed.transpose(1, 2).reshape(count, length, edge.shape[1])
        return (
            attention.output_linear(mixed[:, 0]),
            attention.output_linear(pairs_of_rows(mixed[:, 1:], atoms.rows, atoms.places)),
        )


def _logarithms(factors: torch.Tensor, atoms: Neighborhoods) -> torch.Tensor:
    """``[N, 1 + W]``, what attention adds to the weights of an atom's tokens.

    Metatrain's own floor keeps the logarithm of what is no pair finite.
    """
    rows = rows_of_pairs(factors[:, None], atoms.rows, atoms.places)[:, :, 0]
    own = torch.zeros_like(rows[:, :1])
    return torch.cat([own, torch.log(torch.clamp(rows, 1e-15))], dim=1)


def _of_neutral_singlet(backbone: Any) -> torch.Tensor:
    """What the network adds to each atom for charge 0 and spin multiplicity 1; 0 if it does not."""
    if backbone.system_conditioning is None:
        return torch.zeros(1)
    zero = torch.zeros(1, dtype=torch.int64)
    added: torch.Tensor = backbone.system_conditioning(zero, zero + 1, zero)
    return added.detach()
