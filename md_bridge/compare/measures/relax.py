"""Whether structures come to rest, at which cost, and with which space group: as ``md-bridge
relax`` has it."""

from __future__ import annotations

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, smallest
from md_bridge.compare.request import CompareRequest, as_settings
from md_bridge.statics.relaxing.api import relax
from md_bridge.statics.relaxing.request import Relaxations, RelaxRequest
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.report.relaxation import summary_of
from md_bridge.statics.report.relaxation_sentences import sentences
from md_bridge.statics.rows import Row, make_rows
from md_bridge.statics.starts import read_starts

__all__ = ["MEASURE"]


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.crystal is not None
    settings = RelaxSettings(cell=request.cell, fmax=request.fmax)
    kinds = [kind for kind in subject.kinds if not settings.moves_cell or kind in subject.stresses]
    lacking = [
        f"It gives no {kind} stress, which a cell that is {request.cell} is relaxed by."
        for kind in subject.kinds
        if kind not in kinds
    ]
    if not kinds:
        return Found(sentences=tuple(lacking))
    passed_over: list[str] = []
    starts = tuple(read_starts([request.crystal], passed_over))
    found = relax(
        RelaxRequest(
            model=subject.model,
            starts=starts,
            passed_over=tuple(passed_over),
            rows=tuple(make_rows(kinds, ["none"])),
            settings=settings,
            folder=task.folder,
            trajectory="none",
            model_options=subject.options,
        ),
        task.progress,
    )
    figures = [figure for row in found.request.rows for figure in _figures(found, row)]
    return Found(tuple(figures), (*lacking, *sentences(found)), summary_of(found))


def _figures(found: Relaxations, row: Row) -> list[Figure]:
    count, at_rest = len(found.request.starts), found.converged(row)
    evaluations = sum(found.evaluations(row).values())
    work = [abs(each.residual_work) for each in found.relaxed[row]]
    work = [value for value in work if value == value]
    figures = [
        Figure(
            f"at rest with {row.label} forces",
            f"of {count}",
            str(at_rest),
            judged=True,
            good=at_rest == count,
        ),
        Figure(f"evaluations, {row.label}", "", str(evaluations), evaluations, "smaller"),
    ]
    if work:
        mean = sum(work) / len(work)
        figures.append(smallest(f"residual work, {row.label}", "meV/atom", mean))
    for place, length in enumerate(found.request.symprec):
        counts = found.verdicts(row, place)
        text = "/".join(str(counts[name]) for name in ("kept", "lowered", "raised"))
        if count == 1:
            (each,) = found.symmetry[row]
            change = each.changes[place]
            ends = [None if group is None else group.symbol for group in (change.start, change.end)]
            text = ends[0] or "-" if ends[0] == ends[1] else f"{ends[0] or '-'} → {ends[1] or '-'}"
        figures.append(
            Figure(
                f"space group{'s' if count > 1 else ''} at {length:g} Å, {row.label}",
                "kept/lowered/raised" if count > 1 else "",
                text,
            )
        )
    return figures


def _settings(request: CompareRequest) -> dict[str, object]:
    return as_settings(request, "cell", "fmax")


MEASURE = Measure(settings=_settings, make=_make, weight=10.0)
"""Relaxation of the crystal, or of all structures of its file, with each kind of forces."""
