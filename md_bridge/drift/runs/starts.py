"""Independent starts at one temperature: the canonical ensemble under conservative forces.

ASE does it, whatever host runs NVE afterwards, so that campaigns in LAMMPS and i-PI have the same
starts.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import (
    MaxwellBoltzmannDistribution,
    Stationary,
    ZeroRotation,
)
from ase.optimize import LBFGS

from md_bridge.drift.runs.tasks import Progress
from md_bridge.structures import StructureError
from md_bridge.structures import read_structure as read_any_structure
from md_bridge.text import replace_atomically

__all__ = [
    "minimise",
    "read_periodic_structure",
    "thermalise",
    "write_start",
]

_RELAXATION_FS = 50.0
"""Of the velocities under the thermostat: a tenth of a short equilibration, and longer than the
periods of bonds to hydrogen."""
_REPORT_STEPS = 10


def thermalise(
    structure: Atoms,
    calculator: Calculator,
    temperature_k: float,
    timestep_fs: float,
    steps: int,
    seed: int,
    progress: Progress,
    zero_rotation: bool = False,
) -> Atoms:
    """A copy of the structure with velocities (and positions) from the canonical ensemble.

    Langevin dynamics (E. Vanden-Eijnden and G. Ciccotti, Chem. Phys. Lett. 429, 310 (2006), as in
    ASE) from velocities of the Maxwell-Boltzmann distribution; in the end the centre of mass is
    brought to rest. The kinetic temperature is not rescaled: replicas differ as the ensemble does.

    :param structure: positions and cell; its velocities are replaced
    :param calculator: of conservative forces
    :param temperature_k: of the thermostat (K)
    :param timestep_fs: of the dynamics (fs)
    :param steps: 0 draws new velocities only
    :param seed: of velocities and thermostat
    :param progress: called with the number of steps done
    :param zero_rotation: take the angular momentum out of the velocities, too
    """
    atoms = structure.copy()
    generator = np.random.default_rng(seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature_k, rng=generator)
    if steps:
        atoms.calc = calculator
        dynamics = Langevin(
            atoms,
            timestep_fs * units.fs,
            temperature_K=temperature_k,
            friction=1 / (_RELAXATION_FS * units.fs),
            fixcm=False,
            rng=generator,
        )
        dynamics.attach(lambda: progress(dynamics.nsteps), interval=_REPORT_STEPS)
        dynamics.run(steps)
        atoms.calc = None
    Stationary(atoms, preserve_temperature=False)
    if zero_rotation:
        with warnings.catch_warnings():
            # that it takes periodic atoms for a cluster: so does who asks for this
            warnings.filterwarnings("ignore", message="Periodic boundary conditions are ignored")
            ZeroRotation(atoms, preserve_temperature=False)
    return atoms


def minimise(
    structure: Atoms, calculator: Calculator, fmax: float, steps: int, progress: Progress
) -> Atoms:
    """A copy of the structure at a minimum of the energy, in its cell (LBFGS of ASE).

    :param structure: positions and cell
    :param calculator: of conservative forces
    :param fmax: largest force in the end (eV/Å)
    :param steps: after so many it is left as it is then
    :param progress: called with the number of steps done
    """
    atoms = structure.copy()
    atoms.calc = calculator
    optimiser = LBFGS(atoms, logfile=os.devnull)
    optimiser.attach(lambda: progress(optimiser.nsteps))
    optimiser.run(fmax=fmax, steps=steps)
    atoms.calc = None
    return atoms


def write_start(atoms: Atoms, path: Path) -> None:
    """Write a start as extended XYZ; the file appears whole or not at all.

    :param atoms: positions in Å, with velocities
    :param path: the file, replaced if it exists
    :raises OSError: the file cannot be written
    """
    replace_atomically(path, lambda unfinished: ase.io.write(unfinished, atoms, format="extxyz"))


def read_periodic_structure(path: Path) -> Atoms:
    """The last structure of a file, fit for runs in LAMMPS and i-PI.

    :param path: any file that ASE reads
    :returns: positions in Å, at least two atoms
    :raises StructureError: if it cannot be read, is not periodic in all directions, has fewer than
        two atoms, a left-handed cell, frozen atoms or several isotopes of an element
    """
    atoms = read_any_structure(path)
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise StructureError(
            f"{path}: expected a structure that is periodic in three directions, found pbc "
            f"{' '.join('T' if p else 'F' for p in atoms.pbc)} and a cell of rank "
            f"{atoms.cell.rank}: put a molecule into a box wider than the model's range"
        )
    if len(atoms) < 2:
        raise StructureError(f"{path}: expected at least two atoms, found {len(atoms)}")
    if atoms.cell.handedness < 0:
        raise StructureError(
            f"{path}: the cell vectors are left-handed, which LAMMPS and i-PI do not take: "
            "exchange two of them"
        )
    if atoms.constraints:
        raise StructureError(
            f"{path}: some atoms are frozen ({type(atoms.constraints[0]).__name__}), and in these "
            "runs all atoms move: write the file without constraints"
        )
    _refuse_isotopes(atoms, path)
    return atoms


def _refuse_isotopes(atoms: Atoms, path: Path) -> None:
    """LAMMPS has one mass for each type, and a type is an element here."""
    masses = atoms.get_masses()
    for number in np.unique(atoms.numbers):
        found = np.unique(masses[atoms.numbers == number])
        if len(found) > 1:
            raise StructureError(
                f"{path}: {chemical_symbols[number]} has atoms of {len(found)} masses "
                f"({', '.join(f'{mass:g}' for mass in found)}), and in these runs every element "
                "has one: give all its atoms the same"
            )
