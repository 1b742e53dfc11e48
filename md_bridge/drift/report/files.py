"""Runs of any program, judged from the files they left: the same table and page as a campaign."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from md_bridge.drift.judging.ensemble import (
    EnsembleCheck,
    ValidationError,
    check_ensemble,
    check_kinetic_energy,
)
from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE, Verdict
from md_bridge.drift.records.readers import ReadError, ReadOptions, read_run
from md_bridge.drift.records.run import RunRecord, check_resolution, file_name
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.write import ReportFiles, write_report
from md_bridge.drift.runs.analysis import Analysis

__all__ = [
    "FileRuns",
    "all_conserve",
    "check_thermostats",
    "read_files",
    "report_files",
]


@dataclass(frozen=True)
class FileRuns:
    """What some files hold."""

    records: tuple[RunRecord, ...]
    """One a file, each under a name of its own."""
    notes: dict[str, str]
    """What was read from each, in words."""


def read_files(
    paths: Sequence[Path],
    options: ReadOptions | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> FileRuns:
    """Read one run a file.

    :param paths: at least one file
    :param options: what the files leave open; the same for all of them
    :param tolerance: drift that is to be seen in them (meV/atom/ps)
    :raises ReadError: see :func:`md_bridge.drift.records.readers.read_run`
    """
    records, notes = [], {}
    for path, name in zip(paths, _distinct_names(paths), strict=True):
        record = replace(read_run(path, options), source=name, replica=None)
        check_resolution(record, tolerance)
        note = "; ".join(record.notes) or "series of MD Bridge"
        records.append(record)
        notes[name] = f"{record.atom_count} atoms, {record.length_ps:.4g} ps; {note}"
    return FileRuns(tuple(records), notes)


def check_thermostats(
    runs: FileRuns, temperatures: Sequence[float], degrees_of_freedom: int | None = None
) -> list[EnsembleCheck]:
    """Whether runs with a thermostat sample the canonical ensemble.

    The kinetic energy of each against the Maxwell-Boltzmann distribution; the potential energies of
    every two that follow each other at different temperatures.

    :param runs: see :func:`read_files`; those without kinetic energies are left out
    :param temperatures: of the thermostats (K), one a file, or one for all of them
    :param degrees_of_freedom: that the thermostat acts on; None: 3N - 3, for a centre of mass at
        rest
    :raises ValidationError: another number of temperatures, or data that cannot be checked
    """
    series = [record for record in runs.records if record.kinetic_energy is not None]
    if len(temperatures) == 1:
        temperatures = list(temperatures) * len(series)
    if len(temperatures) != len(series) or not series:
        raise ValidationError(
            f"expected one temperature a file, or one for all, found {len(temperatures)} for "
            f"{len(series)} files (series/*.csv of MD Bridge and path integrals have no energies "
            "to check)"
        )
    checks = []
    for run, temperature in zip(series, temperatures, strict=True):
        assert run.kinetic_energy is not None
        freedom = degrees_of_freedom or max(3 * run.atom_count - 3, 3)
        check = check_kinetic_energy(run.kinetic_energy, temperature, freedom)
        checks.append(replace(check, title=f"{check.title} of {run.label}"))
    for (one, cold), (two, hot) in pairwise(zip(series, temperatures, strict=True)):
        if cold == hot or one.potential_energy is None or two.potential_energy is None:
            continue
        check = check_ensemble([one.potential_energy, two.potential_energy], [cold, hot])
        checks.append(replace(check, title=f"{check.title} of {one.label} and {two.label}"))
    return checks


def report_files(
    runs: FileRuns, folder: Path, tolerance: float = DEFAULT_TOLERANCE
) -> tuple[Analysis, ReportFiles, RunSettings]:
    """Write page, picture, ``summary.json`` and series into a folder.

    :param runs: see :func:`read_files`
    :param folder: made if missing; files of an earlier report in it are replaced
    :param tolerance: largest drift that counts as conserved, meV/atom/ps
    :returns: what the runs show, the files, and what the page says of the settings
    :raises OSError: a file cannot be written
    """
    records = runs.records
    settings = RunSettings(
        model="",
        system="",
        atom_count=max(record.atom_count for record in records),
        timestep_fs=records[0].method.timestep_fs,
        length_ps=max(record.length_ps for record in records),
        threads=0,
        machine="",
        load=0.0,
        versions={"md-bridge": importlib.metadata.version("md-bridge")},
        files=runs.notes,
    )
    analysis, files = write_report(records, settings, folder, tolerance=tolerance)
    return analysis, files, settings


def all_conserve(analysis: Analysis) -> bool:
    """Whether every run is shown to conserve energy.

    :param analysis: of all runs
    """
    return all(result.statistics.verdict is Verdict.CONSERVES for result in analysis.results)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """The names of the files, with as many of their folders as tell them apart; with a number where
    what is written for two of them would be one file (``a/log`` and ``a-log``)."""
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        parts = path.resolve().parts
        others = [other.resolve().parts for other in paths if other is not path]
        if parts in others:
            # twice the same run would look like two that agree
            raise ReadError(f"{path} is given twice")
        count = 1
        while count < len(parts) and any(other[-count:] == parts[-count:] for other in others):
            count += 1
        name = "/".join(parts[-count:])
        number = 1
        while file_name(_numbered(name, number)) in taken:
            number += 1
        names.append(_numbered(name, number))
        taken.add(file_name(names[-1]))
    return names


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"
