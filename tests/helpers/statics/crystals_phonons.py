"""Crystals whose phonons are known in closed form, as models exported like those of ``models``.

Bonds are pairs of neighbours closer than the cutoff. Units: eV, Å.
"""

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from crystals import Einstein
from models import AnalyticModel, _sum_to_atoms

from md_bridge.export import pair_vectors

K = 0.5
"""Of the bonds, eV/Å²."""
BOND = 3.7
"""Distance of nearest neighbours, Å."""
CUTOFF = 1.2 * BOND


def fcc(element: str = "Ar") -> Atoms:
    """One atom with twelve neighbours."""
    return bulk(element, "fcc", a=np.sqrt(2.0) * BOND)


def rock_salt() -> Atoms:
    """Argon and krypton, each with six neighbours of the other kind."""
    return bulk("ArKr", "rocksalt", a=2.0 * BOND)


def chain() -> Atoms:
    """Argon and krypton in turn along x; the chains are too far apart for bonds."""
    positions = [[0.0, 0.0, 0.0], [BOND, 0.0, 0.0]]
    return Atoms("ArKr", positions, cell=[2.0 * BOND, 7.0, 8.0], pbc=True)


def bonds(
    k: float = K,
    *,
    quartic: float = 0.0,
    swirl: float = 0.0,
    push: float = 0.0,
    ripple: float = 0.0,
    wave: float = 0.0,
) -> AnalyticModel:
    """½ k r² + ¼ quartic r⁴ for each bond of argon and krypton, which is harmonic as it stands.

    With r_ij from i to j, direct forces are the exact ones plus, for each bond of i,

    - ``swirl`` (eV/Å²) · ẑ × r_ij, which has no potential;
    - ``push`` (eV/Å²) · q_i r_ij, q = 1 for argon and −1 for krypton: pushes of two unlike atoms do
      not cancel;
    - √2 ``ripple`` (eV/Å) · sin(``wave`` r_ij), component by component.

    A crystal with inversion at each atom is at rest at any size, and its Φ_ij are −k 1 (without
    ``quartic``).
    """
    return AnalyticModel(Bonds(k, quartic, swirl, push, ripple, wave), ["Ar", "Kr"], CUTOFF)


def on_site(k: float = K, spacing: float = 4.0) -> AnalyticModel:
    """½ k d² for each atom of argon, d from the nearest point of a cubic grid through the origin:
    no function of pairs, and Φ = k 1."""
    return AnalyticModel(Einstein(k, spacing, False), ["Ar"], 1.2 * spacing)


def lennard_jones(
    cutoff: float = 6.0, *, smooth: bool = True, neighbours: int = 1000
) -> AnalyticModel:
    """Lennard-Jones argon that ends smoothly at the cutoff or not, of so many nearest neighbours of
    each atom."""
    return AnalyticModel(CappedLennardJones(cutoff, smooth, neighbours), ["Ar"], cutoff)


class Bonds(torch.nn.Module):
    def __init__(
        self, k: float, quartic: float, swirl: float, push: float, ripple: float, wave: float
    ):
        super().__init__()
        self.k, self.quartic, self.swirl, self.push = k, quartic, swirl, push
        self.ripple, self.wave = ripple, wave

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        n = positions.size(0)
        first = pairs[:, 0]
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        r2 = r.square().sum(dim=1)
        energy = 0.25 * self.k * r2 + 0.125 * self.quartic * r2 * r2
        kinds = torch.where(types == 18, 1.0, -1.0).to(r.dtype).index_select(0, first)
        slope = (self.k + self.quartic * r2 + self.push * kinds).unsqueeze(1) * r
        swirl = torch.stack([-r[:, 1], r[:, 0], torch.zeros_like(r2)], dim=1)
        rough = 1.4142135623730951 * self.ripple * torch.sin(self.wave * r)
        return {
            "energy": _sum_to_atoms(energy, first, n),
            "forces": _sum_to_atoms(slope + self.swirl * swirl + rough, first, n),
        }


class CappedLennardJones(torch.nn.Module):
    def __init__(self, cutoff: float, smooth: bool, neighbours: int):
        super().__init__()
        self.cutoff, self.smooth, self.neighbours = cutoff, smooth, neighbours

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        first = pairs[:, 0]
        r2 = pair_vectors(positions, cell, pairs, shifts, structure).square().sum(dim=1)
        same = first.unsqueeze(1) == first.unsqueeze(0)
        nearer = (r2.unsqueeze(0) < r2.unsqueeze(1)) & same
        counted = nearer.sum(dim=1) < self.neighbours
        sr6 = (3.4**2 / r2) ** 3
        energy = 2.0 * 0.0104 * (sr6 * sr6 - sr6)
        if self.smooth:
            energy = energy * (1.0 - r2 / self.cutoff**2) ** 2
        energy = torch.where(counted, energy, torch.zeros_like(energy))
        return {"energy": _sum_to_atoms(energy, first, positions.size(0))}
