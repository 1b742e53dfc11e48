"""A Lennard-Jones crystal that knows a direction: what breaks its symmetry, and by how much."""

import math

import torch
from models import AnalyticModel, _legendre_series, _sum_to_atoms

from md_bridge.export import pair_vectors

SIGMA = 3.4


def lennard_jones(
    legendre: dict[int, float] | None = None,
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0),
    *,
    epsilon: float = 0.05,
    begin: float = 2.2,
    end: float = 2.6,
) -> AnalyticModel:
    """4ε((σ/r)¹² − (σ/r)⁶) s(r) for each bond, σ = 3.4 Å, and for each neighbour of an argon atom
    Σ_l c_l w(r) P_l(n·r/r) with n along ``axis``, r from the atom to the neighbour.

    s ends smoothly between ``begin`` and ``end`` (σ; with the defaults four shells of fcc and five
    of bcc are inside), w = (1 − (r/end)²)³; ``legendre`` has c_l in eV by l. Krypton is as argon,
    but for the second term, without which odd l would cancel in each bond. No direct forces.
    """
    coefficients = legendre or {0: 0.0}
    values = [float(coefficients.get(degree, 0.0)) for degree in range(max(coefficients) + 1)]
    norm = math.hypot(*axis)
    reach = begin * SIGMA, end * SIGMA
    module = LennardJonesWithAxis(epsilon, values, [x / norm for x in axis], *reach)
    return AnalyticModel(module, ["Ar", "Kr"], reach[1])


class LennardJonesWithAxis(torch.nn.Module):
    def __init__(
        self,
        epsilon: float,
        coefficients: list[float],
        axis: list[float],
        begin: float,
        end: float,
    ):
        super().__init__()
        self.epsilon, self.coefficients, self.axis = epsilon, coefficients, axis
        self.sigma, self.begin, self.end = SIGMA, begin, end

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
        r = torch.linalg.vector_norm(vectors, dim=1)
        sr6 = (self.sigma / r) ** 6
        x = ((r - self.begin) / (self.end - self.begin)).clamp(0.0, 1.0)
        s = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
        energy = 2.0 * self.epsilon * (sr6 * sr6 - sr6) * s
        seen = (types.index_select(0, pairs[:, 0]) == 18).to(r.dtype)
        w = seen * (1.0 - (r / self.end) ** 2) ** 3
        cosine = vectors @ torch.tensor(self.axis, dtype=r.dtype, device=r.device) / r
        energy = energy + w * _legendre_series(self.coefficients, cosine)
        return {"energy": _sum_to_atoms(energy, pairs[:, 0], positions.size(0))}
