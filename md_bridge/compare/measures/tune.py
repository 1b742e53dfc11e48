"""The largest M of multiple time stepping that conserves energy: as ``md-bridge tune`` has it."""

from __future__ import annotations

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Progress, Task, missing
from md_bridge.compare.request import CompareRequest, as_settings
from md_bridge.drift.api import tune
from md_bridge.drift.report.tune import tuning_sentences, tuning_summary
from md_bridge.drift.tuning.search import LENGTH_FACTOR, Tuning
from md_bridge.text import factor, with_error

__all__ = ["MEASURE"]

_MOST_REPLICAS = 2
"""The default of ``md-bridge tune``."""


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.start is not None
    for kind in ("conservative", "direct"):
        if kind not in subject.kinds:
            return Found(sentences=(missing(kind, "multiple time stepping of this model alone"),))
    found = tune(
        subject.model,
        request.start,
        host=request.host,
        timesteps_fs=request.timestep_fs,
        most=request.most,
        tolerance=request.tolerance,
        temperature_k=request.temperature_k,
        length_ps=request.tune_ps,
        longest_ps=LENGTH_FACTOR * request.tune_ps,
        replicas=min(request.replicas, _MOST_REPLICAS),
        equilibration_ps=request.equilibration_ps,
        seed=request.seed,
        model_options=subject.options,
        folder=task.folder,
        progress=_creeping(task.progress),
    )
    return Found(_figures(found), tuple(tuning_sentences(found)), tuning_summary(found, []))


def _creeping(progress: Progress) -> Progress:
    """How many runs there will be is not known: each new one is a tenth of what is left."""
    begun: list[str] = []

    def tell(label: str, share: float) -> None:
        if label not in begun:
            begun.append(label)
        done = 0.9 ** begun.index(label)
        progress(label, 1.0 - done * (1.0 - 0.1 * share))

    return tell


def _figures(found: Tuning) -> tuple[Figure, ...]:
    (step,) = found.steps
    best = step.best
    if best is None:
        return (Figure("largest M", "", "none", judged=True, good=False),)
    energy = best.statistics.energy
    return (
        Figure("largest M", "", str(best.multiplicity), best.multiplicity, "larger", True, True),
        Figure("gain of that M", "times", factor(best.speedup), best.speedup, "larger"),
        Figure("drift with that M", "meV/atom/ps", with_error(energy.slope, energy.stderr)),
    )


def _settings(request: CompareRequest) -> dict[str, object]:
    return as_settings(
        request,
        *("host", "timestep_fs", "tune_ps", "temperature_k", "replicas", "equilibration_ps"),
        *("seed", "tolerance", "most"),
    )


MEASURE = Measure(settings=_settings, make=_make, weight=30.0, of_machine=True)
"""A search for M, with the model's own direct forces in the inner steps."""
