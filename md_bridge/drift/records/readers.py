"""Runs from files of any host: :func:`read_run` tells by its content what a file is.

The reader of each kind of file has a module of its own beside this one.
"""

from __future__ import annotations

from pathlib import Path

from md_bridge.drift.records.ase import LOG_COLUMNS, read_ase_log, read_ase_trajectory
from md_bridge.drift.records.csv import read_csv
from md_bridge.drift.records.errors import ReadError
from md_bridge.drift.records.ipi import HEADER, read_ipi_output
from md_bridge.drift.records.lammps_log import read_lammps_log
from md_bridge.drift.records.reader_tools import ReadOptions
from md_bridge.drift.records.run import RunRecord

__all__ = [
    "ReadError",
    "ReadOptions",
    "read_ase_log",
    "read_ase_trajectory",
    "read_ipi_output",
    "read_lammps_log",
    "read_run",
]

_BEGINNING = 20_000
_TRAJECTORIES = (".traj", ".xyz", ".extxyz")
_LAMMPS = ("LAMMPS (", "Per MPI rank memory", "Loop time of", "thermo_style", "units ")


def read_run(path: str | Path, options: ReadOptions | None = None) -> RunRecord:
    """Read one run from a LAMMPS log, an i-PI properties file, an ASE trajectory, an ASE log, or a
    ``series/*.csv`` of this package.

    :param path: told apart by content, trajectories by their suffix
    :param options: what the file leaves open
    :raises ReadError: the file is of no known kind, or its reader refuses it
    """
    path = Path(path)
    if path.is_dir():
        raise ReadError(f"{path} is a folder: name the file in it that holds the energies")
    if path.suffix == ".csv":
        return _read_csv(path)
    if path.suffix in _TRAJECTORIES:
        return read_ase_trajectory(path, options)
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            beginning = stream.read(_BEGINNING)
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from error
    if any(HEADER.match(line) for line in beginning.splitlines()):
        return read_ipi_output(path, options)
    if any(column in beginning for column in LOG_COLUMNS):
        return read_ase_log(path, options)
    if any(word in beginning for word in _LAMMPS):
        return read_lammps_log(path, options)
    raise ReadError(
        f"{path}: expected a LAMMPS log, a properties file of i-PI with its header, an ASE "
        "trajectory (.traj, .xyz, .extxyz) or an ASE log; found none of them"
    )


def _read_csv(path: Path) -> RunRecord:
    try:
        return read_csv(path)
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ReadError(str(error)) from error
