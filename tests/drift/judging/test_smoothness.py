"""The exponent of the drift: random walks with a known one, and potentials of known smoothness."""

import numpy as np
import pytest

from md_bridge.drift.judging.smoothness import (
    DriftExponent,
    Smoothness,
    drift_exponent,
    shadow_energy,
    white_noise,
)

STEPS = (0.004, 0.002, 0.001)
LENGTH = 4.0


def walks(exponent, random, steps=STEPS, noise=0.0):
    """Times and energies of random walks with D ∝ δt^(2N)."""
    times, energies = [], []
    for step in steps:
        time = np.arange(0, LENGTH, step)
        kicks = step**exponent * np.sqrt(step) * random.normal(size=len(time))
        times.append(time)
        energies.append(-4000 + kicks.cumsum() + noise * random.normal(size=len(time)))
    return times, energies


def fits(exponent, trials, **options):
    random = np.random.default_rng(7)
    return [drift_exponent(STEPS, *walks(exponent, random, **options)) for _ in range(trials)]


@pytest.mark.parametrize("exponent", [0.0, 1.0, 3.0])
def test_the_interval_holds_the_exponent(exponent):
    found = fits(exponent, 400)
    inside = sum(abs(one.exponent - exponent) <= one.half_width for one in found)
    # binomial, p = 0.95, 400: 380 ± 4.4
    assert 365 <= inside <= 393
    assert np.mean([one.exponent for one in found]) == pytest.approx(exponent, abs=0.03)


def test_false_alarms_and_power():
    """At N = 2 each side is called once in forty; N = 1 and N = 3 are told in all but one of a
    hundred cases: their distance from 2 is more than six standard errors of 0.15."""
    at_the_limit = [one.verdict for one in fits(2.0, 400)]
    # binomial, p = 0.025, 400: 10 ± 3.1
    assert at_the_limit.count(Smoothness.NOT_SMOOTH) <= 20
    assert at_the_limit.count(Smoothness.SMOOTH) <= 20
    assert [one.verdict for one in fits(1.0, 100)].count(Smoothness.NOT_SMOOTH) >= 99
    assert [one.verdict for one in fits(3.0, 100)].count(Smoothness.SMOOTH) >= 99
    # half a power from the limit it is told in nine of ten cases
    assert [one.verdict for one in fits(1.5, 100)].count(Smoothness.NOT_SMOOTH) >= 83


def test_a_steady_drift_has_the_exponent_zero():
    times = [np.arange(0, LENGTH, step) for step in STEPS]
    found = drift_exponent(STEPS, times, [0.3 * time for time in times])
    assert found.exponent == pytest.approx(0, abs=0.01)
    assert found.verdict is Smoothness.NOT_SMOOTH


def test_round_off_hides_a_drift():
    random = np.random.default_rng(1)
    found = drift_exponent(STEPS, *walks(2.0, random, noise=1e-4))
    assert found.hidden
    assert found.verdict is Smoothness.INCONCLUSIVE
    times, energies = walks(2.0, np.random.default_rng(1))
    clean = drift_exponent(STEPS, times, energies)
    assert not clean.hidden
    # what the forces' round-off is said to cause is taken off, and hides if it is much of it
    floor = 0.8 * clean.diffusion[2]
    assert drift_exponent(STEPS, times, energies, [0, 0, floor]).hidden


def test_white_noise_is_found_below_what_is_smooth():
    time = np.arange(0, 4, 0.001)
    noise = 1e-3 * np.random.default_rng(0).normal(size=len(time))
    assert white_noise(np.sin(20 * time) + noise) == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize(
    ("steps", "message"), [((0.1, 0.05), "40 samples are too few"), ((0.1, 0.1), "two time steps")]
)
def test_what_cannot_be_fitted_is_refused(steps, message):
    times, energies = walks(1.0, np.random.default_rng(0), steps)
    with pytest.raises(ValueError, match=message):
        drift_exponent(steps, times, energies)


def test_an_exponent_without_an_error_is_inconclusive():
    nothing = DriftExponent(np.nan, np.inf, STEPS, (0.0, 0.0, 0.0), 0.0)
    assert nothing.verdict is Smoothness.INCONCLUSIVE


def verlet(force_and_energy, x, v, step, count):
    """Velocity Verlet of unit masses; kinetic and potential energy and Σ F² of every step."""
    force, energy = force_and_energy(x)
    rows = []
    for _ in range(count):
        rows.append((0.5 * np.sum(v**2), energy, np.sum(force**2)))
        v = v + 0.5 * step * force
        x = x + step * v
        force, energy = force_and_energy(x)
        v = v + 0.5 * step * force
    return np.array(rows).T


def test_the_shadow_energy_of_an_oscillator_is_constant_to_fourth_order():
    def spring(x):
        return -x, 0.5 * np.sum(x**2)

    spreads = []
    for step in (0.2, 0.1):
        rows = verlet(spring, np.array([1.0]), np.array([0.3]), step, 400)
        spreads.append(np.ptp(shadow_energy(*rows, step)))
        assert spreads[-1] < 0.02 * np.ptp(rows[0] + rows[1])
    assert spreads[0] / spreads[1] == pytest.approx(16, rel=0.05)
    with pytest.raises(ValueError, match="three steps at least"):
        shadow_energy([1.0, 1.0], [1.0, 1.0], [1.0, 1.0], 0.1)


def lorentz_gas(power, step, length, particles=400):
    """Particles among soft disks on a square lattice, 0.8 (1 − r²/R²)^power within R = 0.45.

    They collide chaotically with disks whose derivative of this order jumps at the rim, and with
    nothing else. Shadow energy of all of them, and its times.
    """
    radius, height = 0.45, 0.8

    def disks(x):
        d = x - np.round(x)
        u = np.clip(1 - np.sum(d**2, axis=1) / radius**2, 0, None)
        energy = height * np.sum(u**power) if power else height * np.count_nonzero(u)
        slope = 2 * height * power * np.where(u > 0, u ** max(power - 1, 0), 0.0) / radius**2
        return slope[:, None] * d, energy

    random = np.random.default_rng(5)
    angle = random.uniform(0, 2 * np.pi, particles)
    v = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.full((particles, 2), 0.5) + random.uniform(-0.05, 0.05, (particles, 2))
    count = round(length / step)
    rows = verlet(disks, x, v, step, count)
    return np.arange(1, count - 1) * step, shadow_energy(*rows, step)


@pytest.mark.parametrize(
    ("power", "verdict"),
    [(1, Smoothness.NOT_SMOOTH), (2, None), (3, Smoothness.SMOOTH)],
)
def test_the_order_of_the_derivative_that_jumps_is_found(power, verdict):
    steps = (0.04, 0.02, 0.01)
    runs = [lorentz_gas(power, step, 40.0) for step in steps]
    found = drift_exponent(steps, [t for t, _ in runs], [e for _, e in runs])
    # 95 % intervals are ± 0.3
    assert abs(found.exponent - power) <= 0.45
    assert verdict is None or found.verdict is verdict


def test_a_jump_of_the_energy_has_the_exponent_zero():
    runs = [lorentz_gas(0, step, 40.0) for step in (0.04, 0.02, 0.01)]
    found = drift_exponent((0.04, 0.02, 0.01), [t for t, _ in runs], [e for _, e in runs])
    assert abs(found.exponent) <= 0.45
    assert found.verdict is Smoothness.NOT_SMOOTH
