"""Lennard-Jones as models and as the lines of ``lj/cut`` that say the same."""

from dataclasses import dataclass
from pathlib import Path

import torch
from models import ARGON_KRYPTON, _direct_stress, _sum_to_atoms

from md_bridge.export import export_module, pair_vectors
from random_decks.units import Units

ELEMENTS = ("Ar", "Kr")
NUMBERS = (18, 36)


@dataclass(frozen=True)
class Potential:
    """A file and its parameters: matrices with a row for each of :data:`ELEMENTS`.

    ``layers``: through how many atoms an energy depends on others; ``direct``: whether the model
    has direct forces, which equal the gradient.
    """

    file: str
    epsilon: tuple[tuple[float, float], tuple[float, float]]
    cutoff: tuple[tuple[float, float], tuple[float, float]]
    layers: int = 1
    direct: bool = True

    @property
    def largest_cutoff(self) -> float:
        return max(max(row) for row in self.cutoff)

    def export(self, folder: Path) -> Path:
        """Write the model file into a folder."""
        module = LennardJones(self.epsilon, SIGMA, self.cutoff, self.layers > 1, self.direct)
        return export_module(
            module,
            folder / self.file,
            elements=list(ELEMENTS),
            cutoff=self.largest_cutoff,
            layers=self.layers,
            dtype="float64",
        )

    def coefficients(self, i: int, j: int, a: str, b: str, units: Units, style: str = "") -> str:
        """``pair_coeff`` of ``lj/cut`` for the types i and j, which are the elements a and b."""
        row, column = ELEMENTS.index(a), ELEMENTS.index(b)
        epsilon = self.epsilon[row][column] * units.energy
        lengths = units.lengths(SIGMA[row][column], self.cutoff[row][column])
        return f"pair_coeff {i} {j} {style} {epsilon:.17g} {lengths}"


SIGMA = ARGON_KRYPTON["sigma"]
EPSILON = ((0.0104, 0.0121), (0.0121, 0.0141))
PLAIN = Potential("plain.pt", EPSILON, ((5.0, 5.5), (5.5, 4.6)), direct=False)
WITH_DIRECT = Potential("direct.pt", EPSILON, ((5.0, 5.5), (5.5, 4.6)))
WEAK = Potential("weak.pt", ((0.003, 0.004), (0.004, 0.002)), ((4.2, 4.0), (4.0, 3.9)))
TWO_LAYERS = Potential("two_layers.pt", EPSILON, ((4.5, 5.0), (5.0, 4.2)), layers=2)
ALL = (PLAIN, WITH_DIRECT, WEAK, TWO_LAYERS)


class LennardJones(torch.nn.Module):
    """``lj/cut`` with its exact forces as direct forces.

    ``shared``: each atom keeps 1/(1 + W) of its energy and gives the rest to its neighbours, by
    weights that vanish at the cutoff and sum to W/(1 + W). The total is that of Lennard-Jones, but
    the energy of an atom depends on the neighbours of its neighbours.
    """

    def __init__(self, epsilon, sigma, cutoff, shared: bool, direct: bool):
        super().__init__()
        self.shared, self.direct = shared, direct
        for name, values in (("epsilon", epsilon), ("sigma", sigma), ("cutoff", cutoff)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))

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
        first, second = pairs[:, 0], pairs[:, 1]
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r2 = vectors.square().sum(dim=1)
        row = (types == 36).long()
        a, b = row[first], row[second]
        epsilon, cutoff2 = self.epsilon[a, b], self.cutoff[a, b].square()
        inside = r2 < cutoff2
        sr6 = (self.sigma[a, b].square() / r2) ** 3
        pair_energy = torch.where(inside, 4.0 * epsilon * (sr6 * sr6 - sr6), 0.0)
        energy = _sum_to_atoms(0.5 * pair_energy, first, n)
        if self.shared:
            weight = torch.where(inside, (1.0 - r2 / cutoff2) ** 2, 0.0)
            given = energy / (1.0 + _sum_to_atoms(weight, first, n))
            energy = given + _sum_to_atoms(weight * given.index_select(0, second), first, n)
        results = {"energy": energy}
        if self.direct:
            slope = torch.where(inside, 4.0 * epsilon * (3.0 * sr6 - 6.0 * sr6 * sr6) / r2, 0.0)
            pair_forces = 2.0 * slope.unsqueeze(1) * vectors
            results["forces"] = _sum_to_atoms(pair_forces, first, n)
            results["stress"] = _direct_stress(vectors, pair_forces, pairs, cell, structure)
        return results
