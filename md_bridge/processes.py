"""Programs that are found, started, watched and stopped: ``lmp``, ``i-pi``, clients."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from md_bridge.errors import MDBridgeError
from md_bridge.extras import require

__all__ = [
    "LineCounter",
    "Program",
    "RunError",
    "alone_in",
    "find_program",
    "kill_with_parent",
    "memory_of",
    "watch",
]

_POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""What is told to stop gets so much time before it is killed."""
STALL_MINUTES = 30.0
"""A program that shows no sign of life for so long has hung."""
_LOG_LINES = 12
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
_start = subprocess.Popen  # tests have another


@contextlib.contextmanager
def alone_in(folder: Path, command: str, error: type[MDBridgeError]) -> Iterator[None]:
    """Keep a second process out of a folder.

    :param folder: which exists
    :param command: what works in it, for people
    :param error: to raise where another process works in the folder, or nobody can write into it
    """
    try:
        lock = (folder / ".lock").open("w")
    except OSError as failure:
        raise error(f"cannot write into {folder}: {failure.strerror}") from failure
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise error(
                f"another {command} works in {folder}: wait for it, or give another folder"
            ) from None
        yield


class RunError(MDBridgeError, RuntimeError):
    """A program that was started for a run failed; the message says how, and where its log is."""


def find_program(name: str, extra: str) -> Path:
    """The program of this Python environment, or else the one on the PATH.

    :param name: for example ``i-pi``
    :param extra: of this package, which brings it
    :raises MissingExtraError: if it is in neither, because the extra is not installed
    :raises RunError: if it is in neither for another reason
    """
    path = Path(sys.executable).parent / name
    if path.exists():
        return path
    # `pip install --user` puts it elsewhere
    found = shutil.which(name)
    if found is None:
        require(extra, wanted_by=f"the program {name}")
        raise RunError(f"{path} does not exist, and there is no {name} on the PATH either")
    return Path(found)


def _end_with_parent() -> None:
    """Get a SIGTERM when the process that started this one ends, even by SIGKILL."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def kill_with_parent() -> None:
    """Get a SIGKILL when the process that started this one ends: one that is stopped would not
    heed another signal. For ``preexec_fn``.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Program:
    """A program in a process group of its own, so that Ctrl-C in the terminal reaches only us.

    A context manager: it runs from the beginning of the block, and nothing that it has started is
    left at the end.
    """

    name: str
    """For people."""
    command: Sequence[str | Path]
    log: Path
    """Gets what it prints."""
    mode: str = "wb"
    """``ab`` goes on with an old log."""
    environment: Mapping[str, str] | None = None
    """Variables on top of those of this process."""
    folder: Path | None = None
    """Where it runs; None: here."""
    process: subprocess.Popen[bytes] = field(init=False)
    offset: int = field(init=False, default=0)

    def __enter__(self) -> Program:
        """Start it.

        :raises RunError: if that cannot be done
        """
        try:
            with self.log.open(self.mode) as stream:
                self.offset = stream.tell()
                self.process = _start(
                    [str(part) for part in self.command],
                    cwd=self.folder,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **(self.environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
        except OSError as error:
            reason = error.strerror or error
            raise RunError(f"cannot start {self.name}, {self.command[0]}: {reason}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing that was started here stays, not even what outlives the program itself."""
        if self.status is None:
            self.signal(signal.SIGTERM)
            self.wait(GRACE_SECONDS)
        self.signal(signal.SIGKILL)
        self.process.wait()

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self.process.poll()

    def signal(self, number: int) -> None:
        """Send a signal to it and all that it has started: ``lmp`` is a parent of the real one.

        :param number: as in :mod:`signal`
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it still runs.

        :param seconds: the longest that is waited, s
        """
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def printed(self) -> int:
        """Bytes in its log so far; an older part of the file counts."""
        return self.log.stat().st_size if self.log.exists() else 0

    def failure(self) -> str:
        """How it ended, and what it said last."""
        status = self.status
        if status is None:
            how = "does not answer"
        elif status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"failed with exit status {status}"
        return self.told(how)

    def told(self, how: str) -> str:
        """A sentence about it, with what it said last.

        :param how: what it did, for example ``failed``
        """
        with self.log.open("rb") as stream:
            stream.seek(self.offset)
            lines = stream.read().decode("utf-8", "replace").strip().splitlines()
        tail = "\n".join(f"  {line}" for line in lines[-_LOG_LINES:]) or "  (it is empty)"
        return f"{self.name} {how}. The end of {self.log}:\n{tail}"


def watch(
    program: Program,
    count: Callable[[], int],
    progress: Callable[[int], None],
    stall_minutes: float = STALL_MINUTES,
) -> None:
    """Run a program to its end.

    It is stopped, with everything it started, when this function is left by an exception (Ctrl-C).

    :param program: not yet started
    :param count: steps found in the output so far
    :param progress: called with that number, a few times a second
    :param stall_minutes: time without a step and without a printed word after which the program
        counts as hung (min)
    :raises RunError: if it cannot be started, exits with another status than 0, or hangs
    """
    with program:
        last, since = (0, 0), time.monotonic()
        while program.status is None:
            program.wait(_POLL_SECONDS)
            done = count()
            progress(done)
            if (done, program.printed()) != last:
                last, since = (done, program.printed()), time.monotonic()
            elif time.monotonic() - since > 60 * stall_minutes:
                how = f"has made no step and printed nothing for {stall_minutes:g} minutes"
                raise RunError(
                    program.told(f"{how}, and was stopped; slower ones need more stall_minutes")
                )
    if program.status != 0:
        raise RunError(program.failure())


class LineCounter:
    """Counts the whole lines of a growing file that a test accepts; reads only what is new.

    :param path: the file; it may be missing at first
    :param accepts: called with a line, without its newline; True if it counts
    """

    def __init__(self, path: Path, accepts: Callable[[bytes], bool]) -> None:
        self._path = path
        self._accepts = accepts
        self._offset = 0
        self._lines = 0

    def __call__(self) -> int:
        """Lines accepted so far; 0 while the file does not exist."""
        if not self._path.exists():
            return 0
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            new = stream.read()
        whole, newline, _ = new.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        self._lines += sum(1 for line in whole.splitlines() if self._accepts(line))
        return self._lines


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
