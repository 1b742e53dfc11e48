"""The forecast of the heating rate: the formula, on noise and on a fluid, and its errors."""

import math

import numpy as np
import pytest
from ase import units
from scipy.signal import lfilter
from soft_spheres import SPHERES, STARTS, STEP, canonical_starts, energies, powers

from md_bridge.drift.judging.resonance import forecast_heating

REDUCED = 1 / (1000 * units.kB)
"""The temperature at which kT is 0.001 eV: rates come out per kT."""
SAMPLE = 0.001  # ps


def vibration(rng, shape, frequency, memory):
    """Noise with a peak of its spectrum at a frequency (1/ps), along the first axis."""
    pole = math.exp(-SAMPLE / memory)
    phase = 2 * math.pi * frequency * SAMPLE
    noise = rng.normal(size=(shape[0] + 2000, *shape[1:]))
    return lfilter([1.0], [1.0, -2 * pole * math.cos(phase), pole**2], noise, axis=0)[2000:]


def test_the_variance_of_a_quadrature_is_what_sampling_folds():
    """The formula itself: noise is summed every fourth sample, and all of it is the integral."""
    rng = np.random.default_rng(3)
    factor, samples, runs = 4, 4096, 200
    series = vibration(rng, (samples, runs), 1 / (factor * SAMPLE) - 20, 0.02)
    kicks = factor * SAMPLE * series[::factor].sum(axis=0)
    wandered = kicks - SAMPLE * series.sum(axis=0)
    diffusion = wandered.var() / (2 * samples * SAMPLE)
    forecast = forecast_heating(series[:, :40], SAMPLE, REDUCED, np.eye(40))
    assert forecast.rate(factor * SAMPLE) == pytest.approx(1e6 * diffusion, rel=0.25)


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_white_noise_is_counted_once_at_every_frequency(factor):
    """The quadrature of independent samples of variance 1 has D = (factor - 1)/2 samples' worth."""
    noise = np.random.default_rng(6).normal(size=(2001, 60))
    forecast = forecast_heating(noise, SAMPLE, REDUCED, np.eye(60))
    expected = 1e6 * SAMPLE * (factor - 1) / 2
    assert forecast.rate(factor * SAMPLE) == pytest.approx(expected, rel=0.2)


def test_atoms_that_know_of_each_other_heat_together():
    """Of two that do the same, the power of the pair is four times that of one."""
    rng = np.random.default_rng(7)
    one = vibration(rng, (2000, 30), 240.0, 0.05)
    near = np.kron(np.eye(30), np.ones((2, 2)))
    alone = forecast_heating(one, SAMPLE, 300.0, np.eye(30)).rate(0.004)
    both = forecast_heating(np.repeat(one, 2, axis=1), SAMPLE, 300.0, near).rate(0.004)
    assert both == pytest.approx(2 * alone, rel=1e-6)


def test_an_outer_step_that_meets_the_vibration_heats_most():
    series = vibration(np.random.default_rng(4), (2000, 30), 250.0, 0.1)
    forecast = forecast_heating(series, SAMPLE, 300.0, np.eye(30))
    at, beside = forecast.rate(1 / 250), forecast.rate(1 / 310)
    assert at > 30 * beside
    # the second multiple of half the frequency is there, too
    assert forecast.rate(2 / 250) == pytest.approx(at, rel=0.05)


def test_slow_power_a_million_times_larger_leaves_no_trace():
    rng = np.random.default_rng(5)
    fast = vibration(rng, (1000, 20), 250.0, 0.05)
    slow = 1e3 * np.abs(fast).max() * np.sin(2 * np.pi * 3.3 * SAMPLE * np.arange(1000))[:, None]
    without = forecast_heating(fast, SAMPLE, 300.0, np.eye(20)).rate(0.004)
    assert forecast_heating(fast + slow, SAMPLE, 300.0, np.eye(20)).rate(0.004) == pytest.approx(
        without, rel=0.02
    )


def test_a_fluid_heats_as_the_forecast_says():
    """Against dynamics with multiple time steps: the mean of 150 starts, known to 20 %; from M = 8
    to M = 12 the rate rises thirtyfold."""
    starts = canonical_starts(np.random.default_rng(41))
    swirl, multiplicity, steps = 8.0, 12, 128
    found = energies(*starts, swirl, multiplicity, steps)
    change = (found[:, -1] - found[:, 0]) / (steps * multiplicity * STEP * SPHERES)
    forecasts = [forecast_heating(power, STEP, REDUCED) for power in powers(*starts, swirl, 384)]
    rate, slower = (
        1e-6 * np.mean([one.rate(m * STEP) for one in forecasts]) for m in (multiplicity, 8)
    )
    assert rate == pytest.approx(change.mean(), abs=3 * change.std() / math.sqrt(STARTS))
    assert 15 < rate / slower < 60


def test_what_cannot_be_forecast_is_refused():
    with pytest.raises(ValueError, match=r"64 samples.*\(63, 2\)"):
        forecast_heating(np.zeros((63, 2)), SAMPLE, 300.0)
    with pytest.raises(ValueError, match="finite"):
        forecast_heating(np.full((100, 2), np.nan), SAMPLE, 300.0)
    with pytest.raises(ValueError, match="temperature"):
        forecast_heating(np.zeros((100, 2)), SAMPLE, 0.0)
    forecast = forecast_heating(np.random.default_rng(0).normal(size=(100, 2)), SAMPLE, 300.0)
    with pytest.raises(ValueError, match="two samples"):
        forecast.rate(0.0015)
