"""A package's own calculator beside the same model in the engine, in ASE and in LAMMPS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from md_bridge.ase import MDBridgeCalculator
from md_bridge.calculators.factories import make
from md_bridge.drift.runs.lammps import write_data_file

__all__ = ["compare"]

_INPUT = """units metal
read_data start.data
pair_style mdbridge ${{model}}
pair_coeff * * {elements}
run 0
variable energy equal pe
print "${{energy}}" file energy.txt
write_dump all custom forces.txt id fx fy fz modify sort id format float %.17g
"""


def compare(model: str, calculator: str, atoms: Atoms, folder: Path) -> dict[str, Any]:
    """Energies and forces of one structure, and their largest differences.

    :param model: its name for MD Bridge
    :param calculator: name of the factory of the package's own calculator
    :param atoms: with a lattice along the axes, all atoms inside of the cell or not
    :param folder: for LAMMPS, made if missing
    :returns: eV and eV/Å, for ``json.dumps``
    :raises subprocess.CalledProcessError: LAMMPS failed
    """
    folder.mkdir(parents=True, exist_ok=True)
    own, ours = atoms.copy(), atoms.copy()
    own.calc = make(calculator)[0]
    ours.calc = MDBridgeCalculator(model)
    forces = own.get_forces()
    energy_of_lammps, forces_of_lammps = _lammps(model, atoms, folder)

    def apart(energy: float, found: np.ndarray) -> dict[str, float]:
        return {
            "energy_eV": float(abs(energy - own.get_potential_energy())),
            "forces_eV_per_angstrom": float(np.abs(found - forces).max()),
        }

    return {
        "atoms": len(atoms),
        "energy_eV": float(own.get_potential_energy()),
        "largest_force_eV_per_angstrom": float(np.abs(forces).max()),
        "ase": apart(ours.get_potential_energy(), ours.get_forces()),
        "lammps": apart(energy_of_lammps, forces_of_lammps),
    }


def _lammps(model: str, atoms: Atoms, folder: Path) -> tuple[float, np.ndarray]:
    elements = sorted(set(atoms.get_chemical_symbols()))
    write_data_file(atoms, folder / "start.data", elements)
    text = _INPUT.format(elements=" ".join(elements))
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "md_bridge", "lammps", "--model", model, "-in", "in.lammps"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    forces = np.loadtxt(folder / "forces.txt", skiprows=9)[:, 1:]
    return float((folder / "energy.txt").read_text(encoding="utf-8")), forces
