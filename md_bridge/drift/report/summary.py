"""``summary.json``: all numbers of a set of runs, for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from md_bridge.drift.judging.published import PublishedDrift
from md_bridge.drift.judging.verdict import DriftStatistics
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.runs.analysis import Analysis, MethodResult, RunResult
from md_bridge.drift.runs.force_difference import ForceDifference
from md_bridge.text import finite_or_none

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "costs_summary",
    "method_summary",
    "summary_content",
    "write_summary",
]


def summary_content(
    analysis: Analysis,
    settings: RunSettings,
    difference: ForceDifference | None = None,
    failures: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of ``summary.json``; numbers that do not exist or are not finite are None.

    :param analysis: the methods and their runs
    :param settings: what all runs share
    :param difference: of the model's two kinds of forces, if it was looked at
    :param failures: why a run failed, by its label
    """
    return {
        "methods": [method_summary(result) for result in analysis.results],
        "runs": [_run_summary(result, run) for result in analysis.results for run in result.runs],
        "failures": [{"run": run, "error": error} for run, error in (failures or {}).items()],
        "settings": asdict(settings),
        "cost_ratio_F": analysis.cost_ratio,
        "evaluation_s": None if analysis.costs is None else costs_summary(analysis.costs),
        "tolerance_meV_per_atom_per_ps": analysis.tolerance,
        "force_difference_eV_per_angstrom": asdict(difference) if difference else None,
    }


def costs_summary(costs: EvaluationCosts) -> dict[str, float]:
    """What an evaluation of each of two models costs.

    :param costs: as measured
    :returns: seconds, and their ratio
    """
    return {"outer": costs.outer_s, "inner": costs.inner_s, "ratio": costs.ratio}


def write_summary(content: dict[str, Any], path: Path) -> None:
    """Write strict JSON (no NaN, no infinity).

    :param content: what JSON can have
    :param path: the file, replaced if it exists
    :raises OSError: the file cannot be written
    :raises ValueError: a number is not finite
    """
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def method_summary(result: MethodResult) -> dict[str, Any]:
    """The numbers of one method; those that do not exist or are not finite are None.

    :param result: of one method, all replicas
    """
    method = result.method
    return {
        "label": result.label,
        "host": method.host,
        "forces": method.forces,
        "M": method.multiplicity,
        "two_models": method.two_models,
        "timestep_fs": method.timestep_fs,
        "replicas": len(result.runs),
        "exploded": len(result.exploded),
        **_statistics_summary(result.statistics),
        "drift_meV_per_degree_of_freedom_per_ps": finite_or_none(
            result.drift_per_degree_of_freedom
        ),
        "published": _published_summary(result.published),
        "elements": {
            entry.element: {
                "temperature_K": finite_or_none(entry.mean.value),
                "temperature_stderr_K": finite_or_none(entry.mean.stderr),
                "ratio": finite_or_none(entry.ratio.value),
                "ratio_stderr": finite_or_none(entry.ratio.stderr),
            }
            for entry in result.elements
        },
        "wall_s_per_ps": finite_or_none(result.wall_s_per_ps),
        "speedup": result.speedup,
        "speedup_bound": result.speedup_bound,
    }


def _run_summary(result: MethodResult, run: RunResult) -> dict[str, Any]:
    record, method = run.record, run.record.method
    return {
        "label": record.label,
        "name": record.name,
        "host": method.host,
        "forces": method.forces,
        "M": method.multiplicity,
        "two_models": method.two_models,
        "timestep_fs": method.timestep_fs,
        "replica": record.replica,
        "seed": record.seed,
        "versions": dict(record.versions),
        "length_ps": record.length_ps,
        "exploded": record.exploded,
        "agreement_eV_per_angstrom": asdict(record.agreement) if record.agreement else None,
        **_statistics_summary(run.statistics),
        "published": _published_summary(run.published),
        "wall_s_per_ps": finite_or_none(record.wall_s_per_ps),
    }


def _published_summary(published: PublishedDrift | None) -> dict[str, float | None]:
    names = {
        "fairchem_meV_per_atom_per_ps": "fairchem",
        "lambench_meV_per_atom_per_ps": "lambench",
        "ml_peg_drift_ratio": "ratio",
    }
    return {name: getattr(published, of, None) for name, of in names.items()}


def _statistics_summary(statistics: DriftStatistics) -> dict[str, Any]:
    energy, temperature = statistics.energy, statistics.temperature
    heating = statistics.heating
    return {
        "verdict": statistics.verdict.value,
        "drift_meV_per_atom_per_ps": finite_or_none(energy.slope),
        "drift_stderr": finite_or_none(energy.stderr),
        "drift_half_width_95": finite_or_none(energy.half_width),
        "heating_meV_per_atom_per_ps": None if heating is None else heating.rate,
        "heating_low_95": None if heating is None else heating.low,
        "heating_high_95": None if heating is None else heating.high,
        "heating_agrees_with_drift": None if heating is None else statistics.heating_counts,
        "rms_fluctuation_meV_per_atom": finite_or_none(energy.rms),
        "largest_excursion_meV_per_atom": finite_or_none(statistics.largest_excursion),
        "temperature_drift_K_per_ps": finite_or_none(temperature.slope),
        "temperature_drift_stderr": finite_or_none(temperature.stderr),
        "mean_temperature_K": finite_or_none(statistics.mean_temperature),
    }
