"""Which M to try next: doubling until one fails, then bisecting, while there is speed to gain."""

from __future__ import annotations

from collections.abc import Callable

__all__ = [
    "WORTH",
    "largest_multiplicity",
]

WORTH = 1.03
"""A larger M that can gain less than this factor is not tried."""


def largest_multiplicity(
    conserves: Callable[[int], bool],
    most: int,
    bound: Callable[[int], float],
    worth: float = WORTH,
) -> int | None:
    """The largest M that conserves energy, as far as it is worth looking for.

    M doubles from 2 until one fails, then the gap is halved. That takes for granted that a smaller
    M conserves whatever a larger one does; only the M returned was tried itself. A larger M is not
    tried where even the largest still possible is not ``worth`` times faster.

    :param conserves: called with each M to try, at most once
    :param most: largest M to try, at least 2
    :param bound: S(M), the largest speed-up that an M can give
    :param worth: gain in speed that a larger M must promise; 1 looks for the largest M at any price
    :returns: None if M = 2 fails already
    :raises ValueError: ``most`` below 2
    """
    if most < 2:
        raise ValueError(f"the largest M must be at least 2, found {most}")
    good, bad, trial = 1, most + 1, 2
    while True:
        if conserves(trial):
            good = trial
        else:
            bad = trial
        largest = bad - 1
        if largest <= good or bound(largest) / bound(good) < worth:
            return good if good > 1 else None
        has_failed = bad <= most
        trial = (good + bad) // 2 if has_failed else min(2 * good, most)
