"""What is told of a student: a table, sentences, numbers for programs, a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from md_bridge import __version__
from md_bridge.distil.api import Distilled
from md_bridge.distil.errors import DistilError
from md_bridge.distil.report.tables import MULTIPLICITIES, sentences
from md_bridge.distil.request import DistilRequest
from md_bridge.distil.training.held_out import as_data
from md_bridge.text import finite_or_none, replace_atomically

__all__ = [
    "ReportFiles",
    "numbers_of",
    "write_report",
]


@dataclass(frozen=True)
class ReportFiles:
    """Where :func:`write_report` put what."""

    page: Path
    numbers: Path


def write_report(result: Distilled, request: DistilRequest) -> ReportFiles:
    """Write ``distil.json`` and ``distil.html`` into the folder of the student.

    :param result: the student
    :param request: what was asked for
    :raises DistilError: they cannot be written
    """
    from md_bridge.distil.report.page import render_page

    files = ReportFiles(result.folder / "distil.html", result.folder / "distil.json")
    numbers = json.dumps(numbers_of(result, request), allow_nan=False) + "\n"
    for path, text in ((files.numbers, numbers), (files.page, render_page(result, request))):
        _write(path, text)
    return files


def _write(path: Path, text: str) -> None:
    try:
        replace_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise DistilError(
            f"cannot write {path}: {error.strerror or error}. The student is written: make room, "
            "and the same command writes the page"
        ) from error


def numbers_of(result: Distilled, request: DistilRequest) -> Mapping[str, Any]:
    """The content of ``distil.json``.

    :param result: the student
    :param request: what was asked for
    """
    costs = result.costs
    return {
        "md_bridge": __version__,
        "student": str(result.path),
        "teacher": result.teacher,
        "architecture": asdict(result.architecture),
        "temperatures_K": list(request.temperatures_k),
        "timestep_fs": result.timestep_fs,
        "driving": asdict(result.driving),
        "seed": request.seed,
        "counts": asdict(result.counts),
        "frames": result.frames,
        "frames_of_earlier_students": result.earlier.frames,
        "frames_dropped": result.dropped,
        "training_steps": result.steps,
        "training_seconds": result.seconds,
        "held_out": as_data(result.errors),
        "curves": {
            "step": result.curves.steps,
            "training_loss": [finite_or_none(value) for value in result.curves.training],
            "held_out_loss": [finite_or_none(value) for value in result.curves.held_out],
        },
        "cost_ms": {"teacher": 1e3 * costs.outer_s, "student": 1e3 * costs.inner_s},
        "cost_ratio": costs.ratio,
        "speedup_bound": {str(m): costs.speedup_bound(m) for m in MULTIPLICITIES},
        "tuning": result.tuning.summary,
        "sentences": [*sentences(result), *result.tuning.sentences],
    }
