"""Protocol reverse: back to the start, but for round-off and chaos."""

import numpy as np
import pytest
from drift_models import argon_crystal, einstein_crystal, einstein_start
from models import curl

from md_bridge.drift.protocols import reverse
from md_bridge.drift.protocols.base import ProtocolRequest


def silent(what, share):
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reverse")


def path(rms, round_off=1e-9, length=1.0):
    rms = np.asarray(rms, dtype=float)
    time = length * np.arange(1, len(rms) + 1) / len(rms)
    return reverse.ReturnPath(time, rms, rms, np.full(len(rms), round_off), 0.0)


def test_distances_of_known_frames():
    out = np.zeros((2, 2, 3))
    back = out.copy()
    back[1, 0] = [3, 4, 0]
    rms, largest = reverse.distances(out, back)
    np.testing.assert_allclose(rms, [0, 2.5])
    np.testing.assert_allclose(largest, [0, 2.5])
    # what all atoms do together is left out
    np.testing.assert_allclose(reverse.distances(out, out + 1.0), 0, atol=1e-15)
    np.testing.assert_allclose(reverse.distances(out, back + 1.0)[0], [0, 2.5])
    with pytest.raises(ValueError, match=r"found \(2, 2, 3\) and \(1, 2, 3\)"):
        reverse.distances(out, back[:1])


def test_exponential_growth_is_measured():
    time = np.arange(1, 33) / 32
    found = path(1e-8 * np.exp(12 * time))
    assert found.growth_rate == pytest.approx(12)
    # what has filled the box is left out
    assert path(np.minimum(1e-8 * np.exp(25 * time), 2.0)).growth_rate == pytest.approx(25)
    assert path(np.full(32, 1e-9)).growth_rate is None


def test_a_jump_at_the_turn_is_no_round_off():
    """Forces that depend on more than positions show at once, chaos only later."""
    assert path([1e-9, 1e-5, 1e-1, 2.0]).verdict is reverse.ReverseVerdict.REVERSIBLE
    assert path([1e-3, 1e-3, 1e-3, 1e-3]).verdict is reverse.ReverseVerdict.NOT_REVERSIBLE
    assert path([1e-7, 1e-7, 1e-6, 1e-6]).verdict is reverse.ReverseVerdict.INCONCLUSIVE


def test_expected_round_off_is_that_of_a_random_walk():
    """Free particles that are kicked at random, as many steps as there and back."""
    random = np.random.default_rng(2)
    steps, sigma, mass, dt = 50, 1e-6, 12.0, 0.7
    from ase.units import fs

    v = np.zeros((4000, 3))
    x = np.zeros((4000, 3))
    for _ in range(2 * steps):
        v += sigma * random.normal(size=v.shape) / mass * dt * fs
        x += v * dt * fs
    rms = np.sqrt(np.mean(np.sum(x**2, axis=1)))
    expected = reverse.expected_round_off(sigma, [mass], dt, steps, 0.0)
    assert rms == pytest.approx(float(expected), rel=0.05)


def test_all_kinds_of_forces_come_back_in_lammps(folder):
    """A harmonic crystal with a swirl: no chaos, so nothing but round-off in double precision."""
    model = einstein_crystal(2.0, 0.05).export(folder / "swirl.pt")
    request = ProtocolRequest(
        model,
        einstein_start(),
        folder / "lammps",
        forces=(("direct", None), ("mts", 4)),
        timestep_fs=4.0,
        length_ps=1.0,
    )
    result = reverse.run(request, silent)
    assert result.passed is True
    for run in result.summary["runs"]:
        assert len(run["rms_A"]) == reverse.FRAMES
        assert max(run["rms_A"]) < 1e-10
        assert max(run["rms_A"]) > 0
        assert abs(run["energy_difference_meV_per_atom"]) < 1e-6


def test_single_precision_and_chaos_limit_the_way_back(folder):
    """The same crystal of argon in both precisions: what differs is round-off, a million times."""
    distance = {}
    for dtype in ("float32", "float64"):
        model = curl(size=0.0).export(folder / f"argon-{dtype}.pt", dtype=dtype)
        request = ProtocolRequest(
            model,
            argon_crystal(temperature=60),
            folder / dtype,
            timestep_fs=8.0,
            length_ps=1.6,
        )
        result = reverse.run(request, silent)
        assert result.rows[0].verdict == "reversible", result.sentences
        distance[dtype] = result.summary["runs"][0]["rms_A"][-1]
    assert 1e5 < distance["float32"] / distance["float64"] < 1e12


def test_i_pi_there_and_back(folder):
    model = einstein_crystal(2.0, 0.05).export(folder / "ipi.pt")
    request = ProtocolRequest(
        model,
        einstein_start(),
        folder / "ipi",
        host="i-pi",
        forces=(("mts", 2),),
        timestep_fs=4.0,
        length_ps=0.5,
    )
    result = reverse.run(request, silent)
    assert result.passed is True
    assert 0 < max(result.summary["runs"][0]["rms_A"]) < 1e-9
