"""Boxes of atoms for models of each kind."""

from dataclasses import dataclass
from pathlib import Path

import ase
import numpy as np

from md_bridge.structures import standard_orientation


@dataclass
class Files:
    """A model as TorchScript and compiled, and what it is made for."""

    exported: Path
    compiled: Path
    elements: tuple[str, ...]
    spacing: float


def box(files: Files, side: int = 3, seed: int = 0, pbc=True, tilt: float = 0.1) -> ase.Atoms:
    """A jittered, triclinic box of side³ atoms."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3)
    cell = files.spacing * side * (np.eye(3) + random.uniform(-tilt, tilt, (3, 3)))
    positions = (grid + 0.5 + random.uniform(-0.15, 0.15, grid.shape)) / side @ cell
    symbols = [files.elements[k % len(files.elements)] for k in range(len(grid))]
    return ase.Atoms(symbols, positions=positions, cell=cell, pbc=pbc)


def moving_box(files: Files) -> ase.Atoms:
    """64 atoms as LAMMPS, i-PI and drift begin from: in the usual orientation, with velocities."""
    atoms = standard_orientation(box(files, 4, tilt=0.03))
    atoms.set_velocities(np.random.default_rng(2).normal(0, 0.002, (len(atoms), 3)))
    return atoms
