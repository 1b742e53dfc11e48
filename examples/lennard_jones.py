"""A Lennard-Jones potential, written as a plain torch module and exported for LAMMPS, i-PI and ASE.

python examples/lennard_jones.py        writes lennard-jones-ar.pt
"""

import torch
from torch import Tensor

from md_bridge.export import export_module, pair_vectors


class LennardJones(torch.nn.Module):
    """4ε((σ/r)¹² − (σ/r)⁶), cut at ``cutoff`` without a shift: LAMMPS ``pair_style lj/cut``.

    ``epsilon`` (eV), ``sigma`` and ``cutoff`` (Å) are matrices ``[n][n]``, one row and one column
    for each of ``elements`` (atomic numbers).
    """

    row: Tensor  # atomic number -> row of the matrices
    epsilon: Tensor
    sigma: Tensor
    cutoff: Tensor

    def __init__(
        self,
        elements: list[int],
        epsilon: list[list[float]],
        sigma: list[list[float]],
        cutoff: list[list[float]],
    ) -> None:
        super().__init__()
        row = torch.full((119,), -1)
        row[torch.tensor(elements)] = torch.arange(len(elements))
        self.register_buffer("row", row)
        self.register_buffer("epsilon", torch.tensor(epsilon, dtype=torch.float64))
        self.register_buffer("sigma", torch.tensor(sigma, dtype=torch.float64))
        self.register_buffer("cutoff", torch.tensor(cutoff, dtype=torch.float64))

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
        r2 = vectors.square().sum(dim=1)
        a, b = self.row[types[pairs[:, 0]]], self.row[types[pairs[:, 1]]]
        sr6 = (self.sigma[a, b].square() / r2) ** 3
        pair_energy = 4.0 * self.epsilon[a, b] * (sr6 * sr6 - sr6)
        pair_energy = torch.where(r2 < self.cutoff[a, b].square(), pair_energy, 0.0)
        # each pair is listed in both directions: half of its energy for each of its atoms
        energy = torch.zeros_like(positions[:, 0])
        return {"energy": energy.index_add(0, pairs[:, 0], 0.5 * pair_energy)}


def argon() -> LennardJones:
    """Argon with a cutoff of 8.5 Å."""
    return LennardJones([18], epsilon=[[0.0103]], sigma=[[3.4]], cutoff=[[8.5]])


if __name__ == "__main__":
    path = export_module(
        argon(),
        "lennard-jones-ar.pt",
        elements=["Ar"],
        cutoff=8.5,
        layers=1,
        dtype="float64",
        metadata={"name": "Lennard-Jones argon"},
    )
    print(f"wrote {path}")
