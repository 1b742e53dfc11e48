"""Two models of a mixture that list its elements in different orders, LAMMPS's own among them."""

import lammps_tools as tools
import models
import mts_reference
import numpy as np
import pytest
from argon_levels import FTM2V, INNER_STEP, forces_of, pair, run_to_end
from ase.data import atomic_masses

from md_bridge.export.model_file import load_exported

M, STEPS = 3, 20


def mixture():
    """Argon and krypton, without any order."""
    atoms = tools.argon(cells=(2, 2, 2), lattice=5.7, seed=5)
    krypton = np.random.default_rng(2).permutation(len(atoms))[:12]
    atoms.numbers[krypton] = 36
    return atoms


ATOMS = mixture()
MASSES = atomic_masses[ATOMS.numbers] / FTM2V


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elements")
    models.lennard_jones_mixture().export(folder / "outer.pt")
    models.krypton_argon().export(folder / "inner.pt")
    return folder


def test_the_models_differ_in_their_order_and_know_their_elements(folder):
    for name, numbers in (("outer", [18, 36]), ("inner", [36, 18])):
        assert load_exported(folder / f"{name}.pt").capabilities().atomic_types == numbers
    force = forces_of(folder / "inner.pt", "conservative", ATOMS)(ATOMS.positions)
    exchanged = ATOMS.copy()
    exchanged.numbers = 54 - ATOMS.numbers
    other = forces_of(folder / "inner.pt", "conservative", exchanged)(ATOMS.positions)
    assert np.abs(force - other).max() > 0.01


@pytest.mark.parametrize(("elements", "ranks"), [(["Ar", "Kr"], 2), (["Kr", "Ar"], 1)])
def test_follows_the_reference(folder, tmp_path, elements, ranks):
    rng = np.random.default_rng(4)
    velocities = rng.normal(size=(len(ATOMS), 3)) * np.sqrt(0.012 / MASSES)[:, None]
    velocities -= velocities.mean(axis=0)
    text = tools.box_from_file(ATOMS, elements, tmp_path / "data", velocities=velocities)
    text += pair(folder, "outer", "inner", elements=" ".join(elements))
    text += f"neighbor 1.0 bin\ntimestep {M * INNER_STEP}\n"
    text += f"run_style respa 2 {M} inner 1 3.0 4.0 outer 2\nrun {STEPS}\n"
    positions, speeds = run_to_end(text, tmp_path, ranks)
    frame = mts_reference.multiple_time_step(
        ATOMS.positions,
        velocities,
        MASSES,
        forces_of(folder / "outer.pt", "conservative", ATOMS),
        forces_of(folder / "inner.pt", "conservative", ATOMS),
        INNER_STEP,
        M,
        STEPS,
    )[-1]
    assert np.abs(positions - ATOMS.positions).max() > 0.1
    tools.assert_same_positions(positions, frame.positions, ATOMS.cell, 1e-10)
    np.testing.assert_allclose(speeds, frame.velocities, rtol=0, atol=1e-9)
