"""The comparison of averages with what was predicted: false alarms, and what is found out."""

import numpy as np
import pytest

from md_bridge.symmetry.models.averages import _relative_variance, expected_range

TRIALS, SETS, ORIENTATIONS = 1500, 4, 6


def share_refused(freedoms, factor, seed=0):
    """How often an average is refused that leaves ``factor`` times the predicted square.

    Squares at one orientation are those of so many normal numbers: 1 for the energy, about a
    hundred for the forces on a hundred atoms.
    """
    squares = np.random.default_rng(seed).chisquare(freedoms, (TRIALS, SETS, ORIENTATIONS))
    squares /= freedoms
    squares[:, 0] *= factor
    refused = 0
    for trial in squares:
        low, high = expected_range(1.0, _relative_variance(trial), ORIENTATIONS)
        refused += not low <= trial[0].mean() <= high
    return refused / TRIALS


@pytest.mark.parametrize("freedoms", [1, 3, 10, 100])
def test_false_alarms(freedoms):
    """Fewer than 1 in 500 of these 1500 comparisons; the rate aimed at is 1 in 5000."""
    assert share_refused(freedoms, 1.0) < 1 / 500


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_what_is_found_out_of_forces(factor):
    assert share_refused(100, factor) > 0.99


def test_of_one_number_only_much_more_is_found_out():
    """An energy of one structure: 40 times the square."""
    assert share_refused(1, 40.0) > 0.5


def test_nothing_at_all_has_a_spread():
    assert _relative_variance(np.zeros((2, 3))) == 1.0
    assert expected_range(0.0, 1.0, 6) == (0.0, 0.0)
