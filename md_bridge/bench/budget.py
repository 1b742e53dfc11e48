"""Shares a given time between the panels of a benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from md_bridge.bench.panels import Panel

__all__ = ["Budget"]

_SHARES = {"ase": 4.0, "lammps": 3.5, "ipi": 5.0, "ranks": 2.0, "busy": 2.0}
"""Of the time, by group; others have 1.5."""
_OTHER_SHARE = 1.5
_ATOMS = 500
"""So many cost as much again as starting the programs does."""


class Budget:
    """Every group has its share, and every panel one of its group's; what one leaves, the next ones
    have too.

    :param panels: in the order in which they are measured
    :param minutes: for all of them
    :param clock: seconds
    """

    def __init__(
        self,
        panels: Sequence[Panel],
        minutes: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._end = clock() + 60 * minutes
        self._weights = _weights(panels)
        self._next = 0
        self._began, self._deadline = clock(), clock()

    def begin(self) -> float:
        """The next panel begins.

        :returns: when it should be done, by the clock
        """
        left = self._weights[self._next :]
        self._began = self._clock()
        time_left = max(0.0, self._end - self._began)
        self._deadline = self._began + time_left * left[0] / sum(left)
        self._next += 1
        return self._deadline

    @property
    def share(self) -> float:
        """Of the whole that is done."""
        if self._next == 0:
            return 0.0
        done, now = sum(self._weights[: self._next - 1]), self._weights[self._next - 1]
        span = self._deadline - self._began
        part = min(1.0, (self._clock() - self._began) / span) if span > 0 else 1.0
        return (done + part * now) / sum(self._weights)


def _weights(panels: Sequence[Panel]) -> list[float]:
    """Of the panels."""
    rough = [len(panel.subjects) * (1 + _size(panel) / _ATOMS) for panel in panels]
    groups: dict[str, float] = {}
    for panel, weight in zip(panels, rough, strict=True):
        groups[panel.group] = groups.get(panel.group, 0.0) + weight
    return [
        _SHARES.get(panel.group, _OTHER_SHARE) * weight / groups[panel.group]
        for panel, weight in zip(panels, rough, strict=True)
    ]


def _size(panel: Panel) -> int:
    """Atoms of the largest box."""
    return max([panel.atoms, *(subject.atoms for subject in panel.subjects)])
