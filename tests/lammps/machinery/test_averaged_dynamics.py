"""Dynamics with averages: energy under a fixed set, temperatures under random rotations."""

import lammps_tools as tools
import models
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from md_bridge.drift import Verdict, judge
from md_bridge.engine import Engine, structure_from_ase

MASSES = {"Ar": 39.948, "Kr": 83.798}
BOLTZMANN = 8.617333e-5  # eV/K
AMU = 103.642696  # eV fs²/Å² per atomic mass unit
STEP = 4.0  # fs


def export(folder, size: float):
    """A soft repulsion, with forces that know a direction: their noise grows with ``size``."""
    content = {0: 0.1, 1: 0.02 * size, 2: -0.03 * size, 4: 0.03 * size}
    return models.anisotropic(content).export(folder / "anisotropic.pt")


def crystal(cells) -> Atoms:
    """As many atoms of each element, in a rectangular cell, alternating."""
    atoms = bulk("Ar", "fcc", a=5.6, cubic=True) * cells
    atoms.symbols[1::2] = "Kr"
    atoms.rattle(0.1, seed=5)
    atoms.wrap()
    return atoms


def start(atoms: Atoms, model, keywords: str) -> str:
    return (
        tools.box(atoms, ["Ar", "Kr"])
        + f"pair_style mdbridge {model} threads 1 {keywords}\npair_coeff * * Ar Kr\n"
        + f"neighbor 1.0 bin\ntimestep {STEP / 1000}\nvelocity all create 100 7\n"
    )


def verdict(model, keywords: str) -> Verdict:
    """Of 2.4 ps of 8 atoms, with a tolerance of 1 meV/atom/ps."""
    times, energies = [], []
    with tools.lammps(start(crystal((1, 1, 2)), model, keywords)) as lmp:
        for block in range(60):
            lmp.command("run 10 post no")
            times.append(0.01 * STEP * (block + 1))
            energies.append(lmp.get_thermo("etotal"))
    return judge(np.array(times), np.array(energies), atom_count=8, tolerance=1.0).verdict


@pytest.mark.slow
def test_a_grid_conserves_energy_by_the_judge_and_random_rotations_do_not(tmp_path):
    """Of the two slopes, one is 0.001 meV/atom/ps, the other 15 ± 6. The seeds are fixed."""
    model = export(tmp_path, 10.0)
    assert verdict(model, "symmetrize lebedev:1") is Verdict.CONSERVES
    assert verdict(model, "symmetrize random seed 3") is Verdict.DRIFTS


def noise(model, atoms: Atoms, samples: list[np.ndarray]) -> np.ndarray:
    """Mean variance of a force component of each atom over all orientations, (eV/Å)²."""
    engine = Engine(model, symmetrize="lebedev:8/inversion", atoms_per_forward=2000)
    squares = []
    for positions in samples:
        atoms.positions = positions
        found = engine.evaluate(structure_from_ase(atoms), conservative_forces_rot_std=True)
        squares.append((found.conservative_forces_rot_std**2).mean(axis=1))
    return np.mean(squares, axis=0)


@pytest.mark.slow
def test_temperature_under_random_rotations(tmp_path):
    """Random rotations kick: force components of variance σ² heat an atom by the power 3/2 Δt σ²/m.
    With a Langevin thermostat of damping τ the kinetic temperatures exceed that of the bath by
    τ Δt σ²/(2 m k_B), as a mean over all atoms, and those of light atoms by the most.

    The mean of 20 blocks of 1 ps is compared with that within 4 standard errors: with 19 degrees of
    freedom a false alarm in one of 1300 seeds; the seed is fixed. Power: the excess, some 75 K, is
    20 standard errors, so that a missing or a doubled one is seen.
    """
    damping, steps, every = 200.0, 5000, 10
    model = export(tmp_path, 30.0)
    atoms = crystal((2, 2, 2))
    masses = np.array([MASSES[symbol] for symbol in atoms.symbols])
    commands = f"fix bath all langevin 100 100 {damping / 1000} 11\nrun 250 post no"
    temperatures, samples = [], []
    with tools.lammps(start(atoms, model, "symmetrize random seed 3"), commands) as lmp:
        for block in range(steps // every):
            lmp.command(f"run {every} post no")
            state = tools.results(lmp)
            squares = ((state.velocities / 1000) ** 2).mean(axis=1)  # Å²/fs²
            temperatures.append(masses * AMU * squares / BOLTZMANN)
            if block % 50 == 0:
                samples.append(state.positions)
    expected = damping * STEP * noise(model, atoms, samples) / (2 * masses * AMU * BOLTZMANN)
    blocks = np.mean(temperatures, axis=1).reshape(20, -1).mean(axis=1)
    mean, error = blocks.mean(), blocks.std(ddof=1) / 20**0.5
    excess = mean - 100.0
    assert excess > 10 * error
    assert abs(excess - expected.mean()) < 4 * error
    of_elements = [np.mean(temperatures, axis=0)[atoms.symbols == name].mean() for name in MASSES]
    assert of_elements[0] > of_elements[1] + 4 * error
