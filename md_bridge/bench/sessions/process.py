"""A session by :mod:`md_bridge.bench.programs.worker` in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.sessions.child import Child
from md_bridge.bench.sessions.session import Burst
from md_bridge.processes import memory_of

__all__ = ["Work", "WorkerSession"]

_WORKER = Path(__file__).parents[1] / "programs" / "worker.py"


@dataclass(frozen=True)
class Work:
    """What a worker is asked to do."""

    task: Mapping[str, Any]
    """What it opens, see :mod:`md_bridge.bench.programs.worker`."""
    threads: int
    """OMP_NUM_THREADS of the process."""
    folder: Path
    """It runs in, for its log."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment, besides those of this process."""
    leftovers: Sequence[Path] = ()
    """Files that it may leave outside its folder, such as sockets."""


class WorkerSession:
    """Evaluations in a Python process; nothing of MD Bridge is loaded in it unless it is measured.

    :param work: what it does
    :param limit_s: how long it may take to open
    :raises UnavailableError: it cannot be opened
    """

    def __init__(self, work: Work, limit_s: float) -> None:
        work.folder.mkdir(parents=True, exist_ok=True)
        self._leftovers = work.leftovers
        self._child = Child(
            [sys.executable, str(_WORKER)],
            work.folder,
            work.folder / "worker.log",
            {**os.environ, "OMP_NUM_THREADS": str(work.threads), **work.variables},
            answers=True,
        )
        try:
            self.first = self._ask(dict(work.task), limit_s)["first"]
        except BaseException:
            self.close()
            raise

    def run(self, count: int, limit_s: float) -> Burst:
        """Do so many evaluations or steps.

        :param count: how many
        :param limit_s: how long they may take
        """
        answer = self._ask({"run": count}, limit_s)
        return Burst(answer["seconds"] / count, {**memory_of(self._child.pid), **answer["details"]})

    def _ask(self, question: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Send a line and wait for the answer."""
        with self._child.awake():
            self._child.send(json.dumps(question) + "\n")
            answer: dict[str, Any] = json.loads(self._child.answer(limit_s))
        if "error" in answer:
            raise UnavailableError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, and remove what it leaves."""
        self._child.close()
        for path in self._leftovers:
            path.unlink(missing_ok=True)
