"""Drift statistics: exact cases, and the coverage of the error bars on synthetic correlated
series."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from md_bridge.drift.judging.line import LineFit, fit_line
from md_bridge.drift.judging.speed import cost_ratio, speedup_bound
from md_bridge.drift.judging.verdict import Verdict, changes_steadily, drift_statistics, verdict_of

REPEATS = 200
TIME = np.linspace(0.0, 1.0, 400)  # ps
STATIONARY_DRIFTS = [0.0, 0.35]  # meV/atom/ps


def autoregressive(rng, samples, correlation_time):
    """A stationary AR(1) series of unit variance."""
    memory = math.exp(-1 / correlation_time)
    noise = rng.normal(size=samples) * math.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise, zi=[memory * rng.normal()])[0]


def damped_oscillation(rng, samples):
    """A transient as of a start that is not on the shadow Hamiltonian's shell, with a random
    phase."""
    i = np.arange(samples)
    period, decay = rng.uniform(4, samples / 20), rng.uniform(samples / 20, samples / 2)
    phase = rng.uniform(0, 2 * math.pi)
    return 2 * np.exp(-i / decay) * np.cos(2 * math.pi * i / period + phase)


def white(rng, samples):
    return rng.normal(size=samples)


def weakly_correlated(rng, samples):
    return autoregressive(rng, samples, samples / 100)


def strongly_correlated(rng, samples):
    return autoregressive(rng, samples, samples / 20)


def slowly_forgetting(rng, samples):
    return autoregressive(rng, samples, samples / 5)


def random_walk(rng, samples):
    return np.cumsum(rng.normal(size=samples)) / math.sqrt(samples)


def white_with_oscillation(rng, samples):
    return white(rng, samples) + damped_oscillation(rng, samples)


def correlated_with_oscillation(rng, samples):
    return weakly_correlated(rng, samples) + damped_oscillation(rng, samples)


NOISES = [
    white,
    weakly_correlated,
    strongly_correlated,
    slowly_forgetting,
    random_walk,
    white_with_oscillation,
    correlated_with_oscillation,
]


@pytest.mark.parametrize("drift", STATIONARY_DRIFTS)
@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_interval_covers_the_true_slope(noise, drift):
    rng = np.random.default_rng(20)
    fits = [fit_line(TIME, drift * TIME + 0.04 * noise(rng, len(TIME))) for _ in range(REPEATS)]
    covered = np.mean([abs(fit.slope - drift) <= fit.half_width for fit in fits])
    assert 0.90 <= covered <= 0.99


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_a_series_without_drift_is_seldom_called_drifting(noise):
    rng = np.random.default_rng(21)
    # a tolerance near zero: every alarm rests on the error bars alone; of random walks 2 % do
    verdicts = [
        drift_statistics(
            TIME, 0.001 * 0.04 * noise(rng, len(TIME)), np.full(len(TIME), 300.0), 1, 1e-6
        ).verdict
        for _ in range(REPEATS)
    ]
    assert np.mean([verdict is Verdict.DRIFTS for verdict in verdicts]) < 0.05


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.__name__)
def test_a_clear_drift_is_found(noise):
    rng = np.random.default_rng(22)
    verdicts = [
        drift_statistics(
            TIME,
            0.001 * (2.0 * TIME + 0.04 * noise(rng, len(TIME))),
            np.full(len(TIME), 300.0),
            1,
        ).verdict
        for _ in range(REPEATS)
    ]
    assert np.mean([verdict is Verdict.DRIFTS for verdict in verdicts]) > 0.95


def test_the_naive_error_is_too_small_where_ours_is_not():
    """On a correlated series the independent-residuals error misses by far: the estimator earns its
    keep."""
    rng = np.random.default_rng(23)
    x = TIME - TIME.mean()
    naive_covered, covered = [], []
    for _ in range(REPEATS):
        series = strongly_correlated(rng, len(TIME))
        fit = fit_line(TIME, series)
        naive = fit.rms * math.sqrt(len(TIME) / (len(TIME) - 2) / (x @ x))
        naive_covered.append(abs(fit.slope) <= 1.96 * naive)
        covered.append(abs(fit.slope) <= fit.half_width)
    assert np.mean(naive_covered) < 0.6
    assert np.mean(covered) >= 0.90


def test_an_exact_line():
    fit = fit_line(TIME, 3.0 - 0.25 * TIME)
    assert fit.slope == pytest.approx(-0.25, abs=1e-12)
    assert fit.intercept == pytest.approx(3.0, abs=1e-12)
    assert fit.rms == pytest.approx(0.0, abs=1e-12)
    assert fit.stderr == pytest.approx(0.0, abs=1e-12)


def test_slope_and_rms_are_those_of_numpy():
    rng = np.random.default_rng(24)
    time = np.cumsum(rng.uniform(0.5, 1.5, 100))
    values = rng.normal(size=100)
    fit = fit_line(time, values)
    slope, intercept = np.polyfit(time, values, 1)
    assert fit.slope == pytest.approx(slope, rel=1e-10)
    assert fit.intercept == pytest.approx(intercept, rel=1e-10)
    residuals = values - (slope * time + intercept)
    assert fit.rms == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-10)


def test_blocks_of_one_sample_give_the_textbook_error():
    """32 samples are 32 blocks; an alternating series has no positive correlation to repair."""
    time = np.arange(32.0)
    values = np.where(np.arange(32) % 2, 1.0, -1.0)
    fit = fit_line(time, values)
    x = time - time.mean()
    residuals = values - values.mean() - fit.slope * x
    assert fit.stderr == pytest.approx(math.sqrt(residuals @ residuals / 30 / (x @ x)), rel=1e-12)
    assert fit.degrees_of_freedom == 30


def test_oscillations_faster_than_a_block_cancel():
    """Sixteen whole periods to a block of the 32: the error is that of the residual alone, none
    here."""
    samples = 32 * 64
    time = np.arange(samples, dtype=float)
    fit = fit_line(time, np.sin(2 * math.pi * np.arange(samples) / 4))
    assert fit.stderr < 1e-12
    assert fit.rms == pytest.approx(math.sqrt(0.5), rel=1e-3)


def test_units_and_excursion_are_per_atom_and_in_millielectronvolt():
    energy = -4243.0 + 81 * 0.001 * (0.5 * TIME)
    temperature = 300.0 + 7.0 * TIME
    result = drift_statistics(TIME, energy, temperature, 81)
    assert result.energy.slope == pytest.approx(0.5, rel=1e-6)
    assert result.temperature.slope == pytest.approx(7.0, rel=1e-6)
    assert result.largest_excursion == pytest.approx(0.5, rel=1e-6)
    assert result.mean_temperature == pytest.approx(303.5, rel=1e-6)
    assert result.verdict is Verdict.DRIFTS


@pytest.mark.parametrize(
    ("slope", "stderr", "verdict"),
    [
        (0.0, 0.01, Verdict.CONSERVES),
        (-0.05, 0.01, Verdict.CONSERVES),  # differs from zero, within the tolerance
        (0.09, 0.01, Verdict.INCONCLUSIVE),  # the interval crosses the tolerance
        (0.0, 0.2, Verdict.INCONCLUSIVE),  # too short to say
        (0.5, 0.18, Verdict.INCONCLUSIVE),  # less than three standard errors
        (0.5, 0.1, Verdict.DRIFTS),
        (-0.5, 0.1, Verdict.DRIFTS),
        (0.5, math.inf, Verdict.INCONCLUSIVE),
    ],
)
def test_verdicts(slope, stderr, verdict):
    fit = LineFit(slope, 0.0, stderr, 30.0, 0.04)
    assert verdict_of(fit, 0.1) is verdict


def test_a_run_away_drifts_although_it_is_not_a_line():
    energy = 0.001 * np.expm1(8 * TIME)
    result = drift_statistics(TIME, energy, np.full(len(TIME), 300.0), 1)
    assert result.verdict is Verdict.DRIFTS


def test_a_run_far_from_its_start_drifts_whatever_its_line_says():
    """Up and down again by more than the atoms' kinetic energy: no slope, and no conservation."""
    up_and_down = np.sin(np.pi * TIME)
    temperature = np.full(len(TIME), 300.0)
    away = drift_statistics(TIME, 0.001 * 60 * up_and_down, temperature, 1)
    assert away.verdict is Verdict.DRIFTS
    near = drift_statistics(TIME, 0.001 * 30 * up_and_down, temperature, 1)
    assert near.verdict is Verdict.INCONCLUSIVE


def test_a_steady_change_below_the_tolerance_is_no_drift():
    result = drift_statistics(TIME, 0.001 * 0.02 * TIME, np.full(len(TIME), 300.0), 1)
    assert result.verdict is Verdict.CONSERVES


def test_steady_change():
    assert changes_steadily(np.arange(40.0))
    assert changes_steadily(-np.arange(40.0))
    assert not changes_steadily(np.ones(40))
    assert not changes_steadily(np.arange(16.0))
    assert not changes_steadily(np.concatenate([np.arange(30.0), np.zeros(10)]))


def test_a_random_walk_seldom_changes_steadily():
    """Eight blocks would do so in 3.1 % of walks; one in three thousand is what sixteen do."""
    rng = np.random.default_rng(25)
    walks = rng.normal(size=(2000, 400)).cumsum(axis=1)
    assert np.mean([changes_steadily(walk) for walk in walks]) < 0.004


def test_a_handful_of_samples_is_inconclusive():
    time = np.arange(10.0)
    result = drift_statistics(time, np.zeros(10), np.full(10, 300.0), 3)
    assert math.isinf(result.energy.stderr)
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("time", "values", "message"),
    [
        ([0.0, 1.0], [1.0], r"one length, found shapes \(2,\) and \(1,\)"),
        ([0.0], [1.0], "at least two samples, found 1"),
        ([0.0, 1.0], [1.0, math.nan], "value of sample 1 is nan"),
        ([0.0, math.inf], [1.0, 1.0], "time of sample 1 is inf"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], "sample 2 .* follows t = 1"),
    ],
)
def test_bad_series_are_refused(time, values, message):
    with pytest.raises(ValueError, match=message):
        fit_line(time, values)


def test_bad_atom_count_and_tolerance_are_refused():
    with pytest.raises(ValueError, match="atom_count must be at least 1, found 0"):
        drift_statistics(TIME, TIME, TIME, 0)
    with pytest.raises(ValueError, match="tolerance must be positive"):
        drift_statistics(TIME, TIME, TIME, 1, tolerance=0.0)


def test_speedup_bound():
    assert speedup_bound(1, 2.7) == pytest.approx(1.0)
    assert speedup_bound(8, 2.7) == pytest.approx(8 * 2.7 / 9.7)
    assert speedup_bound(10**9, 2.7) == pytest.approx(2.7)
    assert cost_ratio(108.0, 40.0) == pytest.approx(2.7)
    with pytest.raises(ValueError, match="M must be at least 1, found 0"):
        speedup_bound(0, 2.7)
    with pytest.raises(ValueError, match="F must be positive"):
        speedup_bound(2, 0.0)
    with pytest.raises(ValueError, match="wall times must be positive"):
        cost_ratio(1.0, 0.0)
