"""What the runner asks of anything that it measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Burst", "Session"]


@dataclass(frozen=True)
class Burst:
    """Some evaluations or steps in a row."""

    seconds: float
    """Of one evaluation, or of one step of the host."""
    details: Mapping[str, float] = field(default_factory=dict)
    """What else was seen: ``overhead``, the share of the time that is neither forward nor backward;
    ``rss_MB`` and ``peak_MB``, memory of the process; spreads of results over orientations."""


class Session(Protocol):
    """One way of doing one thing, started and warm; it takes no time between its turns."""

    first: Mapping[str, Any] | None
    """``energy`` (eV) and ``forces`` (eV/Å, [atoms, 3]) of the start, where it has them."""

    def run(self, count: int, limit_s: float) -> Burst:
        """Do so many evaluations or steps.

        :raises UnavailableError: it cannot go on, or took longer than it may
        :param count: how many
        :param limit_s: how long all of it may take
        """

    def close(self) -> None:
        """End it."""
