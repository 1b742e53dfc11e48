"""The guard with 32 random elements: false alarms, and what is found out (docs/symmetry.md)."""

import numpy as np
import pytest
from numpy.polynomial import Legendre

from md_bridge.symmetry.results.guards import RandomDeviation

TRIALS, ELEMENTS = 10_000, 32


def share_refused(deviations, on_grid):
    """How often A² = 1 is refused by a grid on which it is ``on_grid``.

    :param deviations: [trials, elements, numbers], whose squares add up to 1 in the mean
    """
    refused = 0
    for trial in deviations:
        refused += not RandomDeviation.from_values([trial], 1).agrees_with(on_grid, 0.0)
    return refused / len(deviations)


def independent(numbers, trials):
    generator = np.random.default_rng(numbers)
    return generator.standard_normal((trials, ELEMENTS, numbers)) / numbers**0.5


@pytest.mark.parametrize(("numbers", "rate"), [(1, 0.013), (3, 0.004), (10, 0.001), (100, 0.0004)])
def test_false_alarms_of_independent_numbers(numbers, rate):
    """As stated, to within four standard errors of so many trials."""
    found = share_refused(independent(numbers, TRIALS), 1.0)
    assert found == pytest.approx(rate, abs=4 * (rate / TRIALS) ** 0.5)


@pytest.mark.parametrize(("degree", "rate"), [(1, 0.001), (3, 0.016), (8, 0.01)])
def test_false_alarms_of_one_axis(degree, rate):
    """P_l of a direction that is uniform, such as the energy of a model that knows one axis."""
    cosines = np.random.default_rng(degree).uniform(-1, 1, (TRIALS, ELEMENTS, 1))
    deviations = Legendre.basis(degree)(cosines) * (2 * degree + 1) ** 0.5
    found = share_refused(deviations, 1.0)
    assert found == pytest.approx(rate, abs=4 * (rate / TRIALS) ** 0.5)


@pytest.mark.parametrize(
    ("numbers", "on_grid", "power"),
    [(3, 2.0, 0.95), (3, 0.5, 0.26), (3, 0.0, 1.0), (10, 2.0, 1.0), (10, 0.5, 1.0)],
)
def test_what_is_found_out(numbers, on_grid, power):
    """A grid that makes A² twice or half as large as it is, or 0."""
    found = share_refused(independent(numbers, TRIALS // 5), on_grid)
    assert found == pytest.approx(power, abs=0.03)


def test_no_random_elements_say_nothing():
    assert RandomDeviation(float("nan"), float("nan")).agrees_with(1.0, 0.0)
