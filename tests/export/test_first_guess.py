"""The first guess of M: each ingredient against a known answer, and the guess as a whole."""

import ase
import ase.build
import models
import numpy as np
import pytest
from ase import units
from ase.io import read

from md_bridge._paths import DATA
from md_bridge.export.checks.first_guess import (
    check_first_guess,
    expected_drift,
    fastest_period,
    guess_inner_steps,
    kick_heating,
)
from md_bridge.export.checks.runner import Runner


def argon(seed=0):
    atoms = ase.build.bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=seed)
    return atoms


@pytest.mark.parametrize("symbols", ["H2", "HT"])
def test_period_of_a_dimer(tmp_path, symbols):
    """2π √(μ/k), with equal masses and with a tritium."""
    runner = Runner(models.harmonic(k=3.0, r0=1.0).export(tmp_path / "m.pt"))
    atoms = ase.Atoms("H2", positions=[[0, 0, 0], [0.6, 0.8, 0]])
    if symbols == "HT":
        atoms.set_masses([1.008, 3.016])
    a, b = atoms.get_masses()
    expected = 2 * np.pi * np.sqrt(a * b / (a + b) / 3.0) / units.fs
    assert fastest_period(runner, atoms) == pytest.approx(expected, rel=1e-4)


def test_period_of_a_crystal_is_that_of_its_whole_hessian(tmp_path):
    """Ten products with the Hessian find what all 96 columns of it say, to a percent."""
    runner = Runner(models.curl(0.0).export(tmp_path / "m.pt"))
    atoms = argon()
    columns = []
    for i in range(3 * len(atoms)):
        forces = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions.flat[i] += sign * 1e-4
            forces.append(runner.evaluate([moved], direct=False)[0].forces.ravel())
        columns.append((forces[1] - forces[0]) / 2e-4)
    hessian = np.array(columns) / atoms.get_masses()[0]
    expected = 2 * np.pi / np.sqrt(np.linalg.eigvalsh(hessian)[-1]) / units.fs
    assert fastest_period(runner, atoms, 20) == pytest.approx(expected, rel=0.01)


def test_without_a_vibration_there_is_no_guess(tmp_path):
    runner = Runner(models.curl().export(tmp_path / "m.pt"))
    far_apart = ase.Atoms("Ar2", positions=[[0, 0, 0], [20, 0, 0]])
    result = check_first_guess(runner, [far_apart, ase.Atoms("Ar", positions=[[0, 0, 0]])])
    assert np.isnan(result.value)
    assert result.detail.startswith("not guessed: no vibration")


def test_heating_by_kicks_that_know_nothing_of_each_other():
    """The mean kinetic energy that random kicks of known size really bring."""
    rng = np.random.default_rng(0)
    masses = np.array([1.0, 16.0])
    size, outer_step, kicks = 0.05, 2.0, 20000
    differences = size * rng.standard_normal((kicks, 2, 3))
    velocity = np.cumsum(differences, axis=0) * outer_step * units.fs / masses[:, None]
    # independent runs of 100 kicks each
    runs = velocity[99::100]
    change = np.diff(runs, axis=0)
    energy = 0.5 * np.sum(masses[:, None] * change**2, axis=(1, 2)).mean() / 2
    rate = energy / (100 * outer_step)  # eV/atom/fs
    expected = outer_step * kick_heating(size * np.sqrt(3) * np.array([[1, 0, 0]] * 2), masses)
    # 199 runs of 3 + 3 components, dominated by 3 of them: 6 % standard error, so 1 in 10^5
    assert rate == pytest.approx(expected, rel=0.27)


def test_guess_for_the_bundled_water():
    """What its calibration says: M = 4 at 0.5 fs conserves to 0.1 meV/atom/ps, M = 8 does not."""
    runner = Runner(DATA / "water.pt")
    result = check_first_guess(runner, [read(DATA / "water-start.xyz")])
    assert (result.value, result.unit, result.passed) == (4, "inner steps", None)
    assert "inner steps of 0.5 fs and an outer step of 2 fs may drift by 0.08" in result.detail
    assert "md-bridge tune" in result.detail


def test_both_limits():
    exact = guess_inner_steps(period=9.0, kick_heating=0.0)
    assert (exact.inner_steps, exact.inner_step, exact.drift) == (8, 0.5, 0.0)  # 4 fs < 4.5 fs
    # below the half, 3.5 fs, with a margin
    assert guess_inner_steps(period=7.0, kick_heating=0.0).inner_steps == 6
    values = [guess_inner_steps(9.0, heating).inner_steps for heating in 10.0 ** np.arange(-9, -2)]
    assert values == sorted(values, reverse=True)
    assert (values[0], values[-1]) == (8, 1)
    slow = guess_inner_steps(period=500.0, kick_heating=0.0)
    assert (slow.inner_steps, slow.inner_step) == (8, 4.0)
    # four times the difference of the forces, sixteen times the drift
    assert expected_drift(2.0, 8.0, 16e-6) == pytest.approx(16 * expected_drift(2.0, 8.0, 1e-6))


def test_forces_too_far_apart_are_called_so(tmp_path):
    def guess(size):
        runner = Runner(models.curl(size).export(tmp_path / "m.pt"))
        return check_first_guess(runner, [argon()])

    assert guess(0.0).value == 8
    hopeless = guess(1e3)
    assert hopeless.value == 1
    assert "too far from the conservative ones" in hopeless.detail


def test_conservative_models_have_no_guess(tmp_path):
    assert check_first_guess(Runner(models.lennard_jones().export(tmp_path / "m.pt")), []) is None
