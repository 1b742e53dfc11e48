"""The self-contained HTML page of a set of runs: works offline, on paper and on a phone."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from md_bridge.drift.analysis import Analysis, ForceDifference, RunSettings
from md_bridge.drift.wording import (
    COLUMNS,
    column_meanings,
    limit_sentences,
    table_row,
    timing_sentences,
    verdict_sentence,
)


def render_page(
    analysis: Analysis,
    settings: RunSettings,
    difference: ForceDifference | None,
    picture_svg: bytes,
    title: str = "Energy conservation with unconstrained forces",
    failures: Mapping[str, str] | None = None,
) -> str:
    """The page as one string of HTML; the picture is embedded, nothing is fetched."""
    environment = Environment(
        loader=PackageLoader("md_bridge.drift"),
        autoescape=select_autoescape(["html", "j2"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        columns=COLUMNS,
        rows=[
            {"verdict": result.statistics.verdict.value, "cells": table_row(result)}
            for result in analysis.results
        ],
        findings=[
            *(verdict_sentence(result) for result in analysis.results),
            *timing_sentences(analysis),
        ],
        failures=failures or {},
        limits=limit_sentences(analysis, difference),
        meanings=column_meanings(analysis),
        settings=_settings_rows(settings),
        picture="data:image/svg+xml;base64," + base64.b64encode(picture_svg).decode("ascii"),
    )


def _settings_rows(settings: RunSettings) -> list[tuple[str, str]]:
    return [
        ("model", settings.model),
        ("system", settings.system),
        ("inner step", f"{settings.timestep_fs:g} fs"),
        ("length of each run", f"{settings.length_ps:g} ps"),
        ("ensemble", "NVE, all runs from the same positions and velocities"),
        ("machine", settings.machine),
        ("threads", str(settings.threads)),
        ("load before the start", f"{settings.load:.1f} busy cores"),
        *settings.versions.items(),
    ]
