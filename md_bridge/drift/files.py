"""Runs of any program, judged from the files they left: the same table and page as a campaign."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from md_bridge.drift.analysis import Analysis, RunSettings
from md_bridge.drift.readers import ReadOptions, read_record, read_series
from md_bridge.drift.report import ReportFiles, write_report
from md_bridge.drift.series import RunRecord
from md_bridge.drift.statistics import DEFAULT_TOLERANCE, Verdict


def read_files(
    paths: Sequence[Path],
    options: ReadOptions | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[list[RunRecord], dict[str, str]]:
    """One run a file, each under a name of its own, and what was read from each in words.

    :param options: what the files leave open; the same for all of them
    :param tolerance: drift that is to be seen in them (meV/atom/ps)
    :raises ReadError: see :func:`md_bridge.drift.readers.read_series`
    """
    records, notes = [], {}
    for path, name in zip(paths, _distinct_names(paths), strict=True):
        if path.suffix == ".csv":
            record, note = read_record(path, options, tolerance), "series of MD Bridge"
        else:
            series = read_series(path, options)
            record, note = series.as_record(tolerance), "; ".join(series.notes)
        records.append(replace(record, source=name, replica=None))
        notes[name] = f"{record.atom_count} atoms, {record.length_ps:.4g} ps; {note}"
    return records, notes


def report_files(
    records: Sequence[RunRecord],
    notes: dict[str, str],
    folder: Path,
    tolerance: float = DEFAULT_TOLERANCE,
) -> tuple[Analysis, ReportFiles, RunSettings]:
    """Write page, picture, ``summary.json`` and series into a folder.

    :param records: see :func:`read_files`
    """
    settings = RunSettings(
        model="",
        system="",
        atom_count=max(record.atom_count for record in records),
        timestep_fs=records[0].timestep_fs,
        length_ps=max(record.length_ps for record in records),
        threads=0,
        machine="",
        load=0.0,
        versions={"md-bridge": importlib.metadata.version("md-bridge")},
        files=notes,
    )
    analysis, files = write_report(records, settings, folder, tolerance=tolerance)
    return analysis, files, settings


def all_conserve(analysis: Analysis) -> bool:
    """Whether every run is shown to conserve energy."""
    return all(result.statistics.verdict is Verdict.CONSERVES for result in analysis.results)


def _distinct_names(paths: Sequence[Path]) -> list[str]:
    """The names of the files, with as many of their folders as tell them apart."""
    names = []
    for path in paths:
        parts = path.resolve().parts
        others = [other.resolve().parts for other in paths if other is not path]
        count = 1
        while count < len(parts) and any(other[-count:] == parts[-count:] for other in others):
            count += 1
        names.append("/".join(parts[-count:]))
    return names
