"""The instrument on systems whose energy is known at every time, integrated by the real LAMMPS."""

import numpy as np
import pytest
from ase import Atoms, units

from md_bridge.drift.judging.line import fit_line
from md_bridge.drift.judging.verdict import Verdict, drift_statistics
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.lammps import run_in_lammps
from md_bridge.drift.runs.plan import Run

K = 2.0  # eV/Å^2
SIZE = 2e-4  # eV/Å^2
TIMESTEP_FS = 0.5
DIMERS = 27


@pytest.fixture(scope="module")
def dimers():
    """Dimers out of reach of each other, at 300 K, most of them turning the way that gains."""
    rng = np.random.default_rng(7)
    corners = 4.0 * np.indices((3, 3, 3)).reshape(3, -1).T
    atoms = Atoms(f"H{2 * DIMERS}", cell=[12.0] * 3, pbc=True)
    mass = atoms.get_masses()[0]
    omega = np.sqrt(2 * K / mass)
    width = np.sqrt(units.kB * 300 / K)
    bond = rng.normal(0, width, (DIMERS, 3))
    speed = rng.normal(0, width * omega, (DIMERS, 3))
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    speed[:, :2] *= 0.5
    speed += -omega * bond @ turn.T
    atoms.positions[0::2] = corners - bond / 2 + 1.0
    atoms.positions[1::2] = corners + bond / 2 + 1.0
    velocities = np.empty((2 * DIMERS, 3))
    velocities[0::2], velocities[1::2] = -speed / 2, speed / 2
    atoms.set_velocities(velocities)
    return atoms


def bonds(atoms):
    """Bond vectors, their velocities, reduced mass and frequency (ASE's units)."""
    velocities = atoms.get_velocities()
    mass = atoms.get_masses()[0] / 2
    r = atoms.positions[1::2] - atoms.positions[0::2]
    return r, velocities[1::2] - velocities[0::2], mass, np.sqrt(K / mass)


def exact_energy(atoms, time_ps):
    """Kinetic + conservative potential energy under the direct forces, without integration."""
    r, v, mass, _ = bonds(atoms)
    t = time_ps[:, None] * 1000 * units.fs
    plane, speed = r[:, 0] + 1j * r[:, 1], v[:, 0] + 1j * v[:, 1]
    omega = np.sqrt((K + 1j * SIZE) / mass)
    z = plane * np.cos(omega * t) + speed / omega * np.sin(omega * t)
    dz = speed * np.cos(omega * t) - plane * omega * np.sin(omega * t)
    in_plane = 0.5 * mass * np.abs(dz) ** 2 + 0.5 * K * np.abs(z) ** 2
    along = 0.5 * mass * v[:, 2] ** 2 + 0.5 * K * r[:, 2] ** 2
    return in_plane.sum(axis=1) + along.sum()


def measure(dimers, model, folder, forces, multiplicity, length_ps=1.0):
    steps = round(length_ps * 1000 / TIMESTEP_FS / (multiplicity or 1))
    run = Run(Method("lammps", forces, multiplicity, TIMESTEP_FS), steps)
    record = run_in_lammps(dimers, model, run, folder, lambda _: None, threads=1)
    return record, drift_statistics(
        record.time_ps, record.conserved_energy, record.temperature, len(dimers)
    )


def test_a_known_heating_rate_is_measured_within_its_error(model_file, dimers, tmp_path):
    record, found = measure(dimers, model_file("swirling_springs"), tmp_path, "direct", None, 2.0)
    exact = exact_energy(dimers, record.time_ps) * 1000 / len(dimers)
    expected = fit_line(record.time_ps, exact).slope
    assert expected > 0.3  # meV/atom/ps
    assert abs(found.energy.slope - expected) <= found.energy.half_width
    assert found.energy.half_width < 0.1 * expected
    assert found.verdict is Verdict.DRIFTS
    # bonds that turn one way for ever do not heat by kicks, and the slope alone counts
    own = record.statistics()
    assert own.verdict is Verdict.DRIFTS
    assert not own.heating_counts


@pytest.mark.parametrize(("forces", "multiplicity"), [("conservative", None), ("mts", 4)])
def test_the_same_crystal_conserves_with_conservative_forces_and_mts(
    model_file, dimers, tmp_path, forces, multiplicity
):
    record, found = measure(dimers, model_file("swirling_springs"), tmp_path, forces, multiplicity)
    assert found.verdict is Verdict.CONSERVES
    own = record.statistics()
    assert own.verdict is Verdict.CONSERVES
    assert own.heating.high < 0.05
    assert abs(found.energy.slope) <= max(found.energy.half_width, 1e-3)


def test_the_fluctuation_of_a_harmonic_crystal_is_the_exact_one(model_file, dimers, tmp_path):
    """Velocity Verlet conserves p²/2m + ½ k x² (1 − (ω δt/2)²) exactly, so H swings by the rest."""
    _, found = measure(dimers, model_file("swirling_springs"), tmp_path, "conservative", None)
    r, v, _, omega = bonds(dimers)
    step = TIMESTEP_FS * units.fs
    # all bonds swing with one frequency: x² = |a|²/2 + Re(a² exp(2iωt))/2 with a = x − i v/ω
    beat = np.abs(np.sum((r - 1j * v / omega) ** 2))
    swing = 0.5 * K * (omega * step / 2) ** 2 * beat / 2
    expected = swing / np.sqrt(2) * 1000 / len(dimers)
    assert found.energy.rms == pytest.approx(expected, rel=0.03)
