"""The self-contained HTML page of a set of runs: works offline, on paper and on a phone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from md_bridge._templates import templates
from md_bridge.drift.report.cells import (
    COLUMNS,
    PUBLISHED_COLUMNS,
    PUBLISHED_MEANINGS,
    RUN_COLUMNS,
    column_meanings,
    element_columns,
    element_row,
    published_row,
    run_row,
    table_row,
)
from md_bridge.drift.report.curves import curve_text
from md_bridge.drift.report.environment import RunSettings
from md_bridge.drift.report.quantities import ENERGY, TEMPERATURE
from md_bridge.drift.report.sentences import (
    limit_sentences,
    timing_sentences,
    verdict_sentence,
)
from md_bridge.drift.runs.analysis import Analysis, MethodResult, RunResult
from md_bridge.drift.runs.force_difference import ForceDifference

__all__ = [
    "plotter",
    "render_page",
]

_LEAD = (
    "The same start, driven by conservative forces, by direct forces, and by multiple time "
    "stepping (MTS): direct forces in the inner loop, corrected by conservative ones every M steps."
)
_LEAD_TWO = (
    "The same start, driven by conservative forces of one model and by multiple time stepping "
    "(MTS): forces of a cheaper model in the inner loop, corrected by the conservative ones every "
    "M steps."
)
_LEAD_READ = "The conserved quantity of runs that were read from files, whatever made them."


def render_page(
    analysis: Analysis,
    settings: RunSettings,
    difference: ForceDifference | None,
    title: str = "Energy conservation with unconstrained forces",
    failures: Mapping[str, str] | None = None,
) -> str:
    """The page as one string of HTML; curves and their program are embedded, nothing is fetched.

    :param analysis: of all runs that ended
    :param settings: what was run, and where
    :param difference: between the forces of the model; None if not measured
    :param title: heading of the page
    :param failures: why a run failed, by its label
    :returns: less than half a megabyte, however many and long the runs are
    """
    template = templates("md_bridge.drift").get_template("report.html.j2")
    foreign = all(result.method.forces == "unknown" for result in analysis.results)
    return template.render(
        title=title,
        lead=_LEAD_READ if foreign else _lead(analysis),
        findings=[
            *(verdict_sentence(result) for result in analysis.results),
            *timing_sentences(analysis),
        ],
        failures=failures or {},
        limits=[] if foreign else limit_sentences(analysis, difference),
        meanings=column_meanings(analysis),
        settings=[*_complete_rows(analysis, settings), *_settings_rows(settings)],
        energy=ENERGY,
        temperature=TEMPERATURE,
        uplot=plotter(),
        series=Markup(curve_text(analysis)),
        **_tables(analysis),
    )


def _lead(analysis: Analysis) -> str:
    of_one = any(
        result.method.forces in ("direct", "mts") and not result.method.two_models
        for result in analysis.results
    )
    of_two = any(result.method.two_models for result in analysis.results)
    if of_two and not of_one:
        return _LEAD_TWO
    with_two = " With two models, the forces in the inner loop are those of a cheaper one."
    return _LEAD + (with_two if of_two else "")


def _tables(analysis: Analysis) -> dict[str, Any]:
    """Columns and rows: of the methods, of every run if there are replicas, of the elements."""
    results = analysis.results
    with_elements = [result for result in results if len(result.elements) > 1]
    several = any(len(result.runs) > 1 for result in results)
    every_run = [run for result in results for run in result.runs] if several else []
    return {
        "columns": COLUMNS,
        "rows": [_row(result, table_row(result)) for result in results],
        "replica_columns": RUN_COLUMNS,
        "replica_rows": [_row(run, run_row(run)) for run in every_run],
        "published_columns": PUBLISHED_COLUMNS,
        "published_rows": [_row(result, published_row(result)) for result in results],
        "published_meanings": PUBLISHED_MEANINGS,
        "element_columns": _element_columns(with_elements),
        "element_rows": [
            _row(result, (result.label, *element_row(result))) for result in with_elements
        ],
    }


def plotter() -> dict[str, Markup]:
    """The plotter of the curves, to be embedded: its ``licence``, ``program`` and ``style``."""
    folder = files("md_bridge.drift") / "templates" / "uplot"
    names = {"licence": "LICENSE", "program": "uPlot.iife.min.js", "style": "uPlot.min.css"}
    return {
        part: Markup((folder / name).read_text(encoding="utf-8")) for part, name in names.items()
    }


def _row(result: MethodResult | RunResult, cells: tuple[str, ...]) -> dict[str, Any]:
    return {"verdict": result.statistics.verdict.value, "cells": cells}


def _element_columns(results: list[MethodResult]) -> list[tuple[str, str]]:
    if not results:
        return []
    return [("run", ""), *element_columns(results[0])]


def _settings_rows(settings: RunSettings) -> list[tuple[str, str]]:
    if settings.files:
        return [*settings.files.items(), *settings.versions.items()]
    return [
        ("model", settings.model),
        ("system", settings.system),
        ("inner step", f"{settings.timestep_fs:g} fs"),
        _length_row(settings),
        *_ensemble_rows(settings),
        ("machine", settings.machine),
        ("threads", str(settings.threads)),
        ("load before the start", f"{settings.load:.1f} busy cores"),
        *settings.versions.items(),
    ]


def _length_row(settings: RunSettings) -> tuple[str, str]:
    shortest, longest = settings.length_ps, settings.longest_ps or settings.length_ps
    if longest == shortest:
        return "length of each run", f"{shortest:g} ps"
    return "length of the runs", f"{shortest:g} to {longest:g} ps, longer where steps are cheaper"


def _complete_rows(analysis: Analysis, settings: RunSettings) -> list[tuple[str, str]]:
    if settings.planned_runs is None:
        return []
    complete = sum(len(result.runs) for result in analysis.results)
    return [("complete runs", f"{complete} of {settings.planned_runs}")]


def _ensemble_rows(settings: RunSettings) -> list[tuple[str, str]]:
    if settings.temperature_k is None:
        return [("ensemble", "NVE, all runs from the same positions and velocities")]
    starts = f"{settings.replicas} start{'s' if settings.replicas > 1 else ''}"
    made = f"{settings.equilibration_ps:g} ps of Langevin dynamics under conservative forces"
    if not settings.equilibration_ps:
        made = "new velocities for the positions given"
    if settings.minimise_fmax:
        made += f", after a minimisation to {settings.minimise_fmax:g} eV/Å"
    preset = [("preset", settings.preset)] if settings.preset else []
    return [
        *preset,
        ("ensemble", "NVE; every kind of forces from the same starts"),
        ("starts", f"{starts} at {settings.temperature_k:g} K, each by {made}"),
        ("seed", str(settings.seed)),
    ]
