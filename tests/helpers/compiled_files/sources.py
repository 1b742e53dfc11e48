"""Factories that ``md-bridge compile python:compiled_files.sources:…`` is called with."""

import importlib
import sys
from pathlib import Path

import models
import torch

from md_bridge.export import pair_vectors

EXAMPLES = Path(__file__).parents[3] / "examples"
MOST_ATOMS = 70
"""Of :class:`Cramped`."""


def curl():
    """Lennard-Jones forces and a swirl, with a direct stress and an uncertainty, which is not
    compiled."""
    return models.Uncertain(models.curl(size=0.05).module)


def shares():
    """The same kind of forces with the shares of the atoms in the stress; in nm and kcal/mol."""
    return models.Curl(size=0.5, epsilon=0.24, sigma=0.34, cutoff=0.6, stress_per_atom=True)


class Cramped(torch.nn.Module):
    """0.01 (1 − r²/12²)³ hartree for each pair, r in bohr: energies only. More than
    :data:`MOST_ATOMS` atoms ask for more memory than there is.
    """

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        wells = 0.01 * torch.relu(1.0 - vectors.square().sum(dim=1) / 144.0) ** 3
        energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], wells)
        much = 2 + positions.size(0) // 71 * 1125899906842624
        # sorted, so that a compiler does not do without
        table = torch.sort(torch.zeros([much], dtype=positions.dtype))[0]
        return {"energy": energy + table.sum()}


def cramped():
    """Without direct forces and stress."""
    return Cramped()


def two_layers():
    """Energies that hear of neighbours of neighbours; no direct forces."""
    return models.two_layers().module


def mixture():
    """Two elements."""
    return models.lennard_jones_mixture().module


def transformer():
    """The network of ``examples/transformer``, untrained: attention over any number of pairs."""
    sys.path.insert(0, str(EXAMPLES / "transformer"))
    network = importlib.import_module("transformer")
    sys.path.pop(0)
    torch.manual_seed(1)
    return network.NeighbourTransformer({1: -1.5, 8: -2.5}, cutoff=3.5, layers=2, width=16).double()
