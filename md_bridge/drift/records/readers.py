"""Energies of a run from files of any engine: what it conserved, as arrays.

``read_series`` tells by its content what a file is; the readers behind it are there for each kind.
"""

from __future__ import annotations

from pathlib import Path

from md_bridge.drift.judge.statistics import DEFAULT_TOLERANCE
from md_bridge.drift.records.ase import LOG_COLUMNS, read_ase_log, read_ase_trajectory
from md_bridge.drift.records.ipi import HEADER, read_ipi_output
from md_bridge.drift.records.lammps_log import read_lammps_log
from md_bridge.drift.records.reading import EnergySeries, ReadError, ReadOptions
from md_bridge.drift.records.run import RunRecord, read_csv

__all__ = [
    "EnergySeries",
    "ReadError",
    "ReadOptions",
    "read_ase_log",
    "read_ase_trajectory",
    "read_ipi_output",
    "read_lammps_log",
    "read_record",
    "read_series",
]

_BEGINNING = 20_000
_TRAJECTORIES = (".traj", ".xyz", ".extxyz")
_LAMMPS = ("LAMMPS (", "Per MPI rank memory", "Loop time of", "thermo_style", "units ")


def read_series(path: str | Path, options: ReadOptions | None = None) -> EnergySeries:
    """Read one run from a LAMMPS log, an i-PI properties file, an ASE trajectory or an ASE log.

    :param path: told apart by content, trajectories by their suffix
    :param options: what the file leaves open
    :raises ReadError: the file is of no known kind, or its reader refuses it
    """
    path = Path(path)
    if path.is_dir():
        raise ReadError(f"{path} is a folder: name the file in it that holds the energies")
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


def read_record(
    path: str | Path, options: ReadOptions | None = None, tolerance: float = DEFAULT_TOLERANCE
) -> RunRecord:
    """Read one run of any kind: what :func:`read_series` reads, and the ``series/*.csv`` of this
    package.

    :param path: as :func:`read_series`
    :param options: what the file leaves open
    :param tolerance: drift that is to be seen in it (meV/atom/ps)
    :raises ReadError: as :func:`read_series`, or H was printed with too few digits
    """
    path = Path(path)
    if path.suffix == ".csv":
        try:
            return read_csv(path)
        except OSError as error:
            raise ReadError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise ReadError(str(error)) from error
    return read_series(path, options).as_record(tolerance)
