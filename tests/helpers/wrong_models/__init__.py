"""Models of argon that are wrong, each in a way that a run does not show."""

import torch
from models import AnalyticModel, Curl

from md_bridge.export import pair_vectors

CUTOFF = 4.0


class Weighted(torch.nn.Module):
    """A smooth pair potential in which pairs, or atoms, weigh by their place in the list."""

    def __init__(self, of_pairs: bool):
        super().__init__()
        self.of_pairs = of_pairs

    def forward(self, types, positions, cell, pairs, shifts, structure):
        r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        energy = torch.relu(1.0 - r2 / 16.0) ** 3
        if self.of_pairs:
            energy = energy * (1.0 + 1e-4 * torch.arange(len(energy), dtype=energy.dtype))
        energy = torch.zeros_like(positions[:, 0]).index_add(0, pairs[:, 0], energy)
        if not self.of_pairs:
            energy = energy * (1.0 + 1e-4 * torch.arange(len(energy), dtype=energy.dtype))
        return {"energy": energy}


def weighted(of_pairs: bool) -> AnalyticModel:
    """By the order of pairs, or of atoms."""
    return AnalyticModel(Weighted(of_pairs), ["Ar"], CUTOFF)


class Half(torch.nn.Module):
    """A smooth pair potential of distances that were rounded to float16, whatever the precision."""

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
        rounded = vectors.to(torch.float16).to(positions.dtype)
        energy = torch.relu(1.0 - rounded.square().sum(dim=1) / 36.0) ** 3
        zero = torch.zeros_like(positions[:, 0])
        return {"energy": zero.index_add(0, pairs[:, 0], energy)}


def half_inside() -> AnalyticModel:
    """A cast to float16 in the code, which a conversion of the file leaves there."""
    return AnalyticModel(Half(), ["Ar"], 6.0)


class LargeOffset(torch.nn.Module):
    """A smooth pair potential of distances to which 10⁴ Å are added and subtracted again."""

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
        lossy = (vectors + 1e4) - 1e4
        energy = torch.relu(1.0 - lossy.square().sum(dim=1) / 36.0) ** 3
        zero = torch.zeros_like(positions[:, 0])
        return {"energy": zero.index_add(0, pairs[:, 0], energy)}


def cancelling() -> AnalyticModel:
    """Exact in float64; in float32 no better than 0.001 Å."""
    return AnalyticModel(LargeOffset(), ["Ar"], 6.0)


class Stale(torch.nn.Module):
    """Smooth Lennard-Jones with direct forces of another surface, of larger atoms."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.former = Curl(0.0, 0.0104, 3.4, 6.0), Curl(0.0, 0.02, 3.9, 6.0)

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        results: dict[str, torch.Tensor] = self.now(
            types, positions, cell, pairs, shifts, structure
        )
        former: dict[str, torch.Tensor] = self.former(
            types, positions, cell, pairs, shifts, structure
        )
        results["forces"] = former["forces"]
        return results


def stale_head() -> AnalyticModel:
    """Direct forces that no outer step can correct."""
    return AnalyticModel(Stale(), ["Ar"], 6.0)


class Detached(torch.nn.Module):
    """Atoms bound to sites of a cubic lattice of 3 Å, with a coupling that hides from the gradient.

    E_i = d² + 0.2 x y (eV, d = (x, y, z) from the site), x y with x detached: y is driven by x, at
    resonance, and x does not feel it.
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
        d = positions - 3.0 * torch.round(positions / 3.0).detach()
        return {"energy": d.square().sum(dim=1) + 0.2 * d[:, 0].detach() * d[:, 1]}


def detached() -> AnalyticModel:
    """Forces that are not the gradient of the energy."""
    return AnalyticModel(Detached(), ["Ar"], 2.0)
