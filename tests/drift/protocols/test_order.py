"""Protocol order: exponent 2 for smooth potentials, less for one with a jump at its cutoff."""

import numpy as np
import pytest
from drift_models import argon_crystal, einstein_crystal, einstein_start
from models import AnalyticModel, LennardJones, curl

from md_bridge.drift.protocols import order
from md_bridge.drift.protocols.base import ProtocolRequest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("order")


def silent(what, share):
    assert 0 <= share <= 1


def series(dt, length=1.0, exponent=2.0, amplitude=1.0, noise=0.0, seed=0):
    """H(t) of a Verlet run: oscillations whose amplitude is a power of the step."""
    random = np.random.default_rng(seed)
    t = np.arange(0, length + dt / 2, dt)
    wave = np.sin(70 * t) + 0.5 * np.sin(113 * t + 1)
    return t, amplitude * dt**exponent * wave + noise * random.normal(size=len(t))


def fit(timesteps, **options):
    runs = [series(dt, seed=k, **options) for k, dt in enumerate(timesteps)]
    return order.order_fit(timesteps, [t for t, _ in runs], [y for _, y in runs])


def test_exponent_of_exact_powers():
    assert order.order_exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
    assert order.order_exponent([0.5, 0.25], [1, 1]) == 0


@pytest.mark.parametrize(
    ("timesteps", "fluctuations", "message"),
    [
        ([1, 2], [1, 2, 3], "as many"),
        ([1, 1], [1, 2], "two different"),
        ([1, 2], [1, 0], "positive"),
        ([1, 2], [1, np.inf], "finite"),
    ],
)
def test_impossible_fluctuations_are_refused(timesteps, fluctuations, message):
    with pytest.raises(ValueError, match=message):
        order.order_exponent(timesteps, fluctuations)


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_exponent_of_synthetic_runs(exponent):
    found = fit([0.004, 0.002, 0.001], exponent=exponent)
    assert found.exponent == pytest.approx(exponent, abs=0.02)
    assert found.stderr < 0.02
    smooth = order.OrderVerdict.SECOND_ORDER
    assert found.verdict is (smooth if exponent == 2 else order.OrderVerdict.NOT_SMOOTH)


def test_round_off_is_taken_off():
    """Noise of 40 % of the smallest fluctuation: without correction the exponent is off."""
    amplitude = 1e4
    noise = 0.4 * amplitude * 0.001**2 * np.sqrt(0.625)
    found = fit([0.004, 0.002, 0.001], length=4.0, amplitude=amplitude, noise=noise)
    assert found.noise == pytest.approx(noise, rel=0.05)
    assert found.exponent == pytest.approx(2, abs=0.03)
    assert found.verdict is order.OrderVerdict.SECOND_ORDER


def test_a_fluctuation_below_the_round_off_is_inconclusive():
    found = fit([0.004, 0.002, 0.001], noise=3e-6)
    assert found.noise_share > 0.5
    assert found.verdict is order.OrderVerdict.INCONCLUSIVE


def test_a_short_run_is_no_number():
    with pytest.raises(ValueError, match="51 samples are too few"):
        fit([0.04, 0.02, 0.01], length=2.0)


def test_the_error_covers_independent_runs():
    """Runs that have gone different ways: 2 lies within the interval in 95 % of the cases."""
    inside = 0
    trials = 200
    for trial in range(trials):
        random = np.random.default_rng(trial)
        times, values = [], []
        for dt in (0.004, 0.002, 0.001):
            t = np.arange(0, 4, dt)
            # amplitude that wanders, with a memory far below a block
            slow = np.repeat(np.exp(0.3 * random.normal(size=200)), int(np.ceil(len(t) / 200)))
            values.append(dt**2 * slow[: len(t)] * np.sin(70 * t + random.uniform(0, 6)))
            times.append(t)
        found = order.order_fit([0.004, 0.002, 0.001], times, values)
        inside += abs(found.exponent - 2) <= found.half_width
    # binomial, p = 0.95, 200: 190 ± 3
    assert inside >= 179


def test_a_harmonic_crystal_is_second_order(folder):
    model = einstein_crystal().export(folder / "einstein.pt")
    request = ProtocolRequest(
        model,
        einstein_start(),
        folder / "einstein",
        forces=(("conservative", None), ("mts", 2)),
        timestep_fs=4.0,
        length_ps=0.6,
    )
    result = order.run(request, silent)
    assert result.passed is True
    conservative, mts = result.summary["runs"]
    # ω δt = 0.09 for argon: terms in δt⁴ are a thousandth
    assert conservative["exponent"] == pytest.approx(2, abs=0.01)
    assert conservative["half_width_95"] < 0.02
    assert mts["exponent"] == pytest.approx(2, abs=0.05)
    assert [row.verdict for row in result.rows] == ["second order", "second order"]


def test_a_cutoff_with_a_jump_fails_and_a_smooth_one_passes(folder):
    """Lennard-Jones cut in the middle of a shell of neighbours, without a shift."""
    cut = LennardJones([18], [[0.0104]], [[3.4]], [[5.5]])
    jump = AnalyticModel(cut, ["Ar"], 5.5).export(folder / "jump.pt")
    smooth = curl(size=0.0).export(folder / "smooth.pt")
    verdicts = {}
    for name, model in (("jump", jump), ("smooth", smooth)):
        request = ProtocolRequest(
            model, argon_crystal(temperature=60), folder / name, timestep_fs=8.0, length_ps=1.6
        )
        result = order.run(request, silent)
        verdicts[name] = result
    assert verdicts["smooth"].passed is True
    assert verdicts["smooth"].summary["runs"][0]["exponent"] == pytest.approx(2, abs=0.3)
    assert verdicts["jump"].passed is False
    assert verdicts["jump"].rows[0].verdict == "not smooth"
    assert verdicts["jump"].summary["runs"][0]["exponent"] < 1
    assert "jumps or kinks" in verdicts["jump"].sentences[0]


def test_i_pi_gives_the_exponent_too(folder):
    model = einstein_crystal().export(folder / "einstein-ipi.pt")
    request = ProtocolRequest(
        model, einstein_start(), folder / "ipi", host="i-pi", timestep_fs=4.0, length_ps=0.3
    )
    result = order.run(request, silent)
    assert result.rows[0].verdict == "second order"
    assert result.summary["runs"][0]["exponent"] == pytest.approx(2, abs=0.05)
