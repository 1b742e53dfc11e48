"""Silicon as Stillinger and Weber have it, and crystals in the native pair styles of LAMMPS."""

import itertools
from importlib.util import find_spec
from pathlib import Path

import lammps_tools
import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from lammps_tools import BAR_PER_EV
from models import AnalyticModel, LennardJones, _sum_to_atoms

from md_bridge.export import pair_vectors

LATTICE = 5.431
"""Å, within 1e-4 Å of where the stress of the potential vanishes."""


def stillinger_weber() -> AnalyticModel:
    """Silicon as in LAMMPS's ``Si.sw`` (F. H. Stillinger and T. A. Weber, Phys. Rev. B 31, 5262
    (1985)); no direct forces."""
    return AnalyticModel(StillingerWeber(), ["Si"], 1.80 * 2.0951)


def silicon() -> Atoms:
    """The cubic cell of eight atoms."""
    return bulk("Si", "diamond", a=LATTICE, cubic=True)


def pair_sw() -> str:
    """The same potential in LAMMPS, with the parameters that come with it."""
    origin = find_spec("lammps").origin
    file = Path(origin).parent / "share/lammps/potentials/Si.sw"
    return f"pair_style sw\npair_coeff * * {file} Si"


class StillingerWeber(torch.nn.Module):
    """The sum over pairs of neighbours at an angle θ, (cos θ + 1/3)², is taken apart into sums over
    one neighbour each: cos θ is the product of two unit vectors, and its square that of two
    tensors."""

    def __init__(self):
        super().__init__()
        self.epsilon, self.sigma, self.a = 2.1683, 2.0951, 1.80
        self.strength, self.gamma, self.cosine = 21.0, 1.20, 0.333333333333
        self.big_a, self.big_b = 7.049556277, 0.6022245584

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
        vectors = pair_vectors(positions, cell, pairs, shifts, structure)
        r = torch.linalg.vector_norm(vectors, dim=1)
        # both parts vanish with all derivatives at the cutoff, long before this
        inside = (r - self.a * self.sigma).clamp(max=-0.01)
        repulsion = self.big_b * (self.sigma / r) ** 4 - 1.0
        two = self.big_a * self.epsilon * repulsion * torch.exp(self.sigma / inside)
        g = torch.exp(self.gamma * self.sigma / inside)
        unit = vectors / r.unsqueeze(1)
        scalar = _sum_to_atoms(g, first, n)
        vector = _sum_to_atoms(g.unsqueeze(1) * unit, first, n)
        tensor = _sum_to_atoms(
            g.reshape(-1, 1, 1) * unit.unsqueeze(2) * unit.unsqueeze(1), first, n
        )
        both = (
            tensor.square().sum(dim=(1, 2))
            + 2.0 * self.cosine * vector.square().sum(dim=1)
            + self.cosine**2 * scalar.square()
            - (1.0 + self.cosine) ** 2 * _sum_to_atoms(g.square(), first, n)
        )
        three = 0.5 * self.strength * self.epsilon * both
        return {"energy": 0.5 * _sum_to_atoms(two, first, n) + three}


ARGON = {"epsilon": 0.0104, "sigma": 3.4, "cutoff": 8.7}
"""The cutoff is between two shells of the crystal, at all strains of up to 3 %."""
ARGON_LATTICE = 5.26


def argon_model() -> AnalyticModel:
    """:data:`ARGON`, cut as ``lj/cut``."""
    module = LennardJones([18], *[[[ARGON[key]]] for key in ("epsilon", "sigma", "cutoff")])
    return AnalyticModel(module, ["Ar"], ARGON["cutoff"])


def argon() -> Atoms:
    """The cubic cell of four atoms, nearly without stress."""
    return bulk("Ar", "fcc", a=ARGON_LATTICE, cubic=True)


def pair_lj() -> str:
    """The same potential in LAMMPS."""
    return (
        f"pair_style lj/cut {ARGON['cutoff']}\npair_coeff 1 1 {ARGON['epsilon']} {ARGON['sigma']}"
    )


def lattice_sums() -> np.ndarray:
    """C₁₁, C₁₂ and C₄₄ of :func:`argon`, second derivatives of the energy by Lagrange's strain:
    sums of (φ'' − φ'/r) r_i r_j r_k r_l / r² over pairs, eV/Å³."""
    epsilon, sigma, cutoff = ARGON.values()
    points = np.array([p for p in itertools.product(range(-5, 6), repeat=3) if sum(p) % 2 == 0])
    vectors = 0.5 * ARGON_LATTICE * points[np.any(points, axis=1)]
    r = np.linalg.norm(vectors, axis=1)
    vectors, r = vectors[r < cutoff], r[r < cutoff]
    twelve, six = (sigma / r) ** 12, (sigma / r) ** 6
    weights = 4.0 * epsilon * (156.0 * twelve - 42.0 * six + 12.0 * twelve - 6.0 * six) / r**4
    x, y = vectors[:, 0], vectors[:, 1]
    normal, mixed = np.sum(weights * x**4), np.sum(weights * x**2 * y**2)
    return np.array([normal, mixed, mixed]) / (0.5 * ARGON_LATTICE**3)


def native(atoms: Atoms, pair: str, *more: str) -> lammps_tools.Results:
    """What LAMMPS says of a crystal of one element, with a pair style of its own.

    Energy, forces (turned back to the frame of the atoms) and the *stress* (the same, [3, 3],
    eV/Å³, in place of the pressure); ``more``: commands before that, such as ``minimize``.
    """
    cell, rotation = atoms.cell.standard_form()
    # LAMMPS leaves out what is outside of the box, were it by rounding
    inside = atoms.get_scaled_positions() + np.array([0.0137, 0.0171, 0.0193])
    turned = Atoms(atoms.symbols, cell=cell, pbc=True, scaled_positions=inside)
    turned.wrap()
    box = lammps_tools.box(turned, sorted(set(atoms.symbols)))
    with lammps_tools.lammps(box, pair, *more, "run 0") as lmp:
        assert lmp.get_natoms() == len(atoms)
        found = lammps_tools.results(lmp)
    xx, yy, zz, xy, xz, yz = -found.pressure / BAR_PER_EV
    stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    found.pressure = rotation.T @ stress @ rotation
    found.forces = found.forces @ rotation
    return found
