"""A small unconstrained transformer with direct forces, as a plain torch module.

Every neighbour of an atom is a token; the atom attends to its neighbours. Nothing is equivariant:
the tokens hold Cartesian components, and the network learns from rotated copies of the data that
energies do not turn and forces do, as PET and its kin do. Energies are smooth: whatever comes from
a neighbour fades out towards the cutoff.
"""

import torch
from torch import Tensor, nn

from md_bridge.export import pair_vectors


def perceptron(width_in: int, width: int, width_out: int) -> nn.Sequential:
    """Linear, SiLU, linear."""
    return nn.Sequential(nn.Linear(width_in, width), nn.SiLU(), nn.Linear(width, width_out))


class AttentionLayer(nn.Module):
    """Tokens of pairs learn what both atoms know; then each atom attends to its neighbours."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.pair = perceptron(3 * width, width, width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.atom = perceptron(2 * width, 2 * width, width)

    def forward(
        self, atom: Tensor, pair: Tensor, first: Tensor, second: Tensor, envelope: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Tokens of atoms ``[N, width]`` and pairs ``[P, width]``, one layer on."""
        pair = pair + self.pair(torch.cat([pair, atom[first], atom[second]], dim=1))
        key, value = self.key_value(pair).reshape(-1, self.heads, 2 * self.size).chunk(2, dim=2)
        query = self.query(atom).reshape(-1, self.heads, self.size)
        score = (query[first] * key).sum(dim=2) / self.size**0.5
        # bounded, so that it needs no shift by the largest score, which is not smooth
        weight = envelope.unsqueeze(1) * torch.exp(5.0 * torch.tanh(score / 5.0))
        # one more neighbour that says nothing: an atom without neighbours is no special case
        total = torch.ones_like(query[:, :, 0]).index_add(0, first, weight)
        heard = torch.zeros_like(query).index_add(0, first, weight.unsqueeze(2) * value)
        heard = (heard / total.unsqueeze(2)).reshape(atom.shape)
        return atom + self.atom(torch.cat([atom, heard], dim=1)), pair


class NeighbourTransformer(nn.Module):
    """Energy, direct forces and direct stress.

    :param free_atoms: energy of a free atom (eV) of each element the model knows, by atomic number
    :param cutoff: Å
    :param layers: information travels ``layers`` cutoffs: the interaction range
    """

    row: Tensor
    free_atom_energy: Tensor

    def __init__(
        self,
        free_atoms: dict[int, float],
        cutoff: float,
        layers: int = 2,
        width: int = 64,
        heads: int = 4,
        radial: int = 16,
    ) -> None:
        super().__init__()
        self.cutoff, self.radial = cutoff, radial
        row = torch.zeros(119, dtype=torch.int64)  # atomic number -> row of the embeddings
        row[torch.tensor(list(free_atoms))] = torch.arange(len(free_atoms))
        self.register_buffer("row", row)
        self.register_buffer("free_atom_energy", torch.tensor(list(free_atoms.values())))
        self.atom_in = nn.Embedding(len(free_atoms), width)
        self.pair_in = perceptron(3 + radial + width, width, width)
        self.layers = nn.ModuleList([AttentionLayer(width, heads) for _ in range(layers)])
        self.energy = perceptron(width, width, 1)
        self.force = perceptron(2 * width, width, 4)

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
        first, second = pairs[:, 0], pairs[:, 1]
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        envelope = (1.0 - (r / self.cutoff).square().clamp(max=1.0)).pow(3).squeeze(1)

        species = self.row[types]
        atom = self.atom_in(species)
        order = torch.arange(1, self.radial + 1, device=r.device, dtype=r.dtype)
        waves = torch.sin(torch.pi * order * r / self.cutoff) / r
        pair = self.pair_in(torch.cat([vectors / r, waves, atom[second]], dim=1))
        for layer in self.layers:
            atom, pair = layer(atom, pair, first, second, envelope)

        energy = self.energy(atom).squeeze(1) + self.free_atom_energy[species]
        # the force on the first atom that comes from the second, along the line between them and
        # free: without the first part, the network would need long to learn that forces turn. No
        # law makes the forces on the two atoms opposite.
        along, free = self.force(torch.cat([pair, atom[first]], dim=1)).split([1, 3], dim=1)
        pair_force = envelope.unsqueeze(1) * (along * vectors / r + free)
        forces = torch.zeros_like(positions).index_add(0, first, pair_force)
        virial = 0.5 * vectors.unsqueeze(2) * pair_force.unsqueeze(1)
        stress = torch.zeros_like(forces.unsqueeze(2).repeat(1, 1, 3)).index_add(0, first, virial)
        volume = torch.det(cell).abs()[structure].reshape(-1, 1, 1)
        stress = torch.where(volume > 0, stress / volume.clamp(min=1e-6), 0.0)
        return {
            "energy": energy,
            "forces": forces,
            "stress": 0.5 * (stress + stress.transpose(1, 2)),
        }
