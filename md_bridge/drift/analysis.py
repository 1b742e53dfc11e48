"""Several runs compared: the statistics of each, and how fast it was next to how fast it can be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.drift.series import RunRecord
from md_bridge.drift.speed import cost_ratio, speedup_bound
from md_bridge.drift.statistics import DEFAULT_TOLERANCE, DriftStatistics, drift_statistics


@dataclass(frozen=True)
class RunResult:
    """One run with its statistics; speed-ups are None where there is no run to compare with."""

    record: RunRecord
    statistics: DriftStatistics
    speedup: float | None
    """Wall time per ps of the conservative run over that of this one."""
    speedup_bound: float | None
    """S(M) for MTS, F for direct, 1 for conservative."""


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


@dataclass(frozen=True)
class Analysis:
    """All runs, in the order in which they were given."""

    results: tuple[RunResult, ...]
    cost_ratio: float | None
    """F, conservative over direct cost; None unless one engine did both."""
    reference: RunRecord | None
    """The conservative run that speed-ups refer to."""
    tolerance: float


def analyse(records: Sequence[RunRecord], tolerance: float = DEFAULT_TOLERANCE) -> Analysis:
    """Statistics of every run, and its speed-up over the first conservative run.

    :param records: runs of one model and one start.
    :param tolerance: drift that counts as conserved (meV/atom/ps).
    """
    reference = next((record for record in records if record.forces == "conservative"), None)
    ratio = _cost_ratio(records, reference)
    results = tuple(
        RunResult(
            record,
            drift_statistics(
                record.time_ps,
                record.conserved_energy,
                record.temperature,
                record.atom_count,
                tolerance,
            ),
            reference.wall_s_per_ps / record.wall_s_per_ps if reference else None,
            _bound(record, ratio),
        )
        for record in records
    )
    return Analysis(results, ratio, reference, tolerance)


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
        "runs": [_run_summary(result) for result in analysis.results],
        "failures": [{"run": run, "error": error} for run, error in (failures or {}).items()],
        "settings": asdict(settings),
        "cost_ratio_F": analysis.cost_ratio,
        "tolerance_meV_per_atom_per_ps": analysis.tolerance,
        "force_difference_eV_per_angstrom": asdict(difference) if difference else None,
    }


def write_summary(content: dict[str, Any], path: Path) -> None:
    """Write strict JSON (no NaN, no infinity)."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _cost_ratio(records: Sequence[RunRecord], reference: RunRecord | None) -> float | None:
    if reference is None:
        return None
    for record in records:
        if record.forces == "direct" and record.engine == reference.engine:
            return cost_ratio(reference.wall_s_per_ps, record.wall_s_per_ps)
    return None


def _bound(record: RunRecord, ratio: float | None) -> float | None:
    if record.forces == "conservative":
        return 1.0
    if ratio is None:
        return None
    return ratio if record.multiplicity is None else speedup_bound(record.multiplicity, ratio)


def _run_summary(result: RunResult) -> dict[str, Any]:
    record, statistics = result.record, result.statistics
    return {
        "label": record.label,
        "engine": record.engine,
        "forces": record.forces,
        "M": record.multiplicity,
        "drift_meV_per_atom_per_ps": statistics.energy.slope,
        "drift_stderr": _finite(statistics.energy.stderr),
        "drift_half_width_95": _finite(statistics.energy.half_width),
        "verdict": statistics.verdict.value,
        "rms_fluctuation_meV_per_atom": statistics.energy.rms,
        "largest_excursion_meV_per_atom": statistics.largest_excursion,
        "temperature_drift_K_per_ps": statistics.temperature.slope,
        "temperature_drift_stderr": _finite(statistics.temperature.stderr),
        "mean_temperature_K": statistics.mean_temperature,
        "wall_s_per_ps": record.wall_s_per_ps,
        "speedup": result.speedup,
        "speedup_bound": result.speedup_bound,
        "timestep_fs": record.timestep_fs,
        "length_ps": record.length_ps,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
