"""Runs that explode: told from programs that fail, with the step and the last good frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = [
    "HOTTEST_K",
    "LAST_FRAME",
    "Explosion",
    "ending",
    "explosion_in",
    "sound_rows",
    "tells_of_explosion",
    "too_hot",
    "write_last_frame",
]

LAST_FRAME = "last-good.xyz"
HOTTEST_K = 1e5
"""Above this temperature nothing is left of what was simulated, whatever it was."""

# What the hosts and this package say when the dynamics, and not a program, has gone wrong.
_WORDS = re.compile(
    r"not finite|has become unstable|have moved so far|Lost atoms|Out of range atoms|Non-numeric"
    r"|Neighbor list overflow|Too many neighbor bins",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(ERROR( on proc \d+)?|MD Bridge):\s*")
_STEP = re.compile(r"\bstep (\d+)")
_SOURCE = re.compile(r"\s*\(\S+\.(cpp|h|py):\d+\)")


@dataclass(frozen=True)
class Explosion:
    """Why a run ended before its time."""

    reason: str
    """The host's words."""
    step: int | None = None
    """Outer step, where known."""

    def sentence(self, outer_timestep_fs: float) -> str:
        """With the step and its time: ``exploded at step 120 (0.240 ps): Lost atoms: …``.

        :param outer_timestep_fs: length of a step that the step number counts, fs
        """
        if self.step is None:
            return f"exploded: {self.reason}"
        time = self.step * outer_timestep_fs / 1000
        return f"exploded at step {self.step} ({time:.3f} ps): {self.reason}"


def tells_of_explosion(message: str) -> bool:
    """Whether an error message of a host or of this package says that the dynamics went wrong.

    :param message: what was printed, one line or several
    """
    return _WORDS.search(message) is not None


def explosion_in(output: Path) -> Explosion | None:
    """The explosion that a program's output tells of; None if it failed for another reason.

    :param output: file with what the program printed; a missing one tells of nothing
    """
    text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
    for line in reversed(text.splitlines()):
        if tells_of_explosion(line) and (_PREFIX.match(line.strip()) or "Error" in line):
            reason = _SOURCE.sub("", _PREFIX.sub("", line.strip()))
            step = _STEP.search(reason)
            return Explosion(reason, int(step.group(1)) if step else None)
    return None


def too_hot(temperature_k: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which samples are above :data:`HOTTEST_K`; none if the first is: then that is the plan.

    :param temperature_k: shape (n,), K
    :returns: shape (n,)
    """
    planned = bool(len(temperature_k)) and bool(temperature_k[0] > HOTTEST_K)
    return (temperature_k > HOTTEST_K) & (not planned)


def ending(temperature_k: float) -> str:
    """What is wrong with the first bad sample of a series.

    :param temperature_k: temperature of that sample, K
    """
    if temperature_k > HOTTEST_K:
        return f"the temperature passed {HOTTEST_K:.0f} K"
    return "energy or temperature is not finite"


def sound_rows(
    rows: NDArray[np.float64], temperature_k: NDArray[np.float64], explosion: Explosion | None
) -> tuple[NDArray[np.float64], Explosion | None]:
    """The rows before the first that is not finite or too hot, and the explosion that it is.

    :param rows: shape (n, columns), the outer step in the first
    :param temperature_k: shape (n,)
    :param explosion: what the host's output tells of, if it does
    :returns: shape (k, columns) with k <= n; the explosion has its step
    """
    hot = too_hot(temperature_k)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1) | hot)
    if bad.size:
        first = int(bad[0])
        step = int(rows[first, 0]) if np.isfinite(rows[first, 0]) else None
        if explosion is None or hot[first]:
            explosion = Explosion(ending(temperature_k[first]), step)
        rows = rows[:first]
    if explosion is not None and explosion.step is None and len(rows):
        explosion = Explosion(explosion.reason, int(rows[-1, 0]))
    return rows, explosion


def write_last_frame(frame: Atoms | None, folder: Path) -> None:
    """Keep the last good frame as ``last-good.xyz``; nothing if there is none.

    :param frame: the frame, Å
    :param folder: of the run
    :raises OSError: the file cannot be written
    """
    if frame is not None:
        ase.io.write(folder / LAST_FRAME, frame, format="extxyz")
