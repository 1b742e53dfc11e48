"""Several starts: coverage of the combined error, with and without scatter of its own."""

import math

import numpy as np
import pytest

from md_bridge.drift.judging.line import Estimate, mean_estimate
from md_bridge.drift.judging.replicas import combine_estimates

REPEATS = 1000
FREEDOM = 20


def estimates(rng, replicas, scatter, truth=0.3):
    """Replicas with unit error that they estimate from 20 degrees of freedom, and a scatter that
    they cannot see."""
    values = truth + rng.normal(0, math.hypot(1, scatter), replicas)
    errors = np.sqrt(rng.chisquare(FREEDOM, replicas) / FREEDOM)
    return [
        Estimate(float(value), float(error), FREEDOM)
        for value, error in zip(values, errors, strict=True)
    ]


@pytest.mark.parametrize("scatter", [0.0, 0.5, 1.0, 5.0])
@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_the_interval_covers_the_truth(replicas, scatter):
    rng = np.random.default_rng(31)
    combined = [combine_estimates(estimates(rng, replicas, scatter)) for _ in range(REPEATS)]
    covered = np.mean([abs(result.value - 0.3) <= result.half_width for result in combined])
    assert 0.90 <= covered <= 0.99


def test_replicas_shrink_the_error():
    rng = np.random.default_rng(32)
    errors = {
        n: np.median([combine_estimates(estimates(rng, n, 0.0)).stderr for _ in range(200)])
        for n in (1, 4, 16)
    }
    assert errors[4] == pytest.approx(errors[1] / 2, rel=0.15)
    assert errors[16] == pytest.approx(errors[1] / 4, rel=0.15)


def test_exact_cases():
    one = Estimate(1.5, 0.2, 10.0)
    assert combine_estimates([one]) is one
    equal = combine_estimates([one, one, one, one])
    assert equal == Estimate(1.5, pytest.approx(0.1), pytest.approx(40.0))
    apart = combine_estimates([Estimate(0.0, 0.1, 10.0), Estimate(2.0, 0.1, 10.0)])
    assert apart == Estimate(1.0, pytest.approx(1.0), 1.0)
    assert math.isinf(combine_estimates([one, Estimate(1.0, math.inf, 0.0)]).half_width)
    assert combine_estimates([Estimate(1.0, 0.0, 30.0)] * 2).half_width == 0.0
    with pytest.raises(ValueError, match="at least one estimate"):
        combine_estimates([])


@pytest.mark.parametrize("correlation_time", [0, 4, 20])
def test_the_interval_of_a_mean_covers_it(correlation_time):
    rng = np.random.default_rng(33)
    memory = math.exp(-1 / correlation_time) if correlation_time else 0.0
    covered = []
    for _ in range(300):
        noise = rng.normal(size=400) * math.sqrt(1 - memory**2)
        series = np.empty(400)
        value = rng.normal()
        for i, kick in enumerate(noise):
            value = memory * value + kick
            series[i] = value
        result = mean_estimate(series + 7.0)
        covered.append(abs(result.value - 7.0) <= result.half_width)
    assert 0.90 <= np.mean(covered) <= 0.99


def test_a_short_series_has_a_mean_without_an_error():
    result = mean_estimate([1.0, 2.0])
    assert result.value == 1.5
    assert math.isinf(result.half_width)
    with pytest.raises(ValueError, match="finite numbers"):
        mean_estimate([1.0, math.nan])
