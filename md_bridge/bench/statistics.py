"""Medians and how far rounds spread; ratios are formed within a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

__all__ = ["Spread", "fractions_of_bound", "ratios", "spread"]


@dataclass(frozen=True)
class Spread:
    """A median, and what is around it."""

    median: float
    lower: float
    """First quartile."""
    upper: float
    """Third quartile."""
    least: float
    most: float
    count: int

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def spread(values: Sequence[float]) -> Spread | None:
    """Median, quartiles (with linear interpolation between values) and extremes.

    :param values: one a round; None if there are none
    """
    if not values:
        return None
    least, lower, median, upper, most = np.percentile(values, [0, 25, 50, 75, 100]).tolist()
    return Spread(median, lower, upper, least, most, len(values))


def ratios(times: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Each time over that of the reference in the same round.

    What else the machine does changes from round to round and meets both, so that ratios spread
    less than times.

    :raises ValueError: the numbers of rounds differ
    :param times: one a round
    :param reference: one a round
    """
    return [time / other for time, other in zip(times, reference, strict=True)]


def fractions_of_bound(
    gains: Sequence[float],
    conservative: Sequence[float],
    cheap: Sequence[float],
    bound: Callable[[float, float], float],
) -> tuple[list[float], list[float]]:
    """What multiple time stepping could gain at most in each round, and which part of it it gains.

    :param gains: speed over that of conservative dynamics, one a round
    :param conservative: time of a conservative step
    :param cheap: time of a step with the inner forces alone
    :param bound: of these two times
    :returns: bounds and fractions
    """
    bounds = [bound(*times) for times in zip(conservative, cheap, strict=True)]
    return bounds, ratios(gains, bounds)
