"""Rattled crystals of argon with labels of ASE's Lennard-Jones, and a start of dynamics."""

from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from model_commands import argon_crystal

__all__ = ["labelled_structures", "start"]


def labelled_structures(count=3, **keep):
    """With energies, forces and stresses of Lennard-Jones by ASE."""
    structures = []
    for seed in range(count):
        atoms = argon_crystal(seed)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=6.0, smooth=True)
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        results = {name: value for name, value in results.items() if keep.get(name, True)}
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    return structures


def start():
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    return atoms
