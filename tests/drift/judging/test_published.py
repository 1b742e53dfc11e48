"""Drifts by published formulas: series whose value is known on paper."""

import numpy as np
import pytest
from ase import units

from md_bridge.drift.judging.published import (
    PublishedDrift,
    drift_ratio,
    fairchem_drift,
    kinetic_energies,
    lambench_drift,
    mean_published,
    published_drift,
)

ATOMS = 50


def line(slope, steps=1000, step_ps=0.001):
    """H(t) with a slope in meV/atom/ps on top of a large offset; eV."""
    time = np.arange(steps + 1) * step_ps
    return time, -4000.0 + slope * time * ATOMS / 1000


def test_of_a_line_fairchem_and_lambench_have_its_slope():
    time, energy = line(-0.7)
    assert lambench_drift(time, energy, ATOMS) == pytest.approx(0.7, rel=1e-6)
    # the windows end one sample before the end and begin at the first: 19 + 1 of the 91 samples
    # are lost to the means, so their distance is 70 samples of the 90 that t counts
    assert fairchem_drift(time, energy, ATOMS) == pytest.approx(0.7 * 70 / 90, rel=1e-6)


def test_fairchem_leaves_out_ten_percent_once():
    """A step within the first 10 % is not seen, one after them is, whole."""
    time, energy = line(0.0)
    for at, seen in ((0.08, 0.0), (0.5, 1.0)):
        stepped = energy + np.where(time >= at, 0.02 * ATOMS, 0.0)
        expected = seen * 20 / 0.9
        assert fairchem_drift(time, stepped, ATOMS) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_fairchem_as_its_own_code_computes_it():
    """Written out as there: every tenth energy, a list of windows, differences of the ends."""
    random = np.random.default_rng(3)
    time = np.arange(4001) * 0.005
    energy = random.normal(size=len(time)).cumsum() * 1e-3
    t, e = time[::10], energy[::10] / ATOMS
    first = int(len(t) * 0.1)
    kept = e[first:]
    windows = [kept[i : len(kept) - (20 - i)] for i in range(20)]
    means = np.mean(windows, axis=0)
    expected = 1000 * abs(means[-1] - means[0]) / (t[-1] - t[first])
    assert fairchem_drift(time, energy, ATOMS) == pytest.approx(expected, rel=1e-9)


def test_lambench_leaves_out_the_first_fifth():
    time, energy = line(0.0)
    assert lambench_drift(time, energy + np.where(time < 0.2, 5.0, 0.0), ATOMS) < 1e-9
    assert lambench_drift(time, energy + np.where(time < 0.3, 5.0, 0.0), ATOMS) > 50


def test_ratio_of_a_drift_as_large_as_the_fluctuation():
    """0.02 eV/ps for 50 ps is 1 eV, and so is the standard deviation of ±1 eV."""
    time = np.arange(2000) * 0.001
    kinetic = 10.0 + np.where(np.arange(2000) % 2, 1.0, -1.0)
    assert drift_ratio(time, 0.02 * time, kinetic) == pytest.approx(1.0, rel=1e-6)
    assert drift_ratio(time, 0.02 * time, np.full(2000, 10.0)) is None


def test_kinetic_energy_from_the_temperature():
    assert kinetic_energies([300.0], 3) == pytest.approx(0.5 * 6 * units.kB * 300.0)


def test_what_is_too_short_or_unknown_has_no_number():
    time, energy = line(0.1, steps=200)
    unknown = published_drift(time, energy, np.full(len(time), np.nan), ATOMS)
    assert unknown.fairchem is None  # 21 samples
    assert unknown.ratio is None
    assert unknown.lambench == pytest.approx(0.1, rel=1e-6)
    assert fairchem_drift(*line(0.1, steps=230), ATOMS) is not None


def test_mean_over_runs():
    one, two = PublishedDrift(1.0, 2.0, 3.0), PublishedDrift(3.0, 2.0, None)
    assert mean_published([one, two]) == PublishedDrift(2.0, 2.0, None)
    assert mean_published([one, None]) is None
    assert mean_published([]) is None
