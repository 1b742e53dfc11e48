"""What is told of a student: a table, sentences, numbers for programs, a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from md_bridge import __version__
from md_bridge.distil.api import Distilled
from md_bridge.distil.errors import DistilError
from md_bridge.distil.held_out import as_data
from md_bridge.distil.request import DistilRequest
from md_bridge.text import finite_or_none, replace_atomically

__all__ = [
    "ERROR_COLUMNS",
    "MULTIPLICITIES",
    "ReportFiles",
    "errors_table",
    "numbers_of",
    "sentences",
    "write_report",
]

MULTIPLICITIES = (1, 2, 4, 6, 8, 12, 16)
"""M of the table of bounds."""

ERROR_COLUMNS = (
    ("element", ""),
    ("forces", "meV/Å"),
    ("of", "meV/Å"),
    ("acceleration", "meV/Å/√u"),
    ("of", "meV/Å/√u"),
    ("change", "meV/Å"),
    ("of", "meV/Å"),
)
"""Of the errors on held-out dynamics; each beside the root mean square of the labels."""


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
    from md_bridge.distil.page import render_page

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


def error_rows(result: Distilled) -> list[tuple[str, ...]]:
    """The cells of :data:`ERROR_COLUMNS`.

    :param result: the student
    """
    return [
        (
            each.element,
            *(
                f"{value:.3g}" if value < 1000 else f"{value:.0f}"
                for name, value in asdict(each).items()
                if name != "element"
            ),
        )
        for each in result.errors
    ]


def errors_table(result: Distilled) -> Table:
    """Errors on held-out dynamics, a line an element.

    :param result: the student
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for heading, unit in ERROR_COLUMNS:
        left = heading == "element"
        table.add_column(f"{heading}\n[dim]{unit}[/dim]", justify="left" if left else "right")
    for row in error_rows(result):
        table.add_row(*row)
    return table


def sentences(result: Distilled) -> list[str]:
    """What was made, how good it is, and what it costs.

    :param result: the student
    """
    every = result.errors[-1]
    costs = result.costs
    found = [
        f"{result.frames} frames of {result.teacher}, {result.steps} training steps"
        + (
            f" (of {result.counts.steps}: the error on held-out dynamics did not fall any more)"
            if result.steps < result.counts.steps
            else ""
        )
        + ".",
        f"On held-out dynamics the student misses the forces by {every.force:.3g} meV/Å (of "
        f"{every.force_of_labels:.3g}), and between neighbouring frames this changes by "
        f"{every.change:.3g} meV/Å (of {every.change_of_labels:.3g}).",
        f"An evaluation of the first start takes {costs.student:.3g} ms, the teacher's conservative "
        f"forces {costs.teacher:.3g} ms: at most {costs.bound(4):.2f} times its speed with M = 4, "
        f"{costs.bound(8):.2f} times with M = 8.",
    ]
    if result.dropped:
        found.append(
            f"{result.dropped} frames were dropped because the teacher gave no finite forces."
        )
    return found


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
        "seed": request.seed,
        "counts": asdict(result.counts),
        "frames": result.frames,
        "frames_dropped": result.dropped,
        "training_steps": result.steps,
        "training_seconds": result.seconds,
        "held_out": as_data(result.errors),
        "curves": {
            "step": result.curves.steps,
            "training_loss": [finite_or_none(value) for value in result.curves.training],
            "held_out_loss": [finite_or_none(value) for value in result.curves.held_out],
        },
        "cost_ms": {"teacher": costs.teacher, "student": costs.student},
        "cost_ratio": costs.teacher / costs.student,
        "speedup_bound": {str(m): costs.bound(m) for m in MULTIPLICITIES},
        "sentences": sentences(result),
    }
