"""What LAMMPS wrote while it minimised: the log's rows and the dumped positions and forces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BAR_PER_EV",
    "COLUMNS",
    "PRESSURES",
    "Frame",
    "Minimizations",
    "is_row",
    "read_frames",
    "read_minimizations",
]

Array = NDArray[np.float64]

BAR_PER_EV = 1.6021765e6
"""1 eV/Å³ in bar, as LAMMPS has it in units metal."""
COLUMNS = ("step", "pe", "lx", "ly", "lz", "xy", "xz", "yz", "xlo", "ylo", "zlo")
PRESSURES = tuple(f"c_virial[{place}]" for place in range(1, 7))
"""xx, yy, zz, xy, xz, yz."""

_ROW = re.compile(r"^\s*\d+(\s+[-+]?([0-9.]+([eE][-+]?\d+)?|nan|inf)){10,}\s*$")
_EVALUATIONS = re.compile(r"Iterations, force evaluations =\s*(\d+)\s+(\d+)")
_CRITERION = re.compile(r"Stopping criterion = (.*)")
_LOOP_TIME = re.compile(r"^Loop time of ([0-9.eE+-]+) on ", re.MULTILINE)
_HEADER = 9  # lines of a frame before its atoms


@dataclass(frozen=True)
class Frame:
    """A structure of N atoms on the way."""

    step: int
    energy: float
    """eV."""
    cell: Array
    """[3, 3], vectors in rows, Å."""
    positions: Array
    """[N, 3], from the origin of the cell, not wrapped, Å."""
    forces: Array
    """[N, 3], eV/Å."""
    stress: Array | None
    """[3, 3], eV/Å³, positive under tension; None at a fixed cell."""

    @property
    def volume(self) -> float:
        """Of the cell, Å³."""
        return abs(float(np.linalg.det(self.cell)))


@dataclass(frozen=True)
class Minimizations:
    """All ``minimize`` commands of a run together."""

    evaluations: int
    """Of forces, that of each set-up among them."""
    seconds: float
    criterion: str
    """Why the last one stopped, in LAMMPS's words."""


def is_row(line: str) -> bool:
    """Whether a line of the log is one of numbers.

    :param line: of the log
    """
    return _ROW.match(line) is not None


def read_frames(log: Path, dump: Path, atoms: int, with_stress: bool) -> list[Frame]:
    """All structures that are complete, in the order of their steps.

    :param log: with :data:`COLUMNS`, and :data:`PRESSURES` where there is a stress
    :param dump: with id, xu yu zu and fx fy fz of each atom
    :param atoms: N
    :param with_stress: whether there is one
    """
    width = len(COLUMNS) + (len(PRESSURES) if with_stress else 0)
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    rows = (line.split() for line in text.splitlines() if is_row(line))
    # a round begins where the one before ended, with the same step
    numbers = {int(row[0]): np.array(row[1:], dtype=float) for row in rows if len(row) == width}
    found = []
    for step, table in _dumped(dump, atoms):
        row = numbers.get(step)
        if row is None or not (np.isfinite(row).all() and np.isfinite(table).all()):
            continue
        energy, lx, ly, lz, xy, xz, yz, *rest = row
        pressure = rest[3:]
        found.append(
            Frame(
                step=step,
                energy=float(energy),
                cell=np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]),
                positions=table[:, 1:4] - rest[:3],
                forces=table[:, 4:7],
                stress=_stress(pressure) if with_stress else None,
            )
        )
    return found


def read_minimizations(log: str) -> Minimizations:
    """Evaluations, time and the reason of the end.

    :param log: text of the log
    """
    counts = _EVALUATIONS.findall(log)
    criteria = _CRITERION.findall(log)
    return Minimizations(
        evaluations=sum(int(evaluations) + 1 for _, evaluations in counts),
        seconds=sum(float(seconds) for seconds in _LOOP_TIME.findall(log)),
        criterion=criteria[-1].strip() if criteria else "an error",
    )


def _dumped(dump: Path, atoms: int) -> list[tuple[int, Array]]:
    """Step and table of each whole frame."""
    if not dump.exists():
        return []
    lines = dump.read_text(encoding="utf-8").splitlines()
    size = atoms + _HEADER
    frames = []
    for begin in range(0, len(lines) - size + 1, size):
        table = [line.split() for line in lines[begin + _HEADER : begin + size]]
        if all(len(row) == 7 for row in table):
            frames.append((int(lines[begin + 1]), np.array(table, dtype=float)))
    return frames


def _stress(pressure: list[float]) -> Array:
    """Of LAMMPS's components in bar."""
    xx, yy, zz, xy, xz, yz = pressure
    return -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / BAR_PER_EV
