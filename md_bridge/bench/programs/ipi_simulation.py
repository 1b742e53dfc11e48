"""Steps of i-PI, run by i-PI's own classes, and the clients that its input waits for."""

import subprocess
import time
from typing import Any

from ipi.engine.simulation import Simulation

__all__ = ["Steps", "open_work"]

_WARM_UP = 3
"""Steps that are not timed: torch warms up, and the stride of multiple time stepping is learned."""


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
        # they end when the socket does
        self._clients = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL) for command in task["clients"]
        ]
        self._simulation = Simulation.load_from_xml(task["input"])
        self.run(_WARM_UP)

    def run(self, count: int) -> float:
        """Seconds of so many steps.

        :param count: how many
        """
        for client in self._clients:
            if client.poll() is not None:
                raise RuntimeError(f"a client ended: {' '.join(client.args)}")  # type: ignore
        simulation = self._simulation
        simulation.tsteps = simulation.step + count
        begin = time.perf_counter()
        simulation.run()
        return time.perf_counter() - begin
