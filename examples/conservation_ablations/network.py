"""A network with the parts of eSEN, small enough for seconds of dynamics.

Each part whose loss breaks the conservation of energy can be taken away: see :data:`ABLATIONS`.
This one is analytic: Lennard-Jones argon with messages whose weights are random. The same network
trained on a metal is in ``copper.py``.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from md_bridge.export import export_module, pair_vectors

ENVELOPE_POWER = 5
MEAN_FADE = 0.3
"""Of the nearest neighbours; all have it where there is no envelope."""
AXES = torch.tensor(
    [[np.sqrt(0.5), np.sqrt(0.5), 0.0], [np.sqrt(0.5), -np.sqrt(0.5), 0.0], [0.0, 0.0, 1.0]],
    dtype=torch.float64,
)
"""By which grids are turned about their edges. Two lie along neighbours of the fcc crystal, so that
edges pass all the time from where one of them counts to where another one does. A crystal that lies
otherwise passes less often, and if edges never do, no run shows that the energy jumps."""
NOISE = 0.05
"""Of the weights of the radial basis."""
OVERLAP = 2.0 * np.sqrt(2.0 * np.pi)
"""Sum of the Gaussians at any distance."""


@dataclass(frozen=True)
class Material:
    """What crystal it is, and how large the network's numbers are."""

    element: str
    lattice: float
    """Constant of the fcc crystal (Å)."""
    cutoff: float
    """Å; the second shell of the crystal is there, so that atoms cross it all the time."""
    nearest: float
    """Where the radial basis begins (Å)."""
    strength: float
    """Of the part that is no sum over pairs (eV)."""
    temperature_k: float
    epsilon: float = 0.0
    """Of Lennard-Jones (eV)."""
    sigma: float = 1.0
    """Likewise (Å)."""
    crowd: float = 1.0
    """What the field of the neighbours is divided by. A network that learns drives the argument of
    its nonlinearity to where that is flat otherwise, and a grid has nothing to integrate there."""


ARGON = Material("Ar", 5.5, 5.5, 2.5, 0.01, 80.0, epsilon=0.0104, sigma=3.4)


@dataclass(frozen=True)
class Parts:
    """What the network is made of."""

    envelope: bool = True
    """Whether all that neighbours contribute goes to zero smoothly at the cutoff."""
    neighbours: int = 0
    """Only so many nearest ones count; 0: all within the cutoff."""
    basis: int = 10
    """Gaussians of the distance; their width is twice their spacing, as in eSEN."""
    grid: int = 6
    """Latitudes of the grid on the sphere that the nonlinearity is evaluated on."""
    seed: int = 1
    """Of random weights."""


FULL = Parts()
CONTROL = "other weights"
"""Nothing is taken away: how much full models differ among themselves."""
ABLATIONS = {
    "full model": FULL,
    CONTROL: replace(FULL, seed=11),
    "coarse grid": replace(FULL, grid=2),
    "sharp radial basis": replace(FULL, basis=512),
    "capped neighbours": replace(FULL, neighbours=10),
    "no envelope": replace(FULL, envelope=False),
}
"""Networks; one more row of the comparison, direct forces, is the full one driven by these."""


class Network(torch.nn.Module):
    """Energy of an atom: a pair potential with an envelope, and messages from a sphere.

    Neighbours make a function on the sphere around each atom, with l = 0, 1 and 2; its nonlinear
    image is averaged over a grid that is aligned with an edge, as equivariant networks with
    convolutions along edges do, and weighs the messages of that edge. How the grid is turned about
    the edge is a matter of convention, and no convention is continuous: with a fine grid it does
    not matter, with a coarse one it does. Direct forces lie along the edges, as a head without a
    gradient might predict them.

    :param parts: of what it is made
    :param material: of which crystal
    """

    axes: torch.Tensor
    centres: torch.Tensor
    points: torch.Tensor
    squares: torch.Tensor
    shares: torch.Tensor

    def __init__(self, parts: Parts, material: Material = ARGON) -> None:
        super().__init__()
        self.envelope, self.neighbours = parts.envelope, parts.neighbours
        # TorchScript knows attributes, and not the names of a module
        self.cutoff, self.power = material.cutoff, float(ENVELOPE_POWER)
        self.epsilon, self.sigma = material.epsilon, material.sigma
        self.strength, self.mean_fade = material.strength, MEAN_FADE
        self.crowd = material.crowd
        centres = torch.linspace(
            material.nearest, material.cutoff, parts.basis, dtype=torch.float64
        )
        self.width = 2.0 * float(centres[1] - centres[0])
        # all weights alike make a constant; what a training would leave on top of it is noise
        noise = random_weights(parts.basis, parts.seed)
        self.weights = torch.nn.Parameter((1.0 + NOISE * noise) / OVERLAP)
        points, shares = _grid(parts.grid)
        self.register_buffer("centres", centres)
        self.register_buffer("axes", AXES)
        self.register_buffer("points", points)
        products = points.unsqueeze(2) * points.unsqueeze(1)
        self.register_buffer("squares", products.reshape(-1, 9).T.contiguous())
        self.register_buffer("shares", shares)

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Energies of atoms (eV) and direct forces (eV/Å)."""
        n = positions.size(0)
        first = pairs[:, 0]
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        unit = vectors / r.unsqueeze(1)
        fade = self.fade(r) * self.counted(r, first)

        message = fade * (self.basis(r) @ self.weights)
        field = self.field(unit, message, first, n)
        per_edge = self.strength * message * self.over_the_grid(unit, field, first)
        energy = 0.5 * self.pair_energy(r) * fade + per_edge
        along = self.pull(r) * fade + self.pull_of_messages(r) * per_edge
        zeros = torch.zeros_like(positions)
        return {
            "energy": torch.zeros_like(positions[:, 0]).index_add(0, first, energy),
            "forces": zeros.index_add(0, first, along.unsqueeze(1) * unit),
        }

    def pair_energy(self, r: torch.Tensor) -> torch.Tensor:
        """Of each pair (eV): Lennard-Jones."""
        sixth = (self.sigma / r) ** 6
        return 4.0 * self.epsilon * (sixth * sixth - sixth)

    def pull(self, r: torch.Tensor) -> torch.Tensor:
        """Direct force of each pair towards the neighbour (eV/Å)."""
        sixth = (self.sigma / r) ** 6
        return 4.0 * self.epsilon * (-12.0 * sixth * sixth + 6.0 * sixth) / r

    def pull_of_messages(self, r: torch.Tensor) -> torch.Tensor:
        """The same of the messages, in terms of their energy (1/Å)."""
        return 2.0 / self.sigma * torch.ones_like(r)

    def fade(self, r: torch.Tensor) -> torch.Tensor:
        """The envelope of eSEN: 1 at the centre, 0 with two derivatives at the cutoff."""
        if not self.envelope:
            return self.mean_fade * torch.ones_like(r)
        d, p = r / self.cutoff, self.power
        return (
            1.0
            - 0.5 * (p + 1.0) * (p + 2.0) * d**p
            + p * (p + 2.0) * d ** (p + 1.0)
            - 0.5 * p * (p + 1.0) * d ** (p + 2.0)
        )

    def counted(self, r: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        """1 for the edges to the nearest neighbours, 0 for others."""
        if self.neighbours == 0:
            return torch.ones_like(r)
        same = first.unsqueeze(0) == first.unsqueeze(1)
        nearer = (r.unsqueeze(0) < r.unsqueeze(1)) & same
        return (nearer.sum(dim=1) < self.neighbours).to(r.dtype)

    def basis(self, r: torch.Tensor) -> torch.Tensor:
        """Gaussians of the distance, which weights make a function of; [P, basis]."""
        x = (r.unsqueeze(1) - self.centres.unsqueeze(0)) / self.width
        return torch.exp(-0.5 * x * x)

    def field(
        self, unit: torch.Tensor, message: torch.Tensor, first: torch.Tensor, n: int
    ) -> torch.Tensor:
        """Coefficients of the function on the sphere of each atom, [N, 13]: l = 0, 1, 2."""
        products = unit.unsqueeze(2) * unit.unsqueeze(1) - torch.eye(3, dtype=unit.dtype) / 3.0
        rows = torch.cat(
            [torch.ones_like(unit[:, :1]), 3.0 * unit, 7.5 * products.reshape(-1, 9)], dim=1
        )
        zeros = torch.zeros((n, 13), dtype=unit.dtype)
        return zeros.index_add(0, first, message.unsqueeze(1) * rows) / self.crowd

    def over_the_grid(
        self, unit: torch.Tensor, field: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        """Average of the nonlinear image over a grid that is aligned with each edge."""
        # the axis that is furthest from the edge fixes the turn about it
        axis = self.axes.index_select(0, (unit @ self.axes.T).abs().argmin(dim=1))
        across = axis - (axis * unit).sum(dim=1, keepdim=True) * unit
        across = across / torch.linalg.vector_norm(across, dim=1, keepdim=True)
        frame = torch.stack([across, torch.linalg.cross(unit, across), unit], dim=1)
        edges = field.index_select(0, first)
        # the function in the frame of the edge, where the points of the grid are the same for all
        turned = torch.bmm(frame, edges[:, 1:4].unsqueeze(2)).squeeze(2)
        tensors = torch.bmm(torch.bmm(frame, edges[:, 4:].reshape(-1, 3, 3)), frame.transpose(1, 2))
        values = edges[:, :1] + turned @ self.points.T + tensors.reshape(-1, 9) @ self.squares
        return torch.nn.functional.silu(values) @ self.shares


def _grid(latitudes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points on the sphere and their shares: Gauss-Legendre times equidistant meridians."""
    heights, shares = np.polynomial.legendre.leggauss(latitudes)
    meridians = 2 * latitudes - 1
    turns = 2 * np.pi * np.arange(meridians) / meridians
    z, angle = (a.ravel() for a in np.meshgrid(heights, turns, indexing="ij"))
    ring = np.sqrt(1 - z**2)
    points = np.stack([ring * np.cos(angle), ring * np.sin(angle), z], axis=1)
    return torch.tensor(points), torch.tensor(np.repeat(shares / 2 / meridians, meridians))


def random_weights(count: int, seed: int) -> torch.Tensor:
    """Of a normal distribution.

    :param count: how many
    :param seed: of the generator
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dtype=torch.float64, generator=generator)


def export(network: Network, material: Material, path: Path) -> Path:
    """Write a network as a model file.

    :param network: of any kind
    :param material: that it is of
    :param path: of the file
    :returns: the same path
    """
    return export_module(
        network.requires_grad_(False),
        path,
        elements=[material.element],
        cutoff=material.cutoff,
        layers=1,
        dtype="float64",
    )
