"""Ctrl-C, SIGTERM and SIGHUP while programs or clients run."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

__all__ = [
    "INTERRUPTED",
    "signals_as_exceptions",
]

INTERRUPTED = 128 + signal.SIGINT
"""Exit status after Ctrl-C."""


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """SIGTERM and SIGHUP leave by SystemExit, which stops the running program on its way.

    By default they would end this process only, and `lmp` or `i-pi` would go on without it.
    """
    # under `nohup` a hang-up is to be ignored
    handled = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def leave(number: int, frame: FrameType | None) -> None:
        for other in handled:  # a second one must not interrupt the stopping
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
