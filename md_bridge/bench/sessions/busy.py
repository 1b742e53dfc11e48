"""A session beside a neighbour that keeps one core busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

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

    def run(self, count: int) -> Burst:
        """Do so many evaluations or steps; the neighbour is there in these only.

        :param count: how many
        """
        neighbour = subprocess.Popen([sys.executable, "-c", _NEIGHBOUR])
        try:
            return self._session.run(count)
        finally:
            neighbour.kill()
            neighbour.wait()

    def close(self) -> None:
        """End the session."""
        self._session.close()


def beside_neighbour(open_session: Callable[[], Session]) -> BesideNeighbour:
    """Open a session and put the neighbour beside it, for ``functools.partial``.

    :param open_session: opens what is measured
    """
    return BesideNeighbour(open_session())
