"""Argon with inner and outer models under rRESPA in LAMMPS, and what it must do."""

import lammps_tools as tools
import numpy as np

from md_bridge.engine import Engine, Pairs, structure_from_ase

FEMTOSECOND = 1e-3  # units metal: ps
FTM2V = 1.0 / 1.0364269e-4  # LAMMPS units metal: (eV/Å)/(g/mol) in Å/ps²
INNER_STEP = 2.0 * FEMTOSECOND
ATOMS = tools.argon(cells=(2, 2, 2), tilt=(1.0, 0.0, -0.5), seed=3)
MASS = 39.948
MASSES = np.full(len(ATOMS), MASS / FTM2V)


def velocities(kelvin=200.0):
    """Å/ps, with no motion of the whole."""
    rng = np.random.default_rng(11)
    found = np.sqrt(8.617343e-5 * kelvin * FTM2V / MASS) * rng.normal(size=(len(ATOMS), 3))
    return found - found.mean(axis=0)


def pair(folder, outer, inner="", keywords="", elements="Ar"):
    """The pair style of the models with these names."""
    inner = f"inner {folder / inner}.pt" if inner else ""
    return (
        f"pair_style mdbridge {folder / outer}.pt {inner} threads 1 {keywords}\n"
        f"pair_coeff * * {elements}\n"
    )


def forces_of(path, kind, **options):
    """The function of positions that the engine computes."""
    engine, pairs = Engine(path, **options), Pairs(1.0)

    def evaluate(positions):
        atoms = ATOMS.copy()
        atoms.positions = positions
        result = engine.evaluate(structure_from_ase(atoms), pairs, **{f"{kind}_forces": True})
        return np.array(getattr(result, f"{kind}_forces"))

    return evaluate


def assert_same(positions, speeds, frame, tolerance=1e-10):
    """As the reference has it."""
    tools.assert_same_positions(positions, frame.positions, ATOMS.cell, tolerance)
    np.testing.assert_allclose(speeds, frame.velocities, rtol=0, atol=10 * tolerance)
