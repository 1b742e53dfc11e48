"""Analytic models whose dynamics can be solved on paper, for the tests of the drift protocols."""

import numpy as np
import torch
from ase import Atoms, units
from models import AnalyticModel

SPACING = 3.0


STIFFNESS, DIRECT_STIFFNESS = 9.4, 4.7  # eV/Å²
INNER_STEP = 1.5  # fs
"""Of bonds that multiple time stepping keeps stable up to a known M: those of models.harmonic."""


def is_stable(multiplicity: int) -> bool:
    """Whether one outer step of multiple time stepping maps the bond of a dimer stably.

    Kick with k - k_direct, M Verlet steps with k_direct, kick: a matrix of determinant one, stable
    if and only if its trace is at most two.
    """
    mass = 1.008 / 2  # reduced
    step = INNER_STEP * units.fs

    def kick(stiffness, time):
        return np.array([[1.0, 0.0], [-stiffness / mass * time, 1.0]])

    def drift(time):
        return np.array([[1.0, time], [0.0, 1.0]])

    inner = kick(DIRECT_STIFFNESS, step / 2) @ drift(step) @ kick(DIRECT_STIFFNESS, step / 2)
    outer = kick(STIFFNESS - DIRECT_STIFFNESS, multiplicity * step / 2)
    return abs(np.trace(outer @ np.linalg.matrix_power(inner, multiplicity) @ outer)) <= 2.0


def einstein_crystal(k: float = 2.0, swirl: float = 0.0, elements=("Ar",)) -> AnalyticModel:
    """½ k d² for every atom, where d is its distance from the nearest site of a cubic lattice.

    The direct force is −k d + swirl · z × d (both in eV/Å²): the Jacobian of one atom is
    [[−k, −swirl, 0], [swirl, −k, 0], [0, 0, −k]], all atoms are independent linear oscillators.
    Sites are at multiples of 3 Å, elements of the structure do not matter.
    """
    return AnalyticModel(EinsteinCrystal(k, swirl), list(elements), 2.0)


def einstein_start(
    symbols="Ar", cells=2, temperature: float = 300.0, seed: int = 1, spread: float = 0.05
) -> Atoms:
    """Atoms near the sites of :func:`einstein_crystal`, in a periodic box, with velocities.

    ``symbols``: of the atoms, repeated over the sites.
    """
    random = np.random.default_rng(seed)
    grid = SPACING * np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1)
    sites = grid.reshape(-1, 3)
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    atoms = Atoms(
        [names[i % len(names)] for i in range(len(sites))],
        positions=sites + spread * random.normal(size=sites.shape),
        cell=[SPACING * cells] * 3,
        pbc=True,
    )
    _thermal_velocities(atoms, temperature, random)
    return atoms


def argon_crystal(cells=2, temperature: float = 40.0, seed: int = 1, lattice=5.5) -> Atoms:
    """A face-centred crystal of argon, rattled, with velocities; ``cells`` cubic cells a side.

    Larger than the cutoff of 6 Å only from two cells on: ``models.curl``.
    """
    random = np.random.default_rng(seed)
    basis = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    positions = lattice * (corners + basis).reshape(-1, 3)
    atoms = Atoms(
        f"Ar{len(positions)}",
        positions=positions + 0.05 * random.normal(size=positions.shape),
        cell=[lattice * cells] * 3,
        pbc=True,
    )
    _thermal_velocities(atoms, temperature, random)
    return atoms


def _thermal_velocities(atoms: Atoms, temperature: float, random: np.random.Generator) -> None:
    from ase.units import kB

    sigma = np.sqrt(kB * temperature / atoms.get_masses())[:, None]
    velocities = sigma * random.normal(size=(len(atoms), 3))
    momentum = atoms.get_masses() @ velocities
    atoms.set_velocities(velocities - momentum / atoms.get_masses().sum())


class EinsteinCrystal(torch.nn.Module):
    def __init__(self, k: float, swirl: float):
        super().__init__()
        self.k, self.swirl, self.spacing = k, swirl, SPACING

    def forward(
        self,
        types: torch.Tensor,
        positions: torch.Tensor,
        cell: torch.Tensor,
        pairs: torch.Tensor,
        shifts: torch.Tensor,
        structure: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        sites = self.spacing * torch.round(positions.detach() / self.spacing)
        d = positions - sites
        zero = torch.zeros_like(d[:, 0])
        swirl = torch.stack([-d[:, 1], d[:, 0], zero], dim=1)  # z × d
        return {
            "energy": 0.5 * self.k * d.square().sum(dim=1),
            "forces": -self.k * d + self.swirl * swirl,
        }
