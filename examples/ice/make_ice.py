"""Ice XI: hexagonal ice whose protons are ordered, 8 molecules in an orthorhombic cell (Cmc2₁).

python make_ice.py        writes ice-xi.xyz

Space group and order of the protons are those of Leadbetter et al., J. Chem. Phys. 82, 424 (1985);
the geometry is ideal: tetrahedral oxygens at one distance, protons on the lines between them.
"""

from math import sqrt
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from ase.spacegroup import crystal

OXYGENS = 2.76
"""Å, between neighbouring oxygens."""
BOND = 0.98
"""Å, between oxygen and its protons."""


def ice_xi() -> Atoms:
    """24 atoms; the dipoles add up along c."""
    a = OXYGENS * sqrt(8 / 3)
    cell = np.array([a, sqrt(3) * a, sqrt(8 / 3) * a])
    # O1 gives its protons to the oxygens above it and beside it in the mirror plane, O2 to two of
    # those on both sides of the plane
    first, second = np.array([0, 2 / 3, 1 / 16]), np.array([1 / 2, 5 / 6, -1 / 16])
    bonds = [
        (first, np.array([0, 2 / 3, 7 / 16])),
        (first, np.array([0, 1 / 3, -1 / 16])),
        (second, np.array([1, 2 / 3, 1 / 16])),
    ]
    protons = [here + BOND / OXYGENS * (there - here) for here, there in bonds]
    return crystal(
        ["O", "O", "H", "H", "H"],
        [first, second, *protons],
        spacegroup=36,
        cellpar=[*cell, 90, 90, 90],
    )


if __name__ == "__main__":
    atoms = ice_xi()
    bare = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)
    path = Path(__file__).with_name("ice-xi.xyz")
    write(path, bare, format="extxyz")
    print(f"wrote {path.name}")
