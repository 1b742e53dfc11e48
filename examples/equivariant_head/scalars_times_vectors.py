"""Direct forces that turn exactly with the structure: scalars times vectors.

Any vector that turns with the environment of an atom is a sum of a few vectors of this
environment, each times a scalar, a function of invariants (arXiv 2505.05404). So a network that
knows nothing of rotations, a plain perceptron of invariants, gives the scalars, and a small basis
of sums over the neighbours gives the vectors; for the stress likewise, with tensors of rank 2.
Exactly equivariant by construction, yet not the gradient of anything: as cheap as direct forces of
any other kind, they make the inner force of multiple time stepping.
"""

import torch
from torch import Tensor, nn

from md_bridge.export import pair_vectors


class ScalarsTimesVectors(nn.Module):
    """Energy, direct forces and direct stress from one set of invariants of each atom's neighbours.

    With φ, ψ learned functions of distance and species, and r̂ the unit vectors to the neighbours:

    - vectors V_b = Σ_j φ_b r̂, and tensors Q_b = Σ_j ψ_b (r̂ r̂ᵀ − 1/3);
    - scalars s: sums over the neighbours of functions of distance, V_a·V_b and tr(Q_a Q_b);
    - energy E(s); force Σ_b c_b(s) V_b + d_b(s) Q_b V_b;
    - stress [t(s) 1 + Σ_b u_b(s) Q_b + v_b(s) V_b V_bᵀ] / V, summed over the atoms.

    :param free_atoms: energy of a free atom (eV) of each element the model knows, by atomic number
    :param cutoff: Å; also the interaction range
    :param basis: vectors V_b and as many tensors Q_b
    """

    row: Tensor
    free_atom_energy: Tensor

    def __init__(
        self,
        free_atoms: dict[int, float],
        cutoff: float,
        basis: int = 12,
        width: int = 128,
        radial: int = 12,
    ) -> None:
        super().__init__()
        self.cutoff, self.radial, self.n_elements = cutoff, radial, len(free_atoms)
        self.basis = basis
        row = torch.zeros(119, dtype=torch.int64)  # atomic number -> row
        row[torch.tensor(list(free_atoms))] = torch.arange(len(free_atoms))
        self.register_buffer("row", row)
        self.register_buffer("free_atom_energy", torch.tensor(list(free_atoms.values())))
        n_pair = radial * len(free_atoms)
        self.vector_weight = nn.Linear(n_pair, basis, bias=False)
        self.tensor_weight = nn.Linear(n_pair, basis, bias=False)
        self.species = nn.Embedding(len(free_atoms), width)
        self.scalars_in = nn.Linear(n_pair + 2 * basis**2, width)
        self.hidden = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.energy = nn.Linear(width, 1)
        self.force = nn.Linear(width, 2 * basis)
        self.stress = nn.Linear(width, 2 * basis + 1)

    def forward(
        self,
        types: Tensor,
        positions: Tensor,
        cell: Tensor,
        pairs: Tensor,
        shifts: Tensor,
        structure: Tensor,
    ) -> dict[str, Tensor]:
        """Energies ``[N]``, forces ``[N, 3]`` and stress of each atom ``[N, 3, 3]``; eV and Å."""
        n, first = positions.size(0), pairs[:, 0]
        r = pair_vectors(positions, cell, pairs, shifts, structure)
        unit, pair = self.describe_pairs(r, self.row[types[pairs[:, 1]]])
        one = torch.eye(3, dtype=r.dtype, device=r.device)

        vectors = torch.zeros(n, self.basis, 3, dtype=r.dtype, device=r.device).index_add(
            0, first, self.vector_weight(pair).unsqueeze(2) * unit.unsqueeze(1)
        )
        traceless = (unit.unsqueeze(2) * unit.unsqueeze(1) - one / 3.0).unsqueeze(1)
        tensors = torch.zeros(n, self.basis, 3, 3, dtype=r.dtype, device=r.device).index_add(
            0, first, self.tensor_weight(pair).reshape(-1, self.basis, 1, 1) * traceless
        )
        density = torch.zeros(n, pair.size(1), dtype=r.dtype, device=r.device)
        flat = tensors.flatten(2)
        scalars = torch.cat(
            [
                density.index_add(0, first, pair),
                (vectors @ vectors.transpose(1, 2)).flatten(1),
                (flat @ flat.transpose(1, 2)).flatten(1),
            ],
            dim=1,
        )
        species = self.row[types]
        learned = self.hidden(self.scalars_in(scalars) + self.species(species))

        c, d = self.force(learned).unsqueeze(2).chunk(2, dim=1)
        bent = (tensors @ vectors.unsqueeze(3)).squeeze(3)
        forces = (c * vectors + d * bent).sum(dim=1)

        coefficients = self.stress(learned)
        stress = coefficients[:, -1].reshape(-1, 1, 1) * one
        u, v = coefficients[:, :-1].reshape(n, 2 * self.basis, 1, 1).chunk(2, dim=1)
        products = vectors.unsqueeze(3) * vectors.unsqueeze(2)
        stress = stress + (u * tensors + v * products).sum(dim=1)
        volume = torch.det(cell).abs()[structure].reshape(-1, 1, 1)
        return {
            "energy": self.energy(learned).squeeze(1) + self.free_atom_energy[species],
            "forces": forces,
            "stress": torch.where(volume > 0, stress / volume.clamp(min=1e-6), 0.0),
        }

    def describe_pairs(self, vectors: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors ``[P, 3]``, and functions of distance and species of the neighbour that
        vanish at the cutoff with their slope, ``[P, radial × elements]``.
        """
        r = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        envelope = (1.0 - (r / self.cutoff).square().clamp(max=1.0)).pow(3)
        order = torch.arange(1, self.radial + 1, device=r.device, dtype=r.dtype)
        waves = envelope * torch.sin(torch.pi * order * r / self.cutoff) / r
        is_element = torch.nn.functional.one_hot(second, self.n_elements).to(r.dtype)
        return vectors / r, (waves.unsqueeze(2) * is_element.unsqueeze(1)).flatten(1)
