"""Several starts: coverage of the combined error, its power, and false alarms of a campaign."""

import itertools
import math

import numpy as np
import pytest

from md_bridge.drift.judging.line import Estimate, mean_estimate
from md_bridge.drift.judging.replicas import combine_estimates, combine_statistics
from md_bridge.drift.judging.verdict import Verdict, drift_statistics

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


# A scatter that no replica sees leaves one run with 0.85, 0.31 of a promised 0.95 at 1, 5 times its
# error. Two and four replicas repair a part of that only: whoever trusts scatter of one degree of
# freedom more, loses half of all certain results.
@pytest.mark.parametrize(
    ("replicas", "scatter", "least"),
    [
        (2, 0.0, 0.93), (2, 0.5, 0.92), (2, 1.0, 0.87), (2, 5.0, 0.72),
        (4, 0.0, 0.93), (4, 0.5, 0.92), (4, 1.0, 0.89), (4, 5.0, 0.91),
        (8, 0.0, 0.93), (8, 0.5, 0.93), (8, 1.0, 0.93), (8, 5.0, 0.92),
    ],
)  # fmt: skip
def test_the_interval_covers_the_truth(replicas, scatter, least):
    rng = np.random.default_rng(31)
    combined = [combine_estimates(estimates(rng, replicas, scatter)) for _ in range(REPEATS)]
    covered = np.mean([abs(result.value - 0.3) <= result.half_width for result in combined])
    assert least <= covered <= 0.99


def power(replicas, tolerance):
    """How often errors that are right say that a true slope of zero is within the tolerance (in
    units of the error of one replica)."""
    rng = np.random.default_rng(34)
    combined = (combine_estimates(estimates(rng, replicas, 0.0, 0.0)) for _ in range(REPEATS))
    return np.mean([abs(result.value) + result.half_width <= tolerance for result in combined])


@pytest.mark.parametrize("tolerance", [2.5, 3.0, 4.0, 5.0])
def test_one_more_replica_never_makes_a_verdict_less_likely(tolerance):
    """Up to 1 % and three times the error of a simulation of 1000."""
    powers = [power(replicas, tolerance) for replicas in (1, 2, 3, 4, 5, 6, 8)]
    for fewer, more in itertools.pairwise(powers):
        noise = 3 * math.sqrt((fewer * (1 - fewer) + more * (1 - more)) / REPEATS)
        assert more >= fewer - 0.01 - noise, powers


def test_two_replicas_are_nearly_always_conclusive_where_one_is():
    assert power(1, 5.0) == pytest.approx(0.995, abs=0.01)
    assert power(2, 5.0) >= 0.97


TIME = np.linspace(0.0, 1.0, 400)  # ps


def campaigns(replicas, drift, count):
    """Verdicts of campaigns of random walks, the noise that multiple time stepping makes."""
    rng = np.random.default_rng(35)
    verdicts = []
    for _ in range(count):
        walks = rng.normal(size=(replicas, len(TIME))).cumsum(axis=1) / math.sqrt(len(TIME))
        runs = [
            drift_statistics(TIME, 0.001 * (drift * TIME + 0.04 * walk), None, 1, 1e-6)
            for walk in walks
        ]
        verdicts.append(combine_statistics(runs, 1e-6).verdict)
    return verdicts


@pytest.mark.parametrize("replicas", [1, 2, 4, 8])
def test_a_campaign_without_drift_is_seldom_called_drifting(replicas):
    """The tolerance is next to nothing, so that every alarm rests on the errors. Simulated with
    8000 walks: 2.0, 0.9, 0.9 and 1.8 % of campaigns of 1, 2, 4 and 8 replicas."""
    count = 1600 // replicas
    alarms = sum(verdict is Verdict.DRIFTS for verdict in campaigns(replicas, 0.0, count))
    assert alarms / count < 0.05


def test_a_campaign_with_a_drift_is_called_drifting():
    """Ten times what a walk makes up in a run: found in all of 100 campaigns."""
    verdicts = campaigns(4, 0.4, 100)
    assert np.mean([verdict is Verdict.DRIFTS for verdict in verdicts]) > 0.95


def test_one_replica_that_drifts_among_others_that_do_not():
    rng = np.random.default_rng(36)
    runs = [
        drift_statistics(TIME, 0.001 * (drift * TIME + 0.04 * rng.normal(size=len(TIME))), None, 1)
        for drift in (0.0, 0.0, 0.0, 0.35)
    ]
    assert combine_statistics(runs[:3], 0.1).verdict is Verdict.CONSERVES
    assert combine_statistics(runs, 0.1).verdict is Verdict.DRIFTS


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
    near = combine_estimates([Estimate(0.0, 1.0, 10.0), Estimate(3.0, 1.0, 10.0)])
    assert near == Estimate(1.5, pytest.approx(1.5), pytest.approx(20.0))
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
