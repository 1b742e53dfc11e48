"""Label periodic boxes of liquid water with GFN1-xTB (needs tblite).

Example: python generate.py --seed 1 --temperature 330 --steps 6000 --out water.xyz

Langevin dynamics; every few steps one frame is labelled, and a strained and rattled copy of it, so
that the model also sees pressures and forces away from equilibrium.
"""

from __future__ import annotations

import ase.units as units
import click
import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.calculator import CalculationFailed
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import FIRE
from rich.progress import track
from tblite.ase import TBLite

WATER_MASS = 18.01528
"""g/mol"""
AVOGADRO = 6.02214076e23
TIMESTEP = 0.5 * units.fs
FRICTION = 0.02 / units.fs


def water_box(side: int, density: float, rng: np.random.Generator) -> Atoms:
    """``side``^3 water molecules at random orientations on a cubic grid; density in g/cm^3."""
    length = (side**3 * WATER_MASS / AVOGADRO / density * 1e24) ** (1 / 3)
    spacing = length / side
    water = molecule("H2O")
    atoms = Atoms(cell=[length] * 3, pbc=True)
    for cell in np.ndindex(side, side, side):
        one = water.copy()
        one.rotate(rng.uniform(0, 360), rng.normal(size=3))
        one.translate((np.array(cell) + 0.5) * spacing - one.get_center_of_mass())
        atoms += one
    return atoms


def gfn1() -> TBLite:
    """A fresh calculator: no state is carried from one frame to the next."""
    return TBLite(method="GFN1-xTB", verbosity=0)


def label(atoms: Atoms, kind: str, path: str) -> bool:
    """Append a labelled copy to ``path``; False when the calculation did not converge."""
    labelled = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True, calculator=gfn1())
    try:
        energy = labelled.get_potential_energy()
        forces = labelled.get_forces()
        stress = labelled.get_stress(voigt=False)
    except (CalculationFailed, RuntimeError):
        return False
    labelled.calc = None
    labelled.info = {"energy": energy, "stress": stress, "config_type": kind}
    labelled.arrays["forces"] = forces
    labelled.wrap()
    write(path, labelled, append=True, format="extxyz")
    return True


def strained_and_rattled(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """A copy under a random symmetric strain of 2 %, its atoms moved by 0.03 Å."""
    copy = atoms.copy()
    strain = np.eye(3) + rng.normal(scale=0.02, size=(3, 3))
    copy.set_cell(copy.cell @ (0.5 * (strain + strain.T)), scale_atoms=True)
    copy.positions += rng.normal(scale=0.03, size=copy.positions.shape)
    return copy


@click.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--temperature", default=330.0, show_default=True, help="K")
@click.option("--density", default=1.0, show_default=True, help="g/cm^3")
@click.option("--side", default=3, show_default=True, help="Molecules along an edge of the box.")
@click.option("--steps", default=6000, show_default=True, help="Steps of 0.5 fs.")
@click.option("--stride", default=40, show_default=True, help="Steps between labelled frames.")
@click.option("--out", default="water.xyz", show_default=True, help="File to append frames to.")
def main(
    seed: int, temperature: float, density: float, side: int, steps: int, stride: int, out: str
) -> None:
    """Run dynamics of a water box and label its frames.

    Example: python generate.py --seed 1 --temperature 330 --steps 6000 --out water.xyz
    """
    rng = np.random.default_rng(seed)
    atoms = water_box(side, density, rng)
    atoms.calc = gfn1()
    FIRE(atoms, logfile=None).run(fmax=0.5, steps=80)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(atoms, TIMESTEP, temperature_K=temperature, friction=FRICTION, rng=rng)
    failed = 0
    for _ in track(range(steps // stride), description=f"{temperature:.0f} K"):
        dynamics.run(stride)
        failed += not label(atoms, f"md_{temperature:.0f}K", out)
        failed += not label(strained_and_rattled(atoms, rng), f"strained_{temperature:.0f}K", out)
    click.echo(f"{out}: {2 * (steps // stride) - failed} frames, {failed} did not converge")


if __name__ == "__main__":
    main()
