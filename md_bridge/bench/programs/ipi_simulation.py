"""Steps of i-PI, run by i-PI's own classes, and the clients that its input waits for."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from ipi.engine.simulation import Simulation

__all__ = ["Steps", "open_work"]

_WARM_UP = 3
"""Steps that are not timed: torch warms up, and the stride of multiple time stepping is learned."""
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def open_work(task: dict[str, Any]) -> "Steps":
    """Of an input.

    :param task: ``input``, the text of it; ``clients``, their command lines
    """
    return Steps(task)


class Steps:
    """Dynamics that go on from call to call.

    :param task: as :func:`open_work` takes it
    """

    first = None

    def __init__(self, task: dict[str, Any]) -> None:
        self.details: dict[str, float] = {}
        self._simulation = Simulation.load_from_xml(task["input"])  # opens the sockets
        for command in task["clients"]:
            client = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent
            )
            words = " ".join(command)
            threading.Thread(target=_end_with, args=(client, words), daemon=True).start()
        self.run(_WARM_UP)

    def run(self, count: int) -> float:
        """Seconds of so many steps.

        :param count: how many
        """
        simulation = self._simulation
        simulation.tsteps = simulation.step + count
        begin = time.perf_counter()
        simulation.run()
        return time.perf_counter() - begin


def _end_with(client: "subprocess.Popen[bytes]", words: str) -> None:
    """End this process when a client ends: i-PI would wait for another one for ever."""
    status = client.wait()
    print(f"the client {words} ended (status {status})", file=sys.stderr, flush=True)
    os._exit(1)


def _die_with_parent() -> None:
    """Also while it is stopped, and whatever ends the parent."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
