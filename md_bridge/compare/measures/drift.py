"""Drift of the energy in NVE dynamics, with its verdict and by the measures of others: as
``md-bridge drift`` has it."""

from __future__ import annotations

import math

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Progress, Task, missing, smallest
from md_bridge.compare.request import CompareRequest, as_settings
from md_bridge.drift.api import measure
from md_bridge.drift.judging.published import DRIFT_RATIO_LIMIT
from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.report.cells import heating_cell
from md_bridge.drift.report.sentences import verdict_sentence
from md_bridge.drift.report.summary import method_summary
from md_bridge.drift.runs.analysis import MethodResult
from md_bridge.text import with_error

__all__ = ["MEASURE"]

_PUBLISHED = "Drift by the measures of others, which have no error bars"
_PASSED = {Verdict.CONSERVES: True, Verdict.DRIFTS: False, Verdict.INCONCLUSIVE: None}


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.start is not None
    if "conservative" not in subject.kinds:
        return Found(sentences=(missing("conservative", "energy that dynamics could conserve"),))
    analysis = measure(
        subject.model,
        request.start,
        forces=",".join(subject.kinds),
        host=request.host,
        timestep_fs=request.timestep_fs,
        length_ps=request.length_ps,
        temperature_k=request.temperature_k,
        replicas=request.replicas,
        equilibration_ps=request.equilibration_ps,
        seed=request.seed,
        tolerance=request.tolerance,
        model_options=subject.options,
        folder=task.folder,
        progress=_of_tasks(task.progress, request.replicas * (1 + len(subject.kinds))),
    )
    figures: list[Figure] = []
    for result in analysis.results:
        figures += _figures(result)
    return Found(
        tuple(figures),
        tuple(verdict_sentence(result) for result in analysis.results),
        {"methods": [method_summary(result) for result in analysis.results]},
    )


def _of_tasks(progress: Progress, count: int) -> Progress:
    """The share of all runs, from that of each by itself."""
    begun: list[str] = []

    def tell(label: str, share: float) -> None:
        if label not in begun:
            begun.append(label)
        progress(label, min(1.0, (begun.index(label) + share) / count))

    return tell


def _figures(result: MethodResult) -> list[Figure]:
    forces, found = result.method.forces, result.statistics
    slope, is_direct = found.energy.slope, forces == "direct"
    exploded = f"{len(result.exploded)} of {len(result.runs)} exploded"
    drift = with_error(slope, found.energy.stderr)
    size = abs(slope) if math.isfinite(slope) and not result.exploded else None
    figures = [
        Figure(
            f"energy with {forces} forces",
            "",
            found.verdict.value,
            judged=not is_direct,
            good=_PASSED[found.verdict],
        ),
        # the size of one that is zero within its error tells nothing
        Figure(
            f"drift, {forces}",
            "meV/atom/ps",
            exploded if result.exploded else drift,
            size if is_direct else None,
            "smaller" if is_direct else "",
        ),
    ]
    if not result.exploded:
        figures.append(Figure(f"heating, {forces}", "meV/atom/ps", heating_cell(found)))
    published = result.published
    if published is not None:
        for name, unit, value in (
            ("fairchem", "meV/atom/ps", published.fairchem),
            ("LAMBench", "meV/atom/ps", published.lambench),
            ("ml-peg, mlipaudit", f"must be < {DRIFT_RATIO_LIMIT:g}", published.ratio),
        ):
            if value is not None:
                title = f"{name}, {forces}"
                figures.append(smallest(title, unit, value, 2, section=_PUBLISHED))
    return figures


def _settings(request: CompareRequest) -> dict[str, object]:
    return as_settings(
        request,
        *("host", "timestep_fs", "length_ps", "temperature_k", "replicas", "equilibration_ps"),
        *("seed", "tolerance"),
    )


MEASURE = Measure(settings=_settings, make=_make, weight=20.0)
"""NVE runs with each kind of forces from the same starts."""
