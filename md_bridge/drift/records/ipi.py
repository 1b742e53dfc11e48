"""H(t) and T(t) from the properties that i-PI prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.units import Hartree, kB
from numpy.typing import NDArray

from md_bridge.drift.records.errors import ReadError, ReadOptionError
from md_bridge.drift.records.reader_tools import (
    ReadOptions,
    did_you_mean,
    kinetic_energy,
    kinetic_temperature,
    last_digit,
    record_of_file,
    sound_part,
    strictly_later,
)
from md_bridge.drift.records.run import RunRecord

__all__ = [
    "HEADER",
    "read_ipi_output",
]

HEADER = re.compile(r"^#\s+(?:column|cols\.)\s+(\d+)(?:-\d+)?\s+-->\s+(.+?)\s*(?::\s.*)?$")
"""``# column   2     --> time{picosecond} : The elapsed simulation time.``"""

_XYZ = ("*.xyz", "*.extxyz")


@dataclass(frozen=True)
class _Column:
    name: str
    unit: str
    index: int

    @property
    def label(self) -> str:
        return f"{self.name}{{{self.unit}}}" if self.unit else self.name


def read_ipi_output(output: str | Path, options: ReadOptions | None = None) -> RunRecord:
    """Read a properties file of i-PI, with the header that i-PI writes.

    H is ``conserved``, or the property that ``options.column`` names. Every column is converted
    from the unit in its heading, so that units may be mixed; without one it is in atomic units.
    i-PI does not print the number of atoms: it is taken from ``options.atoms``, or from an xyz
    trajectory of the same run (same prefix) beside the file.

    :param output: for example ``simulation.out``
    :param options: what the file leaves open
    :raises ReadError: no header, a column missing, an unknown unit, no number of atoms
    """
    output = Path(output)
    options = options or ReadOptions()
    columns, rows = _table(output)
    table = np.array([[float(cell) for cell in row] for row in rows]).reshape(len(rows), -1)
    column = _conserved_column(output, columns, options.column)
    energy = _converted(output, column, "energy", table) * Hartree
    atom_count = _atom_count(output, options.atoms)
    time = _times(output, columns, table, options.timestep_fs)
    temperature, kinetic, notes = _temperature(output, columns, table, atom_count)
    potential = _energy(output, columns, table, "potential")
    count, bad = sound_part(time, energy, temperature)
    strictly_later(
        time[:count],
        output,
        "A run that is restarted from a checkpoint repeats steps: delete the lines of the first "
        "attempt",
    )
    unit = _unit_value(output, column, "energy") * Hartree
    return record_of_file(
        source=output,
        host="i-pi",
        atom_count=atom_count,
        time_ps=time[:count] - (time[0] if count else 0.0),
        conserved_energy=energy[:count],
        temperature=temperature[:count],
        resolution=last_digit(row[column.index] for row in rows) * unit,
        exploded=None if bad is None else f"{bad} at {time[count]:g} ps",
        kinetic_energy=None if kinetic is None else kinetic[:count],
        potential_energy=None if potential is None else potential[:count],
        notes=(f"{len(rows)} samples; H is {column.label}", *notes),
    )


def _table(output: Path) -> tuple[list[_Column], list[list[str]]]:
    columns: dict[str, _Column] = {}
    rows: list[list[str]] = []
    for number, line in _lines(output):
        heading = HEADER.match(line)
        if heading is not None:
            column = _column(heading[2], int(heading[1]) - 1)
            columns.setdefault(column.label, column)
        elif line.strip() and not line.lstrip().startswith("#"):
            rows.append(_row(output, number, line, len(rows[0]) if rows else None))
    if not columns:
        raise ReadError(
            f"{output}: expected i-PI's header '# column 1 --> ...', which holds names and units, "
            "found none. Does the file come from <properties>, as i-PI wrote it?"
        )
    if len(rows) < 2:
        raise ReadError(f"{output}: expected lines of numbers under the header, found {len(rows)}")
    return list(columns.values()), rows


def _lines(output: Path) -> Iterator[tuple[int, str]]:
    try:
        with output.open(encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if line.endswith("\n"):  # else i-PI was stopped, or still is, in the middle of it
                    yield number, line
    except OSError as error:
        raise ReadError(f"cannot read {output}: {error.strerror}") from error


def _row(output: Path, number: int, line: str, width: int | None) -> list[str]:
    cells = line.split()
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        raise ReadError(
            f"{output}, line {number}: expected numbers, found {line.strip()!r}"
        ) from None
    if width is not None and len(cells) != width:
        raise ReadError(
            f"{output}, line {number}: expected {width} numbers, found {len(cells)}. Was i-PI "
            "stopped while it wrote this line? Then delete it"
        )
    return cells


def _column(what: str, index: int) -> _Column:
    unit = re.search(r"\{([^}]*)\}", what)
    return _Column(re.sub(r"\{[^}]*\}", "", what).strip(), unit[1].strip() if unit else "", index)


def _find(columns: list[_Column], name: str) -> _Column | None:
    return next((column for column in columns if name in (column.name, column.label)), None)


def _conserved_column(output: Path, columns: list[_Column], asked: str | None) -> _Column:
    column = _find(columns, asked or "conserved")
    if column is not None:
        return column
    found = ", ".join(column.label for column in columns)
    if asked is not None:
        hint = did_you_mean(asked, [column.name for column in columns])
        raise ReadOptionError(f"{output}: there is no column {asked}{hint}; found {found}")
    raise ReadError(
        f"{output}: expected a column conserved, found {found}. Add `conserved{{electronvolt}}` to "
        "<properties> and run again, or name another column with "
        "ReadOptions(column=...)"
    )


def _unit_value(output: Path, column: _Column, family: str) -> float:
    """The column's unit in atomic units, by i-PI's own table."""
    from ipi.utils.units import UnitMap, UnitPrefix, UnitPrefixRE

    match = UnitPrefixRE.match(column.unit)
    if column.unit == "":
        return 1.0
    if match is not None:
        prefix, base = match.groups()
        if prefix in UnitPrefix and base.lower() in UnitMap[family]:
            return float(UnitMap[family][base.lower()] * UnitPrefix[prefix])
    known = [unit for unit in UnitMap[family] if unit]
    raise ReadError(
        f"{output}: {column.label} is not in a unit of {family} that i-PI knows"
        f"{did_you_mean(column.unit, known)}; expected one of {', '.join(known)}"
    )


def _converted(
    output: Path, column: _Column, family: str, table: NDArray[np.float64]
) -> NDArray[np.float64]:
    if column.index >= table.shape[1]:
        raise ReadError(
            f"{output}: the header promises {column.label} as column {column.index + 1}, but the "
            f"lines have {table.shape[1]} numbers"
        )
    values: NDArray[np.float64] = table[:, column.index] * _unit_value(output, column, family)
    return values


def _energy(
    output: Path, columns: list[_Column], table: NDArray[np.float64], name: str
) -> NDArray[np.float64] | None:
    """A column of energies in eV; None if there is none of this name."""
    column = _find(columns, name)
    return None if column is None else _converted(output, column, "energy", table) * Hartree


def _times(
    output: Path, columns: list[_Column], table: NDArray[np.float64], timestep_fs: float | None
) -> NDArray[np.float64]:
    """Times (ps): the column ``time``, else ``step`` times the time step that the user gave."""
    from ipi.utils.units import unit_to_internal

    picosecond = unit_to_internal("time", "picosecond", 1.0)
    time = _find(columns, "time")
    if time is not None and timestep_fs is None:
        return _converted(output, time, "time", table) / picosecond
    step = _find(columns, "step")
    if step is not None and timestep_fs is not None:
        return table[:, step.index] * timestep_fs / 1000.0
    found = ", ".join(column.label for column in columns)
    missing = "step" if timestep_fs is not None else "time"
    raise ReadError(
        f"{output}: expected a column {missing}, found {found}. Add `time{{picosecond}}` to "
        "<properties>, or print `step` and give ReadOptions(timestep_fs=...)"
    )


def _temperature(
    output: Path, columns: list[_Column], table: NDArray[np.float64], atom_count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, list[str]]:
    """Temperature (K), kinetic energy (eV) and what to know of them.

    ``kinetic_md`` is what it says, unless there are beads: then it belongs to the ring polymers,
    and no classical kinetic energy exists. ``temperature`` counts 3N degrees of freedom, also where
    the centre of mass rests, except under a thermostat with ``fixcom`` (i-PI's
    ``Properties.get_temp``).
    """
    kinetic = _energy(output, columns, table, "kinetic_md")
    temperature = _printed_temperature(output, columns, table)
    if kinetic is None and temperature is None:
        found = ", ".join(column.label for column in columns)
        raise ReadError(
            f"{output}: expected a column temperature or kinetic_md, found {found}. Add "
            "`temperature{kelvin}` to <properties>"
        )
    if _has_beads(columns, kinetic, temperature, atom_count):
        if temperature is None:
            raise ReadError(
                f"{output}: kinetic_md of path integrals is that of all beads, whose number the "
                "file does not tell. Add `temperature{kelvin}` to <properties>"
            )
        return temperature, None, ["path integrals: T is that of the ring polymers"]
    if kinetic is not None:
        return kinetic_temperature(kinetic, atom_count), kinetic, []
    assert temperature is not None
    note = (
        "T is i-PI's `temperature`, which is too low by 1/N in NVE (it counts 3N degrees of "
        "freedom): print `kinetic_md` to have it right"
    )
    return temperature, kinetic_energy(temperature, atom_count), [note]


def _printed_temperature(
    output: Path, columns: list[_Column], table: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The column ``temperature`` in K; None if there is none."""
    from ipi.utils.units import unit_to_internal

    column = _find(columns, "temperature")
    if column is None:
        return None
    kelvin: float = unit_to_internal("temperature", "kelvin", 1.0)
    return _converted(output, column, "temperature", table) / kelvin


def _has_beads(
    columns: list[_Column],
    kinetic: NDArray[np.float64] | None,
    temperature: NDArray[np.float64] | None,
    atom_count: int,
) -> bool:
    """Whether the file is of path integrals: by properties that only they need, or by a kinetic
    energy that is that of several beads at this temperature."""
    if any(_find(columns, name) is not None for name in ("kinetic_cv", "kinetic_td")):
        return True
    if kinetic is None or temperature is None:
        return False
    one = 1.5 * atom_count * kB * np.median(temperature)
    return bool(one > 0 and np.median(kinetic) > 1.5 * one)


def _atom_count(output: Path, asked: int | None) -> int:
    if asked is not None:
        return asked
    prefix = output.name.split(".")[0]
    for pattern in _XYZ:
        for trajectory in sorted(output.parent.glob(f"{prefix}.{pattern}")):
            with trajectory.open(encoding="utf-8", errors="replace") as stream:
                first = stream.readline().strip()
            if first.isdigit():
                return int(first)
    raise ReadError(
        f"{output}: i-PI does not print the number of atoms, and no xyz trajectory {prefix}.* lies "
        "beside the file: give ReadOptions(atoms=...)"
    )
