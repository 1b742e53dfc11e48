"""Models that Python evaluates, as files of factories."""

from pathlib import Path

from ase import Atoms
from ase.build import bulk

TWO_FACTORIES = """
from ase.calculators.lj import LennardJones

def one():
    return LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0)

def other():
    return LennardJones(sigma=3.4, epsilon=0.02, rc=6.0)
"""

TOY = '''
"""Argon, Lennard-Jones that ends smoothly at 5.2 Å; direct forces are turned by SWIRL."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

SIGMA, EPSILON, CUTOFF, SWIRL = 3.4, 0.0104, 5.2, 0.02
IMAGES = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])


def lennard_jones(atoms):
    cell = atoms.cell.complete().array
    vectors = atoms.positions[None] - atoms.positions[:, None]
    vectors -= (np.round(vectors @ np.linalg.inv(cell)) * atoms.pbc) @ cell
    vectors = vectors[:, :, None] + np.unique(IMAGES * atoms.pbc, axis=0) @ cell
    square = (vectors**2).sum(axis=-1)
    inside = (square > 1e-9) & (square < CUTOFF**2)
    first, v, r2 = np.nonzero(inside)[0], vectors[inside], square[inside]
    x, sr6 = 1 - r2 / CUTOFF**2, (SIGMA**2 / r2) ** 3
    pair = 4 * EPSILON * (sr6**2 - sr6)
    slope = 4 * EPSILON * (3 * sr6 - 6 * sr6**2) / r2 * x**3 - 3 * pair * x**2 / CUTOFF**2
    energies, forces = np.zeros(len(atoms)), np.zeros((len(atoms), 3))
    np.add.at(energies, first, 0.5 * pair * x**3)
    np.add.at(forces, first, 2 * slope[:, None] * v)
    found = {"energy": energies.sum(), "energies": energies, "forces": forces}
    if atoms.cell.rank == 3:
        full = (slope[:, None, None] * v[:, :, None] * v[:, None]).sum(axis=0) / atoms.get_volume()
        found["stress"] = full.flat[[0, 4, 8, 5, 2, 1]]
    return found


class Toy(Calculator):
    implemented_properties = ["energy", "energies", "forces", "stress"]
    further_properties = ["direct_forces", "direct_stress"]
    atomic_numbers = [18]

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = lennard_jones(atoms)
        turned = np.cross([0.0, 0.0, SWIRL], self.results["forces"])
        self.results["direct_forces"] = self.results["forces"] + turned
        self.results["direct_stress"] = self.results.get("stress")


def make():
    return Toy()


class OneKind(Toy):
    further_properties = ()


def one_kind():
    return OneKind()


class DirectAlone(OneKind):
    forces_kind = "direct"


def direct_alone():
    return DirectAlone()


class Asks(Toy):
    """Whose energy is 10 eV higher for each charge."""

    requested_inputs = ("charge", "spin_multiplicity")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        assert atoms.info["spin"] == atoms.info["spin_multiplicity"] == 3
        self.results["energy"] += 10.0 * atoms.info["charge"]


def asks():
    return Asks()
'''
"""A calculator with both kinds of forces, and relatives."""

OF_FILE = """
from md_bridge.calculators.metatomic import metatomic_calculator

def make():
    return metatomic_calculator({path!r})
"""


def python_model(folder: Path, code: str, function: str = "make", stem: str = "made") -> str:
    """The name of a factory with this code."""
    path = folder / f"{stem}.py"
    path.write_text(code, encoding="utf-8")
    return f"python:{path}:{function}"


def toy(folder: Path, function: str = "make", more: str = "") -> str:
    """A calculator of :data:`TOY`.

    :param more: code that follows
    """
    return python_model(folder, TOY + more, function, "toy")


def crystal() -> Atoms:
    """Four atoms of argon, rattled: 5.3 Å, more than the cutoff of the toy."""
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def of_file(folder: Path, exported: Path) -> str:
    """An exported file through metatomic's own calculator."""
    code = OF_FILE.format(path=str(exported))
    return python_model(folder, code, stem=f"of_{exported.stem.replace('-', '_')}")


def argon(lattice: float = 5.4) -> Atoms:
    """A rattled and sheared crystal: all components of a stress differ."""
    atoms = bulk("Ar", "fcc", a=lattice, cubic=True) * (2, 2, 2)
    cell = atoms.cell.array @ [[1.02, 0.0, 0.0], [0.03, 0.97, 0.0], [0.01, 0.02, 1.01]]
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms
