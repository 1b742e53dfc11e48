"""Writes tests/lammps/force_style/*.json for tests/lammps/test_force_style.py, with programs other
than ours:

    python tests/helpers/make_force_style_references.py

- argon_lennard_jones.json: LAMMPS's own ``pair_style lj/cut``
- argon_two_layers.json, water.json: metatomic's ASE calculator; trajectories by the plain numpy
  integrator in tests/helpers/mts_reference.py

Only for a change of the models or of the starting structures: if a reference moves for any other
reason, something is wrong.

A file holds a structure (Å, Å/ps) and, at the start, after ``steps`` steps of velocity Verlet and
after ``steps / multiplicity`` outer steps of multiple time stepping: energy (eV), forces (eV/Å) and
virial (-dE/d(strain): xx, yy, zz, xy, xz, yz; eV). Also the direct forces at the start.
"""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lammps_tools as tools
import models
import mts_reference
import numpy as np
from ase import Atoms
from ase.io import read
from ase.neighborlist import neighbor_list
from metatomic.torch import ModelOutput
from metatomic_ase import MetatomicCalculator

from md_bridge._paths import DATA

FOLDER = Path(__file__).parents[1] / "lammps" / "force_style"
FTM2V = 1.0 / 1.0364269e-4  # LAMMPS units metal: (eV/Å)/(g/mol) in Å/ps²
VOIGT = [0, 4, 8, 1, 2, 5]  # xx, yy, zz, xy, xz, yz of a row-major matrix
NUMBERS = {"steps": 4, "multiplicity": 2}


def start(atoms: Atoms, timestep_ps: float, temperature: float = 150.0) -> dict[str, Any]:
    """Positions and velocities with few digits, so that the file is exactly what was computed."""
    random = np.random.default_rng(1)
    spread = np.sqrt(8.617333e-5 * temperature * FTM2V / atoms.get_masses())
    return {
        "symbols": list(atoms.symbols),
        "cell": np.array(atoms.cell).round(6).tolist(),
        "positions": atoms.positions.round(6).tolist(),
        "velocities": (random.normal(size=(len(atoms), 3)) * spread[:, None]).round(6).tolist(),
        "masses": atoms.get_masses().tolist(),
        "timestep": timestep_ps,
        **NUMBERS,
    }


def lennard_jones() -> dict[str, Any]:
    reference = start(tools.argon(cells=(2, 2, 2), tilt=(2.0, -1.5, 3.0)), 0.002)
    atoms = Atoms(reference["symbols"], reference["positions"], cell=reference["cell"], pbc=True)
    lj_cut = "pair_style lj/cut 8.5\npair_coeff * * 0.0104 3.4\n"
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        box = tools.box_from_file(
            atoms, ["Ar"], Path(folder) / "data", velocities=reference["velocities"]
        )
        for name, steps in (("start", 0), ("after_run", reference["steps"])):
            virial = "compute virial all pressure NULL virial\nthermo_style custom pe c_virial[*]\n"
            run = f"timestep {reference['timestep']}\nneighbor 0.5 bin\nrun {steps}\n"
            with tools.lammps(box, lj_cut, virial, run) as lmp:
                pressure = np.array([lmp.extract_compute("virial", 0, 1)[k] for k in range(6)])
                found[name] = {
                    "energy": lmp.get_thermo("pe"),
                    "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3).tolist(),
                    "virial": (pressure * atoms.get_volume() / tools.BAR_PER_EV).tolist(),
                }
    return {"model": "lennard_jones", "tolerance": 1e-10, **reference, **found}


class Metatomic:
    """Energy, forces and virial of an exported model, without anything of MD Bridge in between."""

    def __init__(self, path: Path, atoms: Atoms):
        self.atoms = atoms
        self.calculator = MetatomicCalculator(str(path), device="cpu")

    def evaluate(self, positions: np.ndarray, direct: bool = False) -> dict[str, Any]:
        moved = self.atoms.copy()
        moved.positions = positions
        # the pair at the longest distance first: PET pads its arrays with the first pair of the
        # list, and single precision suffers if that is a short one
        first, second, distance = neighbor_list("ijd", moved, 4.0)
        pair = [first[distance.argmax()], second[distance.argmax()]]
        order = np.array(pair + [i for i in range(len(moved)) if i not in pair])
        ordered = moved[order]
        back = np.argsort(order)
        if direct:
            wanted = {"non_conservative_force": ModelOutput(sample_kind="atom", unit="eV/Angstrom")}
            result = self.calculator.run_model(ordered, wanted)["non_conservative_force"]
            forces = result.block().values.detach().numpy().reshape(-1, 3)[back].astype(float)
            return {"forces": (forces - forces.mean(axis=0)).tolist()}
        ordered.calc = self.calculator
        forces = ordered.get_forces()[back]
        virial = -ordered.get_stress(voigt=False) * ordered.get_volume()
        return {
            "energy": ordered.get_potential_energy(),
            "forces": forces.tolist(),
            "virial": virial.reshape(9)[VOIGT].tolist(),
        }

    def forces(self, direct: bool) -> Callable[[np.ndarray], np.ndarray]:
        return lambda positions: np.array(self.evaluate(positions, direct)["forces"])


def by_metatomic(path: Path, reference: dict[str, Any]) -> dict[str, Any]:
    atoms = Atoms(reference["symbols"], reference["positions"], cell=reference["cell"], pbc=True)
    metatomic = Metatomic(path, atoms)
    begin = (
        atoms.positions,
        np.array(reference["velocities"]),
        np.array(reference["masses"]) / FTM2V,
    )
    steps, multiplicity, timestep = (
        reference[key] for key in ("steps", "multiplicity", "timestep")
    )
    conservative, direct = metatomic.forces(direct=False), metatomic.forces(direct=True)
    verlet = mts_reference.velocity_verlet(*begin, conservative, timestep, steps)
    respa = mts_reference.multiple_time_step(
        *begin, conservative, direct, timestep, multiplicity, steps // multiplicity
    )
    return {
        **reference,
        "start": metatomic.evaluate(atoms.positions),
        "start_direct": metatomic.evaluate(atoms.positions, direct=True),
        "after_run": metatomic.evaluate(verlet[-1].positions),
        "after_respa": metatomic.evaluate(respa[-1].positions),
    }


def two_layers() -> dict[str, Any]:
    reference = start(tools.argon(cells=(4, 1, 1), tilt=(0.8, -0.5, 0.3)), 0.004, 600.0)
    with tempfile.TemporaryDirectory() as folder:
        path = models.two_layers().export(Path(folder) / "two_layers.pt")
        return {"model": "two_layers", "tolerance": 1e-10, **by_metatomic(path, reference)}


def water() -> dict[str, Any]:
    reference = start(read(DATA / "water-start.xyz"), 0.0005, 300.0)
    # single precision: the order of the pairs shows in the fifth digit
    return {"model": "water", "tolerance": 5e-5, **by_metatomic(DATA / "water.pt", reference)}


def to_json(value: Any, indent: str = "") -> str:
    """JSON with one line an atom."""
    deeper = indent + " "
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)}: {to_json(each, deeper)}" for key, each in value.items()]
    elif isinstance(value, list) and isinstance(value[0], list):
        entries = [json.dumps(row) for row in value]
    else:
        return json.dumps(value)
    left, right = "{}" if isinstance(value, dict) else "[]"
    return f"{left}\n{deeper}" + f",\n{deeper}".join(entries) + f"\n{indent}{right}"


if __name__ == "__main__":
    for name, make in (
        ("argon_lennard_jones", lennard_jones),
        ("argon_two_layers", two_layers),
        ("water", water),
    ):
        (FOLDER / f"{name}.json").write_text(to_json(make()) + "\n")
