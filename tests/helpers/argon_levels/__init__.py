"""Argon with inner and outer models under rRESPA in LAMMPS, and what it must do."""

import math

import lammps_tools as tools
import mts_reference
import numpy as np
from ase.neighborlist import neighbor_list

FEMTOSECOND = 1e-3  # units metal: ps
FTM2V = 1.0 / 1.0364269e-4  # LAMMPS units metal: (eV/Å)/(g/mol) in Å/ps²
INNER_STEP = 2.0 * FEMTOSECOND
ATOMS = tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.0, -0.5), seed=3)
MASS = 39.948
MASSES = np.full(len(ATOMS), MASS / FTM2V)
DUMP = "id x y z vx vy vz modify sort id format float %.17g\n"
# another pair style beside ours, whose forces are no smaller: ε (eV), σ and cutoff (Å) of lj/cut
COMPANION = (0.03, 3.1, 6.5)


def velocities(kelvin=200.0):
    """Å/ps, with no motion of the whole."""
    rng = np.random.default_rng(11)
    found = np.sqrt(8.617343e-5 * kelvin * FTM2V / MASS) * rng.normal(size=(len(ATOMS), 3))
    return found - found.mean(axis=0)


def box(data):
    """Commands that read the atoms with these velocities from a data file, which is written."""
    made = tools.box_from_file(ATOMS, ["Ar"], data, velocities=velocities())
    return made + f"mass 1 {MASS}\n"


def pair(folder, outer, inner="", keywords="", elements="Ar"):
    """The pair style of the models with these names."""
    inner = f"inner {folder / inner}.pt" if inner else ""
    return (
        f"pair_style mdbridge {folder / outer}.pt {inner} threads 1 {keywords}\n"
        f"pair_coeff * * {elements}\n"
    )


def beside_companion(commands):
    """The pair style with ``lj/cut`` of :data:`COMPANION` in addition."""
    style, coefficients = commands.strip().split("\n")
    epsilon, sigma, cutoff = COMPANION
    return (
        f"pair_style hybrid/overlay {style.removeprefix('pair_style ')} lj/cut {cutoff}\n"
        f"{coefficients.replace('* *', '* * mdbridge')}\n"
        f"pair_coeff * * lj/cut {epsilon} {sigma}\n"
    )


def companion(first=math.inf, last=math.inf):
    """Forces of :data:`COMPANION`, smoothly switched off between these distances (Å) as rRESPA
    does with those of a level."""
    epsilon, sigma, cutoff = COMPANION

    def evaluate(positions):
        atoms = ATOMS.copy()
        atoms.positions = positions
        i, vectors, r = neighbor_list("iDd", atoms, cutoff)
        sr6 = (sigma / r) ** 6
        along = 24.0 * epsilon * (2.0 * sr6**2 - sr6) / r**2
        if first < math.inf:
            part = np.clip((r - first) / (last - first), 0.0, 1.0)
            along *= 1.0 - part**2 * (3.0 - 2.0 * part)
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, -along[:, None] * vectors)
        return forces

    return evaluate


def both(one, other):
    """The sum of two functions of positions."""
    return lambda positions: one(positions) + other(positions)


def forces_of(path, kind, atoms=ATOMS, **options):
    """The function of positions that the engine computes."""
    return mts_reference.forces_of(path, atoms, kind, **options)


def run_to_end(text, folder, ranks, **options):
    """Positions and velocities, [N, 3] each, after these commands."""
    done = tools.run_input(
        f"{text}write_dump all custom end {DUMP}", folder, ranks=ranks, **options
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    end = np.loadtxt(folder / "end", skiprows=9)[:, 1:]
    return end[:, :3], end[:, 3:]


def error_of(text, folder, ranks):
    """The message with which these commands stop the program."""
    done = tools.run_input(text, folder, ranks=ranks)
    assert done.returncode == 1, done.stdout[-2000:]
    return " ".join(line for line in done.stdout.splitlines() if "ERROR" in line)


def assert_same(positions, speeds, frame, tolerance=1e-10):
    """As the reference has it."""
    tools.assert_same_positions(positions, frame.positions, ATOMS.cell, tolerance)
    np.testing.assert_allclose(speeds, frame.velocities, rtol=0, atol=10 * tolerance)
