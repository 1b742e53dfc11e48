"""Runs as CSV files: ``# key: value`` lines, a header and one line a sample."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import SERIES, RunRecord
from md_bridge.forces import ForceAgreement
from md_bridge.text import replace_atomically

__all__ = [
    "read_csv",
    "write_csv",
]

_COLUMNS = ("time_ps", "conserved_eV", "temperature_K")
_ELEMENT_COLUMN = re.compile(r"temperature_([A-Z][a-z]?)_K")
_METHOD = ("host", "forces", "multiplicity", "timestep_fs")
_RUN = ("atom_count", "wall_s")
_OPTIONAL = ("replica", "seed", "source", "exploded")
_SEPARATOR = ", "

_Number = TypeVar("_Number", int, float)


def write_csv(record: RunRecord, path: Path) -> None:
    """Write a run for numpy, pandas and :func:`read_csv`.

    The file appears whole or not at all, so that its presence says that the run is complete.

    :param record: the run
    :param path: the file, replaced if it exists
    :raises OSError: the file cannot be written
    """
    replace_atomically(path, lambda unfinished: _write(record, unfinished))


def _write(record: RunRecord, path: Path) -> None:
    names = [*_COLUMNS, *(f"temperature_{element}_K" for element in record.element_temperatures)]
    columns = [getattr(record, name) for name in SERIES]
    columns += record.element_temperatures.values()
    header = {key: getattr(record.method, key) for key in _METHOD}
    if record.method.two_models:
        header["two_models"] = "yes"
    header |= {key: getattr(record, key) for key in _RUN}
    optional = {key: getattr(record, key) for key in _OPTIONAL}
    optional["resolution"] = record.resolution or None
    if record.agreement is not None:
        optional["correction"] = record.agreement.correction
        optional["conservative"] = record.agreement.conservative
    optional["versions"] = _SEPARATOR.join(map(" ".join, record.versions.items())) or None
    with path.open("w", newline="", encoding="utf-8") as stream:
        for key, value in header.items():
            stream.write(f"# {key}: {'' if value is None else value}\n")
        for key, value in optional.items():
            if value is not None:
                stream.write(f"# {key}: {' '.join(str(value).split())}\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([f"{value:.12g}" for value in row] for row in zip(*columns, strict=True))


def read_csv(path: Path) -> RunRecord:
    """Read a run that :func:`write_csv` wrote.

    :param path: the file
    :raises ValueError: a header line or a column is missing or not a finite number, or they do not
        fit together; the message names the file, and the line where there is one.
    :raises OSError: the file cannot be read
    """
    try:
        return _read(path)
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> RunRecord:
    lines = path.read_text(encoding="utf-8").splitlines()
    header = {
        key.strip(): value.strip()
        for key, _, value in (line[1:].partition(":") for line in lines if line.startswith("#"))
    }
    if "engine" in header:  # what the host was called before the first release
        header.setdefault("host", header.pop("engine"))
    missing = [key for key in (*_METHOD, *_RUN) if key not in header]
    if missing:
        raise ValueError(f"{path}: expected a line '# {missing[0]}: ...' at the top, found none")
    body = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    elements = _read_elements(path, body[0][1] if body else "nothing")
    width = len(_COLUMNS) + len(elements)
    rows = [_parse_row(path, number, line, width) for number, line in body[1:]]
    columns = np.array(rows, dtype=np.float64).reshape(-1, width).T
    method = Method(
        header["host"],
        header["forces"],
        None if header["multiplicity"] == "" else _number(path, header, "multiplicity", int),
        _number(path, header, "timestep_fs", float),
        header.get("two_models") == "yes",
    )
    return RunRecord(
        method,
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
        resolution=_number(path, header, "resolution", float) if "resolution" in header else 0.0,
        versions=_read_versions(header.get("versions", "")),
        agreement=_read_agreement(path, header),
    )


def _read_agreement(path: Path, header: dict[str, str]) -> ForceAgreement | None:
    """Root mean squares in eV/Å, where they were written."""
    if not {"correction", "conservative"} <= header.keys():
        return None
    return ForceAgreement(
        _number(path, header, "conservative", float), _number(path, header, "correction", float)
    )


def _read_versions(text: str) -> dict[str, str]:
    """``torch 2.13.0, ipi 3.3.1`` by name."""
    words = (entry.split() for entry in text.split(_SEPARATOR))
    return {pair[0]: pair[1] for pair in words if len(pair) == 2}


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
    if not np.isfinite(row[: len(_COLUMNS)]).all():
        raise ValueError(
            f"{path}, line {number}: expected finite numbers, found {line!r}. If the run broke "
            "down there, delete this line and those after it"
        )
    return row
