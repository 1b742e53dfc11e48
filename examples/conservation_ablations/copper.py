"""The same networks trained: on copper, by forces of effective medium theory (ASE's EMT).

A minute for all of them. Nothing is added to the network but weights that are learned where the
analytic one has Lennard-Jones; what is taken away is the same.
"""

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from network import NOISE, OVERLAP, Material, Network, Parts, random_weights

COPPER = Material("Cu", 3.61, 3.7, 1.9, 0.1, 300.0, crowd=12.0)
RATTLE = 0.1
"""Of the frames (Å), about what 300 K do."""
FRAMES, HELD_OUT = 12, 4


class TrainedNetwork(Network):
    """A network whose pair energies and direct forces are learned, too.

    :param parts: of what it is made
    :param material: of which crystal
    """

    def __init__(self, parts: Parts, material: Material = COPPER) -> None:
        super().__init__(parts, material)
        learned = [
            torch.nn.Parameter(NOISE * random_weights(parts.basis, parts.seed + more) / OVERLAP)
            for more in (1, 2, 3)
        ]
        self.of_pairs, self.of_head, self.of_messages = learned

    def pair_energy(self, r: torch.Tensor) -> torch.Tensor:
        """Of each pair (eV)."""
        return self.basis(r) @ self.of_pairs

    def pull(self, r: torch.Tensor) -> torch.Tensor:
        """Direct force of each pair towards the neighbour (eV/Å)."""
        return self.basis(r) @ self.of_head

    def pull_of_messages(self, r: torch.Tensor) -> torch.Tensor:
        """The same of the messages, in terms of their energy (1/Å)."""
        return self.basis(r) @ self.of_messages


@dataclass(frozen=True)
class Frames:
    """Structures as the network takes them, one after the other, with the forces to learn."""

    inputs: tuple[torch.Tensor, ...]
    forces: torch.Tensor
    """[N, 3], eV/Å."""


def crystal(material: Material, rattle: float, seed: int) -> Atoms:
    """32 atoms near the sites of an fcc crystal."""
    atoms = bulk(material.element, "fcc", a=material.lattice, cubic=True) * (2, 2, 2)
    atoms.rattle(rattle, seed=seed)
    return atoms


def labelled(count: int, first_seed: int) -> Frames:
    """Rattled crystals of copper with their forces.

    :param count: how many
    :param first_seed: of the first; the others have the next ones
    """
    types, positions, cells, pairs, shifts, structure, forces = ([] for _ in range(7))
    atoms_before = 0
    for number in range(count):
        atoms = crystal(COPPER, RATTLE, first_seed + number)
        atoms.calc = EMT()
        i, j, cell_shifts = neighbor_list("ijS", atoms, COPPER.cutoff)
        types.append(atoms.numbers)
        positions.append(atoms.positions)
        cells.append(atoms.cell.array)
        pairs.append(np.stack([i, j], axis=1) + atoms_before)
        shifts.append(cell_shifts.astype(float))
        structure.append(np.full(len(atoms), number))
        forces.append(atoms.get_forces())
        atoms_before += len(atoms)
    tensors = [
        torch.tensor(np.concatenate(each)) for each in (types, positions, pairs, shifts, structure)
    ]
    cell = torch.tensor(np.stack(cells))
    inputs = (tensors[0], tensors[1], cell, *tensors[2:])
    return Frames(inputs, torch.tensor(np.concatenate(forces)))


def errors(network: Network, frames: Frames) -> tuple[torch.Tensor, torch.Tensor]:
    """Errors of conservative and of direct forces, [N, 3] each, eV/Å; with the graph to learn from.

    :param network: any
    :param frames: with the forces that are right
    """
    types, positions, *rest = frames.inputs
    positions = positions.clone().requires_grad_(True)
    found = network(types, positions, *rest)
    (gradient,) = torch.autograd.grad(found["energy"].sum(), positions, create_graph=True)
    return -gradient - frames.forces, found["forces"] - frames.forces


def train(parts: Parts, iterations: int = 60, frames: int = FRAMES) -> TrainedNetwork:
    """Learn the forces of copper.

    :param parts: of what the network is made
    :param iterations: of L-BFGS with all frames
    :param frames: how many to learn from
    """
    network, known = TrainedNetwork(parts), labelled(frames, first_seed=100)
    optimiser = torch.optim.LBFGS(
        network.parameters(),
        max_iter=iterations,
        max_eval=2 * iterations,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.stack([error.square().mean() for error in errors(network, known)]).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return network


def held_out_errors(network: Network) -> tuple[float, float]:
    """Root mean square error of both kinds of forces on frames that were not learned (eV/Å).

    :param network: a trained one
    """
    found = errors(network, labelled(HELD_OUT, first_seed=500))
    conservative, direct = (float(error.detach().square().mean().sqrt()) for error in found)
    return conservative, direct
