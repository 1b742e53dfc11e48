"""Several runs compared: the statistics of each method, and how fast it is next to how fast it can
be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from md_bridge.drift.judge.equipartition import ElementTemperature, element_temperatures
from md_bridge.drift.judge.replicas import combine_statistics
from md_bridge.drift.judge.speed import cost_ratio, speedup_bound
from md_bridge.drift.judge.statistics import (
    DEFAULT_TOLERANCE,
    DriftStatistics,
    LineFit,
    Verdict,
    drift_statistics,
)
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord


@dataclass(frozen=True)
class RunResult:
    """One run with its statistics."""

    record: RunRecord
    statistics: DriftStatistics
    """Of an exploded run, those of what came before, and the verdict *drifts*."""


@dataclass(frozen=True)
class MethodResult:
    """All replicas of one method; speed-ups are None where there is no run to compare with."""

    method: Method
    label: str
    """For people: ``LAMMPS MTS M=4``."""
    name: str
    """For files and keys: ``lammps-mts-4``."""
    runs: tuple[RunResult, ...]
    statistics: DriftStatistics
    """Over all replicas, see :func:`md_bridge.drift.judge.replicas.combine_statistics`."""
    elements: tuple[ElementTemperature, ...]
    """Equipartition; empty if the runs have no temperatures of elements."""
    wall_s_per_ps: float
    """Mean cost of a picosecond (s/ps); NaN if not measured."""
    speedup: float | None
    """Wall time per ps of the conservative runs over that of these."""
    speedup_bound: float | None
    """S(M) for MTS, F for direct, 1 for conservative."""

    @property
    def exploded(self) -> tuple[RunRecord, ...]:
        """The replicas that exploded."""
        return tuple(run.record for run in self.runs if run.record.exploded is not None)

    @property
    def drift_per_degree_of_freedom(self) -> float:
        """Slope of H over the 3N - 3 degrees of freedom (meV/ps)."""
        atoms = self.runs[0].record.atom_count
        return self.statistics.energy.slope * atoms / max(3 * atoms - 3, 1)


@dataclass(frozen=True)
class ForceDifference:
    """Direct minus conservative forces of the model on configurations of the run (eV/Å)."""

    rms: float
    """Root mean square over Cartesian components."""
    largest: float
    """Largest absolute Cartesian component."""
    conservative_rms: float
    """Root mean square of the conservative forces, the scale of the other two."""
    configurations: int


@dataclass(frozen=True)
class RunSettings:
    """What all runs share; printed on the page and in ``summary.json``."""

    model: str
    system: str
    """In words, e.g. ``27 H2O, 81 atoms, cubic cell of 9.31 Å``."""
    atom_count: int
    timestep_fs: float
    """Inner step (fs)."""
    length_ps: float
    threads: int
    machine: str
    load: float
    """Busy cores before the start: wall times are only worth something if this is near 0."""
    versions: dict[str, str] = field(default_factory=dict)
    temperature_k: float | None = None
    """Of the thermostat that made the starts; None if a start was given with its velocities."""
    equilibration_ps: float | None = None
    replicas: int = 1
    seed: int | None = None
    planned_runs: int | None = None
    """Those asked for, complete or not; None if the runs given are all."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What was read from each file, for runs that were not made here; the rest then means nothing
    but the versions."""


@dataclass(frozen=True)
class Analysis:
    """All methods, in the order in which their first runs were given."""

    results: tuple[MethodResult, ...]
    cost_ratio: float | None
    """F, conservative over direct cost; None unless one engine did both."""
    reference: MethodResult | None
    """The conservative runs that speed-ups refer to."""
    tolerance: float


def analyse(records: Sequence[RunRecord], tolerance: float = DEFAULT_TOLERANCE) -> Analysis:
    """Statistics of every method over its replicas, and its speed-up over conservative runs.

    :param records: runs of one model; those of one method (and source) are replicas of each other.
    :param tolerance: drift that counts as conserved (meV/atom/ps).
    """
    groups: dict[tuple[Method, str | None], list[RunRecord]] = {}
    for record in records:
        groups.setdefault((record.method, record.source), []).append(record)
    results = [_method_result(group, tolerance) for group in groups.values()]
    reference = next((r for r in results if r.method.forces == "conservative"), None)
    ratio = _cost_ratio(results, reference)
    return Analysis(
        tuple(
            replace(
                result,
                speedup=_quotient(reference, result),
                speedup_bound=_bound(result.method, ratio),
            )
            for result in results
        ),
        ratio,
        reference,
        tolerance,
    )


def summary(
    analysis: Analysis,
    settings: RunSettings,
    difference: ForceDifference | None = None,
    failures: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of ``summary.json``; numbers that do not exist or are not finite are None.

    :param failures: why a run failed, by its label
    """
    return {
        "methods": [_method_summary(result) for result in analysis.results],
        "runs": [_run_summary(result, run) for result in analysis.results for run in result.runs],
        "failures": [{"run": run, "error": error} for run, error in (failures or {}).items()],
        "settings": asdict(settings),
        "cost_ratio_F": analysis.cost_ratio,
        "tolerance_meV_per_atom_per_ps": analysis.tolerance,
        "force_difference_eV_per_angstrom": asdict(difference) if difference else None,
    }


def write_summary(content: dict[str, Any], path: Path) -> None:
    """Write strict JSON (no NaN, no infinity)."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _method_result(records: Sequence[RunRecord], tolerance: float) -> MethodResult:
    runs = tuple(RunResult(record, _run_statistics(record, tolerance)) for record in records)
    whole = [run for run in runs if run.record.exploded is None] or list(runs)
    sampled = [run.record for run in whole if len(run.record.time_ps) >= 2]
    first = records[0]
    costs = [record.wall_s_per_ps for record in records if math.isfinite(record.wall_s_per_ps)]
    return MethodResult(
        first.method,
        first.source or first.method_label,
        first.name if first.source else first.method_name,
        runs,
        combine_statistics(
            [run.statistics for run in whole],
            tolerance,
            exploded=any(record.exploded is not None for record in records),
        ),
        element_temperatures(sampled) if sampled else (),
        float(np.mean(costs)) if costs else math.nan,
        None,
        None,
    )


def _run_statistics(record: RunRecord, tolerance: float) -> DriftStatistics:
    if len(record.time_ps) < 2:  # it exploded at once
        nothing = LineFit(math.nan, math.nan, math.inf, 0.0, math.nan)
        return DriftStatistics(nothing, nothing, math.nan, math.nan, tolerance, Verdict.DRIFTS)
    statistics = drift_statistics(
        record.time_ps, record.conserved_energy, record.temperature, record.atom_count, tolerance
    )
    return replace(statistics, verdict=Verdict.DRIFTS) if record.exploded else statistics


def _cost_ratio(results: Sequence[MethodResult], reference: MethodResult | None) -> float | None:
    if reference is None or not math.isfinite(reference.wall_s_per_ps):
        return None
    for result in results:
        same = result.method.engine == reference.method.engine
        if result.method.forces == "direct" and same and math.isfinite(result.wall_s_per_ps):
            return cost_ratio(reference.wall_s_per_ps, result.wall_s_per_ps)
    return None


def _quotient(reference: MethodResult | None, result: MethodResult) -> float | None:
    if reference is None:
        return None
    speedup = reference.wall_s_per_ps / result.wall_s_per_ps
    return speedup if math.isfinite(speedup) else None


def _bound(method: Method, ratio: float | None) -> float | None:
    if method.forces == "conservative":
        return 1.0
    if ratio is None or method.forces == "unknown":
        return None
    return ratio if method.multiplicity is None else speedup_bound(method.multiplicity, ratio)


def _method_summary(result: MethodResult) -> dict[str, Any]:
    method = result.method
    return {
        "label": result.label,
        "engine": method.engine,
        "forces": method.forces,
        "M": method.multiplicity,
        "timestep_fs": method.timestep_fs,
        "replicas": len(result.runs),
        "exploded": len(result.exploded),
        **_statistics_summary(result.statistics),
        "drift_meV_per_degree_of_freedom_per_ps": _finite(result.drift_per_degree_of_freedom),
        "elements": {
            entry.element: {
                "temperature_K": _finite(entry.mean.value),
                "temperature_stderr_K": _finite(entry.mean.stderr),
                "ratio": _finite(entry.ratio.value),
                "ratio_stderr": _finite(entry.ratio.stderr),
            }
            for entry in result.elements
        },
        "wall_s_per_ps": _finite(result.wall_s_per_ps),
        "speedup": result.speedup,
        "speedup_bound": result.speedup_bound,
    }


def _run_summary(result: MethodResult, run: RunResult) -> dict[str, Any]:
    record = run.record
    return {
        "label": record.label,
        "name": record.name,
        "engine": record.engine,
        "forces": record.forces,
        "M": record.multiplicity,
        "timestep_fs": record.timestep_fs,
        "replica": record.replica,
        "seed": record.seed,
        "length_ps": record.length_ps,
        "exploded": record.exploded,
        **_statistics_summary(run.statistics),
        "wall_s_per_ps": _finite(record.wall_s_per_ps),
    }


def _statistics_summary(statistics: DriftStatistics) -> dict[str, Any]:
    energy, temperature = statistics.energy, statistics.temperature
    return {
        "verdict": statistics.verdict.value,
        "drift_meV_per_atom_per_ps": _finite(energy.slope),
        "drift_stderr": _finite(energy.stderr),
        "drift_half_width_95": _finite(energy.half_width),
        "rms_fluctuation_meV_per_atom": _finite(energy.rms),
        "largest_excursion_meV_per_atom": _finite(statistics.largest_excursion),
        "temperature_drift_K_per_ps": _finite(temperature.slope),
        "temperature_drift_stderr": _finite(temperature.stderr),
        "mean_temperature_K": _finite(statistics.mean_temperature),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
