"""A session by :mod:`md_bridge.bench.programs.worker` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.sessions.session import Burst

__all__ = ["WorkerSession", "memory_of", "worker"]

_WORKER = Path(__file__).parents[1] / "programs" / "worker.py"
_PATIENCE_S = 10.0


class WorkerSession:
    """Evaluations in a Python process; nothing of MD Bridge is loaded in it unless it is measured.

    :param task: what the worker opens, see there
    :param threads: OMP_NUM_THREADS of the process
    :param folder: it runs in, for its log
    :raises UnavailableError: it cannot be opened
    """

    def __init__(self, task: Mapping[str, Any], threads: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "worker.log"
        with open(self._log, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                text=True,
            )
        try:
            self.first = self._ask(dict(task))["first"]
        except BaseException:
            self.close()
            raise

    def run(self, count: int) -> Burst:
        """Do so many evaluations or steps.

        :param count: how many
        """
        seconds = self._ask({"run": count})["seconds"]
        return Burst(seconds / count, memory_of(self._process.pid))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Send a line and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(question), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            tail = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = tail[-1] if tail else "it wrote nothing"
            raise UnavailableError(f"its process ended (status {status}): {last}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise UnavailableError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, which ends at the end of its input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def worker(task: Mapping[str, Any], threads: int, folder: Path) -> WorkerSession:
    """A session of :class:`WorkerSession`, for ``functools.partial``.

    :param task: as the class has it
    :param threads: as the class has it
    :param folder: as the class has it
    """
    return WorkerSession(task, threads, folder)


def memory_of(pid: int) -> dict[str, float]:
    """Resident memory of a process, now and at most (MB); empty where the system does not say.

    :param pid: of the process
    """
    names = {"VmRSS": "rss_MB", "VmHWM": "peak_MB"}
    found: dict[str, float] = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key in names:
                found[names[key]] = int(value.split()[0]) / 1024
    return found
