"""Ensemble checks on samples of known distributions."""

import builtins

import numpy as np
import pytest
from ase.units import kB
from scipy.signal import lfilter

from md_bridge.drift.judging.ensemble import (
    Deviation,
    EnsembleCheck,
    ValidationError,
    check_ensemble,
    check_equipartition,
    check_kinetic_energy,
    check_molecules,
    check_step_convergence,
    independent_samples,
    suggested_temperature_step,
)

TEMPERATURE = 300.0
FREEDOM = 60
MEMORY = 0.9
"""Correlation of neighbouring samples of a Gaussian; its square is that of the kinetic energy."""


def kinetic_energies(rng, samples, temperature=TEMPERATURE, freedom=FREEDOM, memory=MEMORY):
    """Canonical, and correlated as a trajectory is: squares of autoregressive Gaussians."""
    noise = rng.standard_normal((samples + 200, freedom)) * np.sqrt(1 - memory**2)
    momenta = lfilter([1.0], [1.0, -memory], noise, axis=0)[200:]
    return 0.5 * kB * temperature * np.sum(momenta**2, axis=1)


def test_canonical_kinetic_energy_passes():
    """At three standard errors a false alarm has a chance of 0.3 % in 40 series: 10 % for one."""
    rng = np.random.default_rng(0)
    checks = [
        check_kinetic_energy(kinetic_energies(rng, 1500), TEMPERATURE, FREEDOM) for _ in range(40)
    ]
    assert sum(check.passed is False for check in checks) <= 1
    # correlated samples do not count as independent ones: exactly (1 - m)/(1 + m), m = 0.81
    assert np.mean([check.samples for check in checks]) == pytest.approx(1500 * 0.105, rel=0.25)


@pytest.mark.parametrize(
    ("temperature", "freedom", "worst"),
    [(320.0, FREEDOM, "the mean"), (TEMPERATURE, FREEDOM + 3, "the mean")],
)
def test_wrong_temperature_is_found(temperature, freedom, worst):
    kinetic = kinetic_energies(np.random.default_rng(1), 20000)
    check = check_kinetic_energy(kinetic, temperature, freedom)
    assert check.passed is False
    assert max(check.comparisons, key=lambda entry: entry.deviations).name == worst
    assert "is not what it should be" in check.sentence
    assert check.comparisons[0].expected == pytest.approx(freedom / 2 * kB * temperature)


def test_suppressed_fluctuations_are_found():
    """What a weak-coupling thermostat does, and what constant energy does."""
    kinetic = kinetic_energies(np.random.default_rng(2), 6000)
    narrow = kinetic.mean() + 0.7 * (kinetic - kinetic.mean())
    check = check_kinetic_energy(narrow, TEMPERATURE, FREEDOM)
    assert check.passed is False
    assert check.comparisons[0].deviations < 3 < check.comparisons[1].deviations


def test_few_samples_give_no_verdict():
    check = check_kinetic_energy(
        kinetic_energies(np.random.default_rng(3), 200), TEMPERATURE, FREEDOM
    )
    assert check.passed is None
    assert check.samples < 50
    assert "too few to say" in check.sentence


def test_the_start_of_a_run_is_left_out():
    rng = np.random.default_rng(4)
    equilibrium = kinetic_energies(rng, 6000, memory=0.5)
    start = np.linspace(0.1, 1.0, 600) * equilibrium[:600]
    kept = independent_samples(np.concatenate([start, equilibrium]))
    assert kept.min() > 0.3 * equilibrium.mean()
    assert independent_samples(np.full(50, 2.0)).tolist() == [2.0]


def test_equipartition_names_the_hot_element():
    rng = np.random.default_rng(5)
    groups = {
        "O": kinetic_energies(rng, 6000, freedom=30),
        "H": kinetic_energies(rng, 6000, temperature=318.0, freedom=60),
    }
    freedom = {"O": 30, "H": 60}
    check = check_equipartition(groups, TEMPERATURE, freedom)
    assert check.passed is False
    assert "the mean of H" in check.sentence
    groups["H"] = kinetic_energies(rng, 6000, freedom=60)
    assert check_equipartition(groups, TEMPERATURE, freedom).passed is True


def molecules(rng, frames, stretch_temperature=TEMPERATURE):
    """Water molecules with velocities of 300 K; those along the O-H bonds of another one."""
    masses = np.tile([15.999, 1.008, 1.008], 8)
    one = np.array([[0.0, 0.0, 0.0], [0.757, 0.586, 0.0], [-0.757, 0.586, 0.0]])
    corners = 3.0 * np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1).T
    positions = np.tile((corners[:, None] + one).reshape(-1, 3), (frames, 1, 1))
    # sqrt(eV/u) in Å/ps
    scale = np.sqrt(kB * TEMPERATURE / masses)[:, None] * 98.2269
    velocities = rng.standard_normal((frames, 24, 3)) * scale
    for molecule in range(8):
        for hydrogen in (1, 2):
            i, j = 3 * molecule, 3 * molecule + hydrogen
            bond = one[hydrogen] / np.linalg.norm(one[hydrogen])
            along = (velocities[:, j] - velocities[:, i]) @ bond
            extra = (np.sqrt(stretch_temperature / TEMPERATURE) - 1) * along
            # a kick of the reduced mass keeps the molecule's own velocity
            share = masses[i] / (masses[i] + masses[j])
            velocities[:, j] += np.outer(extra * share, bond)
            velocities[:, i] -= np.outer(extra * (1 - share), bond)
    velocities -= (np.einsum("a,fax->fx", masses, velocities) / masses.sum())[:, None]
    return positions, velocities, masses, [[3 * k, 3 * k + 1, 3 * k + 2] for k in range(8)]


def test_hot_bonds_are_found():
    rng = np.random.default_rng(6)
    cold = check_molecules(*molecules(rng, 400), TEMPERATURE, [6.0] * 3)
    assert cold.passed is True, cold.sentence
    hot = check_molecules(*molecules(rng, 400, 400.0), TEMPERATURE, [6.0] * 3)
    by_name = {entry.name: entry.deviations for entry in hot.comparisons}
    assert hot.passed is False
    assert by_name["the mean of internal motion"] > 5
    assert by_name["the mean of translation"] < 3


def test_ensemble_from_two_temperatures():
    """Potential energies of oscillators; telling a wrong temperature is found."""
    rng = np.random.default_rng(7)
    low, high = (kinetic_energies(rng, 6000, t, memory=0.5) for t in (300.0, 330.0))
    right = check_ensemble([low, high], [300.0, 330.0])
    assert right.passed is True, right.sentence
    assert check_ensemble([low, high], [300.0, 360.0]).passed is False
    # the rule of thumb: T (2 kT / sigma)
    step = suggested_temperature_step(low, 300.0)
    assert step == pytest.approx(300.0 * 2 * kB * 300.0 / low.std(), rel=0.1)


def oscillator(step, steps=2000, kink=0.0):
    """H of a harmonic oscillator under velocity Verlet; ``kink`` adds a step in the force."""
    x, v, energies = 1.0, 0.0, []

    def force(x):
        return -x - kink * (x > 0.3)

    for _ in range(steps):
        v += 0.5 * step * force(x)
        x += step * v
        v += 0.5 * step * force(x)
        energies.append(0.5 * v * v + 0.5 * x * x + kink * max(x - 0.3, 0.0))
    return np.array(energies)


def test_fluctuation_falls_with_the_square_of_the_step():
    steps = [0.1, 0.05, 0.025]
    smooth = check_step_convergence(steps, [oscillator(0.1 * s / 0.1) for s in steps])
    assert smooth.passed is True
    assert smooth.comparisons[0].deviations < 0.05
    drifting = [oscillator(s) + 1e-3 * np.linspace(0, 1, 2000) for s in steps]
    assert check_step_convergence(steps, drifting).passed is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: check_kinetic_energy([1.0] * 5, 300, 3), r"at least 10 samples, found shape"),
        (lambda: check_kinetic_energy([[1.0] * 20], 300, 3), r"found shape \(1, 20\)"),
        (lambda: check_kinetic_energy([np.nan] * 20, 300, 3), "found nan in sample 0"),
        (lambda: check_kinetic_energy([-1.0] * 20, 300, 3), "cannot be negative"),
        (lambda: check_kinetic_energy([1.0] * 20, 0, 3), "temperature must be positive"),
        (lambda: check_equipartition({"O": [1.0] * 20}, 300, {"H": 3}), "groups O, found H"),
        (lambda: check_ensemble([[1.0] * 20] * 2, [300, 300]), "found 300 K twice"),
        (lambda: check_ensemble([[1.0] * 20], [300]), "found 1 and 1"),
        (lambda: check_ensemble([[1.0] * 20, [2.0] * 20], [300, 400]), "do not overlap"),
        (lambda: check_step_convergence([1.0], [[1.0] * 20]), "two or more different time steps"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValidationError, match=message):
        call()


def test_molecules_must_be_in_order():
    positions, velocities, masses, groups = molecules(np.random.default_rng(8), 20)
    with pytest.raises(ValidationError, match="sort the atoms by molecule"):
        check_molecules(positions, velocities, masses, groups[::-1], 300, [6.0] * 3)
    with pytest.raises(ValidationError, match=r"found \(20, 24, 3\), \(19, 24, 3\)"):
        check_molecules(positions, velocities[1:], masses, groups, 300, [6.0] * 3)


def test_missing_package_is_a_sentence(monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **options):
        if name == "physical_validation":
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return original(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"physical_validation.*pip install 'md-bridge\[drift\]'"):
        check_ensemble([np.arange(20.0), np.arange(20.0)], [300, 310])


def test_nothing_is_printed(capfd):
    check_kinetic_energy(kinetic_energies(np.random.default_rng(9), 200), TEMPERATURE, FREEDOM)
    assert capfd.readouterr() == ("", "")


def test_false_alarms_are_shared_among_comparisons():
    """One of two comparisons at 3.1 standard errors is no alarm, one alone is."""
    from md_bridge.drift.judging.ensemble import _judged

    one, two = Deviation("a", 3.1), Deviation("b", 0.0)
    assert _judged("t", (one,), 100).passed is False
    assert _judged("t", (one, two), 100).passed is True
    assert isinstance(_judged("t", (one, two), 100), EnsembleCheck)
