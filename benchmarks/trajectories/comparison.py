"""Do two sets of blocks come from one ensemble? A chi-square whose null distribution is exact.

The bins of a curve are correlated, blocks are few, and their errors are estimated from the same
blocks, so the sum of squared deviations does not follow the textbook's chi-square distribution.
Block k of both kinds of dynamics has the same start and the same age: if the dynamics do not
differ, exchanging the two changes nothing. So the chi-square of the measured differences is
compared with those after random exchanges; how often a true agreement is called a difference is
then what was asked for, whatever the distribution of the bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = ["FALSE_ALARM", "Comparison", "blocks_needed", "compare", "verdict"]

Array = NDArray[np.float64]
FALSE_ALARM = 0.01
"""How often the verdict on all quantities of two equal ensembles is that they differ."""


@dataclass(frozen=True)
class Comparison:
    """One quantity of two kinds of dynamics, with standard errors; arrays ``[B]`` over the bins.

    :param first: mean over the blocks
    :param second: the same of the second kind
    :param first_error: standard error from the scatter of the blocks
    :param second_error: the same
    :param difference: second minus first
    :param difference_error: from the scatter of the differences of paired blocks
    :param chi_square: per bin
    :param p: how often equal ensembles have a chi-square at least as large
    :param memory: correlation of the differences of successive blocks; far above 0, blocks are too
        short, and errors too small
    """

    first: Array
    second: Array
    first_error: Array
    second_error: Array
    difference: Array
    difference_error: Array
    chi_square: float
    p: float
    memory: float

    def detectable(self, level: float) -> Array:
        """The shift of each bin, were it tested alone, that is found nine times out of ten.

        :param level: false-alarm rate of the test
        """
        normal = NormalDist()
        return self.difference_error * (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(0.9))


def blocks_needed(quantities: int) -> int:
    """Pairs of blocks without which no difference, however large, can be significant.

    :param quantities: that share the false-alarm rate
    """
    return math.ceil(math.log2(2 * quantities / FALSE_ALARM))


def compare(first: Array, second: Array, seed: int = 0, draws: int = 19_999) -> Comparison:
    """Compare paired blocks.

    :param first: ``[U, B]``, a row for each block, a column for each bin
    :param second: the same, block k paired with block k
    :param seed: of the random exchanges
    :param draws: how many; one over it is the smallest p
    """
    first, second = np.atleast_2d(first.T).T, np.atleast_2d(second.T).T
    d = second - first
    units = len(d)
    scale = (d**2).mean(axis=0)  # unlike the variance about the mean, no exchange changes it
    used = scale > 0  # bins that are the same in all blocks say nothing: r below any distance
    bits = np.random.default_rng(seed).integers(0, 2, (draws, units), dtype=np.int8)
    signs: Array = 2.0 * bits.astype(np.float64) - 1.0
    weighted: Array = d[:, used] / np.sqrt(scale[used])
    as_measured: Array = np.ones((1, units))
    observed = _chi_square(as_measured, weighted)[0]
    drawn = _chi_square(signs, weighted)
    # a draw may be the measured assignment itself, rounded otherwise
    p = (1 + (drawn >= observed * (1 - 1e-9)).sum()) / (1 + draws)
    return Comparison(
        first.mean(axis=0),
        second.mean(axis=0),
        _standard_error(first),
        _standard_error(second),
        d.mean(axis=0),
        _standard_error(d),
        float(observed),
        float(p),
        _memory(d[:, used]),
    )


def _chi_square(signs: Array, weighted: Array) -> Array:
    """Per bin, of each row of signs."""
    if weighted.shape[1] == 0:
        return np.zeros(len(signs))
    return ((signs @ weighted) ** 2).mean(axis=1) / weighted.shape[0]


def _standard_error(blocks: Array) -> Array:
    return blocks.std(axis=0, ddof=1) / np.sqrt(len(blocks))


def _memory(d: Array) -> float:
    """Correlation of successive rows, over all bins."""
    centred = d - d.mean(axis=0)
    scale = (centred**2).sum()
    return float((centred[1:] * centred[:-1]).sum() / scale) if scale > 0 else 0.0


def verdict(comparisons: dict[str, Comparison]) -> list[str]:
    """Names of the quantities that differ; empty: all agree within errors.

    The rate of false alarms is that of all quantities together (Bonferroni).

    :param comparisons: by name
    """
    level = FALSE_ALARM / len(comparisons)
    return [name for name, comparison in comparisons.items() if comparison.p < level]
