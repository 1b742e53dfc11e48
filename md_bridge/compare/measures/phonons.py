"""What breaks which rule of the force constants of a crystal, and imaginary modes: as ``md-bridge
phonons`` has it, without a correction."""

from __future__ import annotations

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.measures.base import Measure, Task, percent, smallest
from md_bridge.compare.request import as_settings
from md_bridge.statics.phonons.api import measure_phonons
from md_bridge.statics.phonons.results import PhononResult
from md_bridge.statics.phonons.settings import PhononRequest
from md_bridge.statics.report.phonons import summary_of
from md_bridge.structures import read_structure
from md_bridge.text import minus_sign

__all__ = ["MEASURE"]


def _make(task: Task) -> Found:
    request, subject = task.request, task.subject
    assert request.crystal is not None
    report = measure_phonons(
        PhononRequest(
            model=subject.model,
            atoms=read_structure(request.crystal),
            forces=subject.kinds,
            corrections=("raw",),
            supercell=request.supercell,
            model_options=subject.options,
        ),
        task.progress,
    )
    figures = [figure for result in report.results for figure in _figures(result)]
    return Found(tuple(figures), report.warnings, summary_of(report))


def _figures(result: PhononResult) -> list[Figure]:
    forces, rules, modes = result.row.label, result.violations, result.imaginary
    count = modes.acoustic_at_gamma + modes.optical_at_gamma + modes.elsewhere
    return [
        percent(f"phonons, {forces}: π, no potential", rules.permutation),
        percent(f"phonons, {forces}: α, moved as a whole", rules.acoustic),
        percent(f"phonons, {forces}: γ, space group", rules.space_group),
        smallest(f"phonons, {forces}: β, turned as a whole", "eV/Å", rules.rotational),
        Figure(f"phonons, {forces}: imaginary modes", "", str(count) if count else "none"),
        Figure(f"phonons, {forces}: lowest", "THz", minus_sign(f"{modes.lowest:.3f}")),
        Figure(f"phonons, {forces}: highest", "THz", f"{result.thermal.largest:.3f}"),
    ]


MEASURE = Measure(
    settings=lambda request: as_settings(request, "supercell"), make=_make, weight=20.0
)
"""Force constants with each kind of forces, by finite differences."""
