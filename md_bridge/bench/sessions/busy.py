"""A session beside a neighbour that keeps one core busy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from md_bridge.bench.sessions.child import Child
from md_bridge.bench.sessions.session import Burst, Session

__all__ = ["BesideNeighbour", "beside_neighbour"]

_NEIGHBOUR = "while True: pass"


class BesideNeighbour:
    """Runs another session while a process that never rests runs too.

    :param session: what is measured
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.first: Mapping[str, Any] | None = session.first

    def run(self, count: int, limit_s: float) -> Burst:
        """Do so many evaluations or steps; the neighbour is there in these only.

        :param count: how many
        :param limit_s: how long they may take
        """
        neighbour = Child(
            [sys.executable, "-c", _NEIGHBOUR], Path.cwd(), Path(os.devnull), os.environ
        )
        try:
            return self._session.run(count, limit_s)
        finally:
            neighbour.close()

    def close(self) -> None:
        """End the session."""
        self._session.close()


def beside_neighbour(open_session: Callable[[float], Session], limit_s: float) -> BesideNeighbour:
    """Open a session and put the neighbour beside it, for ``functools.partial``.

    :param open_session: opens what is measured
    :param limit_s: how long that may take
    """
    return BesideNeighbour(open_session(limit_s))
