"""By which power N of the time step the drift falls: that of ``md-bridge protocol smoothness``."""

from __future__ import annotations

from dataclasses import replace

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, missing
from md_bridge.compare.request import CompareRequest, as_settings
from md_bridge.drift.protocols import runner
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.starting import thermalised_start
from md_bridge.drift.runs.starts import read_periodic_structure

__all__ = ["MEASURE"]

_START_SHARE = 0.2


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.start is not None
    if "conservative" not in subject.kinds:
        return Found(sentences=(missing("conservative", "potential whose smoothness matters"),))
    protocol = ProtocolRequest(
        model=subject.model,
        start=read_periodic_structure(request.start),
        folder=task.folder,
        timestep_fs=request.timestep_fs,
        length_ps=request.smoothness_ps,
        temperature=request.temperature_k,
        seed=request.seed,
        threads=task.threads,
        model_options=subject.options,
    )
    start = thermalised_start(
        protocol,
        request.equilibration_ps,
        lambda what, share: task.progress(what, _START_SHARE * share),
    )
    found = runner("smoothness")(
        replace(protocol, start=start),
        lambda what, share: task.progress(what, _START_SHARE + (1 - _START_SHARE) * share),
    )
    (row,) = found.rows
    _, exponent, *heating = row.cells
    figures = [
        Figure("smoothness: N of drift ∝ δt^N", "", exponent),
        Figure("smoothness", "", row.verdict, judged=True, good=row.good),
    ]
    for (heading, unit), cell, value in zip(
        found.columns[2:], heating, found.summary["heating_meV_per_atom_per_ps"], strict=True
    ):
        figures.append(Figure(f"smoothness: {heading}", unit, cell, value, "smaller"))
    return Found(tuple(figures), found.sentences, found.summary)


def _settings(request: CompareRequest) -> dict[str, object]:
    return as_settings(
        request, "timestep_fs", "smoothness_ps", "temperature_k", "equilibration_ps", "seed"
    )


MEASURE = Measure(settings=_settings, make=_make, weight=15.0)
"""Runs with three time steps, from one start."""
