"""One molecular-dynamics run as numbers: what was run, H(t), T(t), its cost; CSV in and out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ENGINES = ("lammps", "i-pi", "ase")
FORCES = ("conservative", "direct", "mts")
_SERIES = ("time_ps", "conserved_energy", "temperature")
_COLUMNS = ("time_ps", "conserved_eV", "temperature_K")
_HEADER = ("engine", "forces", "multiplicity", "timestep_fs", "atom_count", "wall_s")
_ENGINE_NAMES = {"lammps": "LAMMPS", "i-pi": "i-PI", "ase": "ASE"}

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class RunRecord:
    """One NVE run, sampled at outer steps.

    :raises ValueError: unknown engine or forces, a multiplicity without (or missing with)
        ``forces="mts"``, or series of different lengths.
    """

    engine: str
    """``lammps``, ``i-pi`` or ``ase``."""
    forces: str
    """``conservative``, ``direct`` or ``mts``."""
    multiplicity: int | None
    """M, inner steps in an outer step; only for ``mts``."""
    timestep_fs: float
    """Inner step (fs)."""
    atom_count: int
    wall_s: float
    """Wall time of the time stepping, set-up left out (s)."""
    time_ps: NDArray[np.float64] = field(repr=False)
    """Shape (n,), ps, from the start of the run."""
    conserved_energy: NDArray[np.float64] = field(repr=False)
    """Kinetic + conservative potential energy of the whole system, shape (n,), eV."""
    temperature: NDArray[np.float64] = field(repr=False)
    """Kinetic temperature, shape (n,), K."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("engine", self.engine, ENGINES),
            ("forces", self.forces, FORCES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; found {value!r}")
        if (self.forces == "mts") != (self.multiplicity is not None):
            raise ValueError(
                "a multiplicity M belongs to forces 'mts' and to no others; "
                f"found forces {self.forces!r} with M = {self.multiplicity}"
            )
        lengths = [len(getattr(self, name)) for name in _SERIES]
        if len(set(lengths)) != 1 or lengths[0] < 2:
            found = ", ".join(f"{name}: {n}" for name, n in zip(_SERIES, lengths, strict=True))
            raise ValueError(
                f"{self.label}: expected at least two samples and as many of each; found {found}"
            )

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4``."""
        parts = [self.engine, self.forces]
        if self.multiplicity is not None:
            parts.append(str(self.multiplicity))
        return "-".join(parts)

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``."""
        return run_label(self.engine, self.forces, self.multiplicity)

    @property
    def length_ps(self) -> float:
        """Simulated time (ps)."""
        return float(self.time_ps[-1] - self.time_ps[0])

    @property
    def wall_s_per_ps(self) -> float:
        """Cost of a picosecond (s/ps)."""
        return self.wall_s / self.length_ps


def run_label(engine: str, forces: str, multiplicity: int | None) -> str:
    """A short name for people: ``LAMMPS MTS M=4``."""
    kind = f"MTS M={multiplicity}" if forces == "mts" else forces
    return f"{_ENGINE_NAMES[engine]} {kind}"


def write_csv(record: RunRecord, path: Path) -> None:
    """Write a run as ``# key: value`` lines, a header and one line a sample (for numpy, pandas)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        for key in _HEADER:
            value = getattr(record, key)
            stream.write(f"# {key}: {'' if value is None else value}\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        columns = [getattr(record, name) for name in _SERIES]
        writer.writerows([f"{value:.12g}" for value in row] for row in zip(*columns, strict=True))


def read_csv(path: Path) -> RunRecord:
    """Read a run that :func:`write_csv` wrote.

    :raises ValueError: a header line or a column is missing or not a number; the message names the
        file and the line.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = {
        key.strip(): value.strip()
        for key, _, value in (line[1:].partition(":") for line in lines if line.startswith("#"))
    }
    missing = [key for key in _HEADER if key not in header]
    if missing:
        raise ValueError(f"{path}: expected a line '# {missing[0]}: ...' at the top, found none")
    body = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not body or tuple(body[0][1].split(",")) != _COLUMNS:
        found = body[0][1] if body else "nothing"
        raise ValueError(f"{path}: expected the columns {','.join(_COLUMNS)}, found {found}")
    rows = [_parse_row(path, number, line) for number, line in body[1:]]
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(_COLUMNS)).T
    return RunRecord(
        header["engine"],
        header["forces"],
        None if header["multiplicity"] == "" else _number(path, header, "multiplicity", int),
        _number(path, header, "timestep_fs", float),
        _number(path, header, "atom_count", int),
        _number(path, header, "wall_s", float),
        *columns,
    )


def _number(
    path: Path, header: dict[str, str], key: str, kind: Callable[[str], _Number]
) -> _Number:
    try:
        return kind(header[key])
    except ValueError:
        raise ValueError(f"{path}: '{key}' must be a number, found {header[key]!r}") from None


def _parse_row(path: Path, number: int, line: str) -> list[float]:
    cells = line.split(",")
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        row = []
    if len(row) != len(_COLUMNS):
        raise ValueError(f"{path}, line {number}: expected {len(_COLUMNS)} numbers, found {line!r}")
    return row
