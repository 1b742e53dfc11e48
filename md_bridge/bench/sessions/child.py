"""A process that is measured: it sleeps unless it is its turn, and is never left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from md_bridge.bench.errors import UnavailableError
from md_bridge.processes import kill_with_parent

__all__ = ["Child"]

_KILLED_FIRST = "1000"
"""Of ``oom_score_adj``: if memory runs out the kernel ends what is measured, and nothing else."""


class Child:
    """A process in a group of its own, with all that it starts.

    Between its turns the group is stopped: i-PI's clients, OpenMP's and MPI's threads spin while
    they wait, and would take the time of what is measured meanwhile.

    :param command: program and arguments
    :param folder: it runs in
    :param log: gets what it prints, or only its errors if it answers
    :param environment: all of its variables
    :param answers: whether its standard output is read with :meth:`answer`
    :raises UnavailableError: it cannot be started
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        log: Path,
        environment: Mapping[str, str],
        answers: bool = False,
    ) -> None:
        self._log = log
        try:
            with log.open("wb") as stream:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE if answers else stream,
                    stderr=stream,
                    cwd=folder,
                    env=dict(environment),
                    preexec_fn=_begin,
                )
        except OSError as error:
            raise UnavailableError(f"cannot start {command[0]}: {error.strerror}") from error
        self.pid = self._process.pid
        with contextlib.suppress(OSError):
            Path(f"/proc/{self.pid}/oom_score_adj").write_text(_KILLED_FIRST, encoding="ascii")

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs or sleeps."""
        return self._process.poll()

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """It runs within the block."""
        self._signal(signal.SIGCONT)
        try:
            yield
        finally:
            self.sleep()

    def sleep(self) -> None:
        """Stop the group, until it is woken."""
        self._signal(signal.SIGSTOP)

    def send(self, text: str) -> None:
        """Write to its standard input; if it has ended, that is seen later.

        :param text: what to write
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def answer(self, limit_s: float) -> str:
        """The next line that it prints.

        :param limit_s: how long to wait for it
        :raises UnavailableError: it says nothing for so long, or has ended
        """
        stream = self._process.stdout
        assert stream is not None
        ready, _, _ = select.select([stream], [], [], limit_s)
        if not ready:
            raise UnavailableError(f"it did not answer within {limit_s:.0f} s, and was ended")
        line = stream.readline().decode()
        if not line.endswith("\n"):
            raise UnavailableError(self._end())
        return line

    def _end(self) -> str:
        """How it ended, and what it said last."""
        try:
            status = self._process.wait(1.0)
        except subprocess.TimeoutExpired:  # it has closed its output only
            return f"its process answers no more: {self.last_words()}"
        if status < 0:
            return f"its process was ended by {signal.Signals(-status).name}: {self.last_words()}"
        return f"its process ended (status {status}): {self.last_words()}"

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote nothing"

    def close(self, grace_s: float = 0.0) -> None:
        """End it, with all that it has started.

        :param grace_s: how long it may take to end by itself when its input ends
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if grace_s:
            self._signal(signal.SIGCONT)
            deadline = time.monotonic() + grace_s
            while self.status is None and time.monotonic() < deadline:
                time.sleep(0.02)
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _begin() -> None:
    """In the new process: a group of its own, in the same session.

    Linux gives each session the same share of the processors; within one, threads have equal ones,
    as they have on machines without that.
    """
    os.setpgid(0, 0)
    kill_with_parent()
