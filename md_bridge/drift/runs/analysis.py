"""Several runs compared: the statistics of each method, and how fast it is next to how fast it can
be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from md_bridge.drift.judging.equipartition import ElementTemperature, element_temperatures
from md_bridge.drift.judging.published import (
    PublishedDrift,
    kinetic_energies,
    mean_published,
    published_drift,
)
from md_bridge.drift.judging.replicas import combine_statistics
from md_bridge.drift.judging.speed import cost_ratio, speedup_bound
from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE, DriftStatistics
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "Analysis",
    "MethodResult",
    "RunResult",
    "analyse",
]


@dataclass(frozen=True)
class RunResult:
    """One run with its statistics."""

    record: RunRecord
    statistics: DriftStatistics
    """Of an exploded run, those of what came before, and the verdict *drifts*."""

    @property
    def published(self) -> PublishedDrift | None:
        """By the formulas of others; None of a run that exploded."""
        record = self.record
        if record.exploded is not None:
            return None
        kinetic = record.kinetic_energy
        if kinetic is None:
            kinetic = kinetic_energies(record.temperature, record.atom_count)
        return published_drift(record.time_ps, record.conserved_energy, kinetic, record.atom_count)


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
    """Over all replicas, see :func:`md_bridge.drift.judging.replicas.combine_statistics`."""
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
    def published(self) -> PublishedDrift | None:
        """By the formulas of others, the mean over replicas; None if one exploded."""
        return mean_published([run.published for run in self.runs])

    @property
    def drift_per_degree_of_freedom(self) -> float:
        """Slope of H over the 3N - 3 degrees of freedom (meV/ps)."""
        atoms = self.runs[0].record.atom_count
        return self.statistics.energy.slope * atoms / max(3 * atoms - 3, 1)


@dataclass(frozen=True)
class Analysis:
    """All methods, in the order in which their first runs were given."""

    results: tuple[MethodResult, ...]
    cost_ratio: float | None
    """F, conservative over direct cost; None unless one host did both."""
    reference: MethodResult | None
    """The conservative runs that speed-ups refer to."""
    tolerance: float
    costs: EvaluationCosts | None = None
    """Of an evaluation of each of two models, which bound their speed-up; None: not measured."""


def analyse(
    records: Sequence[RunRecord],
    tolerance: float = DEFAULT_TOLERANCE,
    costs: EvaluationCosts | None = None,
) -> Analysis:
    """Statistics of every method over its replicas, and its speed-up over conservative runs.

    :param records: runs of one model; those of one method (and source) are replicas of each other.
    :param tolerance: drift that counts as conserved (meV/atom/ps).
    :param costs: of an evaluation of each of two models
    :raises ReadError: a run was printed with too few digits to see a drift of ``tolerance``
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
                speedup_bound=_bound(result.method, ratio, costs),
            )
            for result in results
        ),
        ratio,
        reference,
        tolerance,
        costs,
    )


def _method_result(records: Sequence[RunRecord], tolerance: float) -> MethodResult:
    runs = tuple(RunResult(record, record.statistics(tolerance)) for record in records)
    whole = [run for run in runs if run.record.exploded is None] or list(runs)
    sampled = [run.record for run in whole if len(run.record.time_ps) >= 2]
    first = records[0]
    costs = [record.wall_s_per_ps for record in records if math.isfinite(record.wall_s_per_ps)]
    return MethodResult(
        first.method,
        first.source or first.method.label,
        first.name if first.source else first.method.name,
        runs,
        combine_statistics(
            [run.statistics for run in whole],
            tolerance,
            exploded=any(record.exploded is not None for record in records),
        ),
        element_temperatures(
            [record.element_temperatures for record in sampled],
            [record.temperature for record in sampled],
        )
        if sampled
        else (),
        float(np.mean(costs)) if costs else math.nan,
        None,
        None,
    )


def _cost_ratio(results: Sequence[MethodResult], reference: MethodResult | None) -> float | None:
    if reference is None or not math.isfinite(reference.wall_s_per_ps):
        return None
    for result in results:
        same = result.method.host == reference.method.host
        if result.method.forces == "direct" and same and math.isfinite(result.wall_s_per_ps):
            return cost_ratio(reference.wall_s_per_ps, result.wall_s_per_ps)
    return None


def _quotient(reference: MethodResult | None, result: MethodResult) -> float | None:
    if reference is None:
        return None
    speedup = reference.wall_s_per_ps / result.wall_s_per_ps
    return speedup if math.isfinite(speedup) else None


def _bound(method: Method, ratio: float | None, costs: EvaluationCosts | None) -> float | None:
    if method.forces == "conservative":
        return 1.0
    if method.two_models:
        assert method.multiplicity is not None
        return None if costs is None else costs.speedup_bound(method.multiplicity)
    if ratio is None or method.forces == "unknown":
        return None
    return ratio if method.multiplicity is None else speedup_bound(method.multiplicity, ratio)
