"""The Stillinger–Weber potential of silicon as a plain torch module: the truth of this example.

python stillinger_weber.py        writes stillinger-weber.pt, in double precision
"""

import torch
from torch import Tensor

from md_bridge.export import export_module, pair_vectors

CUTOFF = 3.7712
"""Å, not shorter than a σ = 3.77118 Å, where everything ends with all derivatives."""


class StillingerWeber(torch.nn.Module):
    """One element; Stillinger and Weber, Phys. Rev. B 31, 5262 (1985), LAMMPS ``pair_style sw``.

    Pairs have ε A (B (σ/r)^p − (σ/r)^q) exp(σ/(r − aσ)), and each two neighbours j, k of an atom
    λ ε (cos θ_jk − cos θ_0)² g_j g_k with g = exp(γσ/(r − aσ)). No triple is listed: with unit
    vectors u, cos θ_jk = u_j · u_k, and the sums over j and k are squares of the moments Σ g,
    Σ g u and Σ g u uᵀ of an atom's neighbours.

    The parameters are those of silicon, in eV and Å, as in the file Si.sw that comes with LAMMPS.
    """

    def __init__(
        self,
        epsilon: float = 2.1683,
        sigma: float = 2.0951,
        a: float = 1.80,
        strength: float = 21.0,
        gamma: float = 1.20,
        cosine: float = -1.0 / 3.0,
        big_a: float = 7.049556277,
        big_b: float = 0.6022245584,
        p: float = 4.0,
        q: float = 0.0,
    ) -> None:
        super().__init__()
        self.epsilon, self.sigma, self.reach = epsilon, sigma, a * sigma
        self.strength, self.gamma, self.cosine = strength, gamma, cosine
        self.big_a, self.big_b, self.p, self.q = big_a, big_b, p, q

    def forward(
        self,
        types: Tensor,
        positions: Tensor,
        cell: Tensor,
        pairs: Tensor,
        shifts: Tensor,
        structure: Tensor,
    ) -> dict[str, Tensor]:
        """Energy of each atom, ``[N]``, in eV."""
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        distance = vectors.square().sum(dim=1).sqrt()
        # beyond −0.01 Å the exponential is below 1e-90, and so is its slope
        to_end = torch.clamp(distance - self.reach, max=-0.01)
        ratio = self.sigma / distance
        repulsion = self.big_b * ratio**self.p - ratio**self.q
        of_pair = self.epsilon * self.big_a * repulsion * torch.exp(self.sigma / to_end)

        g = torch.exp(self.gamma * self.sigma / to_end)
        unit = vectors / distance[:, None]
        first, n = pairs[:, 0], positions.size(0)
        of_one = g[:, None] * unit
        zeroth = torch.zeros_like(positions[:, 0]).index_add(0, first, g)
        moment = torch.zeros_like(positions).index_add(0, first, of_one)
        products = (of_one[:, :, None] * unit[:, None, :]).reshape(-1, 9)
        second = torch.zeros((n, 9), dtype=g.dtype, device=g.device).index_add(0, first, products)
        # j = k, which the squares have and the potential has not
        same = torch.zeros_like(zeroth).index_add(0, first, (1.0 - self.cosine) ** 2 * g * g)
        of_triples = (
            second.square().sum(dim=1)
            - 2.0 * self.cosine * moment.square().sum(dim=1)
            + self.cosine**2 * zeroth.square()
            - same
        )
        # each pair and each triple is in its sum twice
        energy = 0.5 * self.epsilon * self.strength * of_triples
        return {"energy": energy.index_add(0, first, 0.5 * of_pair)}


def silicon() -> StillingerWeber:
    """Silicon."""
    return StillingerWeber()


if __name__ == "__main__":
    path = export_module(
        silicon(),
        "stillinger-weber.pt",
        elements=["Si"],
        cutoff=CUTOFF,
        layers=1,
        dtype="float64",
        metadata={
            "name": "Stillinger–Weber silicon",
            "references": {"model": ["https://doi.org/10.1103/PhysRevB.31.5262"]},
        },
    )
    print(f"wrote {path}")
