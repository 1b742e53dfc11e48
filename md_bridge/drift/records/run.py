"""One molecular-dynamics run as numbers: what was run, H(t), T(t), its cost; CSV in and out."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.records.method import Method

_SERIES = ("time_ps", "conserved_energy", "temperature")
_COLUMNS = ("time_ps", "conserved_eV", "temperature_K")
_ELEMENT_COLUMN = re.compile(r"temperature_([A-Z][a-z]?)_K")
_HEADER = ("engine", "forces", "multiplicity", "timestep_fs", "atom_count", "wall_s")
_OPTIONAL_HEADER = ("replica", "seed", "source", "exploded")

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class RunRecord(Method):
    """One NVE run, sampled at outer steps.

    :raises ValueError: as :class:`~md_bridge.drift.records.method.Method`, or series of different
        lengths, or fewer than two samples of a run that did not explode
    """

    atom_count: int
    wall_s: float
    """Wall time of the time stepping, set-up left out (s)."""
    time_ps: NDArray[np.float64] = field(repr=False)
    """Shape (n,), ps, from the start of the run."""
    conserved_energy: NDArray[np.float64] = field(repr=False)
    """Kinetic + conservative potential energy of the whole system, shape (n,), eV."""
    temperature: NDArray[np.float64] = field(repr=False)
    """Kinetic temperature, shape (n,), K."""
    element_temperatures: Mapping[str, NDArray[np.float64]] = field(
        default_factory=dict, repr=False
    )
    """Kinetic temperature of each element, shape (n,), K; may be empty."""
    replica: int | None = None
    """Number of the start, from 1, among independent ones."""
    seed: int | None = None
    """Of the thermostat that made the start."""
    source: str | None = None
    """File that the run was read from, if this package did not run it."""
    exploded: str | None = None
    """Why the run ended before its time: the host's words, with the step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths = {name: len(getattr(self, name)) for name in _SERIES}
        lengths |= {f"temperature of {el}": len(t) for el, t in self.element_temperatures.items()}
        fewest = 2 if self.exploded is None else 0
        if len(set(lengths.values())) != 1 or lengths["time_ps"] < fewest:
            found = ", ".join(f"{name}: {n}" for name, n in lengths.items())
            raise ValueError(
                f"{self.label}: expected at least two samples and as many of each; found {found}"
            )

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4-replica-2``."""
        if self.source is not None:
            return re.sub(r"[^A-Za-z0-9._-]+", "-", self.source).strip("-.")
        return run_name(self, self.replica)

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``, ``LAMMPS MTS M=4 #2``."""
        return self.source if self.source is not None else run_label(self, self.replica)

    @property
    def length_ps(self) -> float:
        """Simulated time (ps)."""
        return float(self.time_ps[-1] - self.time_ps[0]) if len(self.time_ps) else 0.0

    @property
    def wall_s_per_ps(self) -> float:
        """Cost of a picosecond (s/ps); NaN where that was not measured."""
        return self.wall_s / self.length_ps if self.wall_s > 0 and self.length_ps else float("nan")


def run_label(method: Method, replica: int | None) -> str:
    """A short name for people: ``LAMMPS MTS M=4 #2``; the replica only where there are several."""
    return method.method_label + (f" #{replica}" if replica is not None else "")


def run_name(method: Method, replica: int | None) -> str:
    """A short name that is safe as a file name: ``lammps-mts-4-replica-2``."""
    return method.method_name + (f"-replica-{replica}" if replica is not None else "")


def degrees_of_freedom(masses: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    """Kinetic degrees of freedom of some atoms of a system whose total momentum is zero.

    The centre of mass at rest takes from each atom the share of its mass: an atom of mass m has the
    mean kinetic energy (3/2) kT (1 - m/M), M the mass of all. Over all atoms that makes 3N - 3.

    :param masses: of all atoms, shape (N,)
    :param chosen: mask of shape (N,)
    """
    return float(3 * np.count_nonzero(chosen) - 3 * masses[chosen].sum() / masses.sum())


def write_csv(record: RunRecord, path: Path) -> None:
    """Write a run as ``# key: value`` lines, a header and one line a sample (for numpy, pandas).

    The file appears whole or not at all, so that its presence says that the run is complete.
    """
    names = [*_COLUMNS, *(f"temperature_{element}_K" for element in record.element_temperatures)]
    columns = [getattr(record, name) for name in _SERIES]
    columns += record.element_temperatures.values()
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as stream:
        for key in _HEADER:
            value = getattr(record, key)
            stream.write(f"# {key}: {'' if value is None else value}\n")
        for key in _OPTIONAL_HEADER:
            value = getattr(record, key)
            if value is not None:
                stream.write(f"# {key}: {' '.join(str(value).split())}\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"{value:.12g}" for value in row] for row in zip(*columns, strict=True))
    os.replace(unfinished, path)


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
    elements = _read_elements(path, body[0][1] if body else "nothing")
    width = len(_COLUMNS) + len(elements)
    rows = [_parse_row(path, number, line, width) for number, line in body[1:]]
    columns = np.array(rows, dtype=np.float64).reshape(-1, width).T
    return RunRecord(
        header["engine"],
        header["forces"],
        None if header["multiplicity"] == "" else _number(path, header, "multiplicity", int),
        _number(path, header, "timestep_fs", float),
        _number(path, header, "atom_count", int),
        _number(path, header, "wall_s", float),
        columns[0],
        columns[1],
        columns[2],
        element_temperatures=dict(zip(elements, columns[len(_COLUMNS) :], strict=True)),
        replica=_number(path, header, "replica", int) if "replica" in header else None,
        seed=_number(path, header, "seed", int) if "seed" in header else None,
        source=header.get("source"),
        exploded=header.get("exploded"),
    )


def _read_elements(path: Path, line: str) -> list[str]:
    """The elements whose temperatures follow the three columns that every file has."""
    names = line.split(",")
    matches = [_ELEMENT_COLUMN.fullmatch(name) for name in names[len(_COLUMNS) :]]
    elements = [match.group(1) for match in matches if match]
    if tuple(names[: len(_COLUMNS)]) != _COLUMNS or len(elements) != len(matches):
        raise ValueError(
            f"{path}: expected the columns {','.join(_COLUMNS)} and any temperature_<element>_K "
            f"after them, found {line}"
        )
    return elements


def _number(
    path: Path, header: dict[str, str], key: str, kind: Callable[[str], _Number]
) -> _Number:
    try:
        return kind(header[key])
    except ValueError:
        raise ValueError(f"{path}: '{key}' must be a number, found {header[key]!r}") from None


def _parse_row(path: Path, number: int, line: str, width: int) -> list[float]:
    cells = line.split(",")
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        row = []
    if len(row) != width:
        raise ValueError(f"{path}, line {number}: expected {width} numbers, found {line!r}")
    return row
