"""Relaxations as a result with tables, sentences, pictures and numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from md_bridge.drift.protocols.base import ProtocolResult
from md_bridge.drift.report.environment import describe_model, surroundings
from md_bridge.statics.relaxing.request import Relaxations, SymmetryChange
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.report.relaxation_plots import path_plots
from md_bridge.statics.report.relaxation_sentences import sentences
from md_bridge.statics.report.relaxation_tables import columns, rows, sections
from md_bridge.statics.rows import Row
from md_bridge.text import finite_or_none

__all__ = ["as_result", "settings_of", "summary_of"]

_LEAD = (
    "Each start is relaxed with each kind of forces. A row is good if all its structures come to "
    "rest; where they end, which space groups they have there and how much work the forces did "
    "beyond what the energy gave tells how much to trust them."
)


def as_result(found: Relaxations) -> ProtocolResult:
    """What the command prints and writes.

    :param found: what was relaxed
    """
    return ProtocolResult(
        protocol="relax",
        title="Relaxed structures",
        lead=_LEAD,
        columns=columns(found),
        rows=rows(found),
        sentences=sentences(found),
        summary=summary_of(found),
        plots=path_plots(found),
        sections=sections(found),
    )


def settings_of(found: Relaxations) -> list[tuple[str, str]]:
    """What was relaxed, and how.

    :param found: what was relaxed
    :raises md_bridge.engine.EngineError: the model cannot be loaded
    """
    request, around = found.request, surroundings()
    settings = request.settings
    names = [f"{start.name} ({start.atoms.get_chemical_formula()})" for start in request.starts]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return [
        ("model", describe_model(request.model, request.model_options)),
        ("starts", ", ".join(names[:10]) + more),
        ("cell", settings.cell),
        ("pressure", f"{settings.pressure_GPa:g} GPa"),
        ("optimizer", settings.optimizer),
        ("fmax", f"{settings.fmax:g} eV/Å"),
        ("steps", str(settings.steps)),
        ("space group", settings.space_group),
        ("symprec", ", ".join(f"{each:g} Å" for each in request.symprec)),
        ("host", request.host),
        ("precision", found.precision),
        ("machine", around["machine"]),
        *around["versions"].items(),
    ]


def summary_of(found: Relaxations) -> dict[str, Any]:
    """Every number, for JSON; names carry their units.

    :param found: what was relaxed
    """
    request = found.request
    settings = request.settings
    return {
        "cell": settings.cell,
        "pressure_GPa": settings.pressure_GPa,
        "optimizer": settings.optimizer,
        "fmax_eV_per_angstrom": settings.fmax,
        "steps": settings.steps,
        "space_group": settings.space_group,
        "host": request.host,
        "precision": found.precision,
        "reference": request.reference.label,
        "kept_results": found.kept,
        "results_made_again": found.made_again,
        "rows": {row.label: _of_row(found, row) for row in request.rows},
        "crossed_forces_eV_per_angstrom": {
            name: [asdict(each) for each in crossed] for name, crossed in found.crossed.items()
        },
        "fixed_points_angstrom": {
            name: [None if point is None else asdict(point) for point in points]
            for name, points in found.fixed_points.items()
        },
        "warnings": list(found.warnings),
    }


def _of_row(found: Relaxations, row: Row) -> dict[str, Any]:
    request = found.request
    residuals = found.start_residuals.get(row)
    entry: dict[str, Any] = {
        "forces": row.forces,
        "symmetrize": row.symmetrize,
        "converged": found.converged(row),
        "structures": len(request.starts),
        "evaluations": found.evaluations(row),
        "seconds": found.seconds(row),
        "noise_eV_per_angstrom": found.noise[row],
        "space_groups": {
            f"{length:g}": found.verdicts(row, place)
            for place, length in enumerate(request.symprec)
        },
        "results": [
            _of_structure(found, row, place, each) for place, each in enumerate(found.relaxed[row])
        ],
    }
    if residuals is not None:
        stresses = residuals.stresses
        entry["start_breaks"] = {
            "start": request.starts[0].name,
            "space_group": residuals.group.symbol,
            "largest_force_eV_per_angstrom": residuals.largest_force,
            "operations_eV_per_angstrom": dict(residuals.worst),
            "operations": {
                "kind": list(residuals.kinds),
                "axis": residuals.axes.tolist(),
                "force_eV_per_angstrom": residuals.forces.tolist(),
                "stress_eV_per_cubic_angstrom": None if stresses is None else stresses.tolist(),
            },
        }
        if residuals.traceless_stress is not None:
            entry["start_breaks"]["traceless_stress_eV_per_cubic_angstrom"] = (
                residuals.traceless_stress.tolist()
            )
    return entry


def _of_structure(found: Relaxations, row: Row, place: int, each: Relaxation) -> dict[str, Any]:
    atoms, apart = len(each.end), found.distances[row][place]
    return {
        "name": found.request.starts[place].name,
        "atoms": atoms,
        "status": each.status,
        "reason": each.reason,
        "steps": each.steps,
        "evaluations": dict(each.evaluations),
        "seconds": dict(each.seconds),
        "start_energy_eV": finite_or_none(each.start_energy),
        "energy_eV": finite_or_none(each.energy),
        "gradient_eV_per_angstrom": finite_or_none(each.gradient),
        "largest_force_eV_per_angstrom": finite_or_none(each.largest_force),
        "largest_stress_GPa": finite_or_none(each.largest_stress),
        "residual_work_meV_per_atom": finite_or_none(each.residual_work),
        "rise_meV_per_atom": finite_or_none(1e3 * each.rise / atoms),
        "noise_eV_per_angstrom": finite_or_none(each.noise),
        "walk": _of_walk(each),
        "cell_angstrom": each.end.cell.tolist(),
        "space_group": _of_symmetry(found.symmetry[row][place]),
        "from_reference": {
            "rmsd_angstrom": finite_or_none(apart.rmsd),
            "cell_percent": finite_or_none(apart.cell),
            "energy_meV_per_atom": None if math.isnan(apart.energy) else apart.energy,
        },
    }


def _of_walk(each: Relaxation) -> dict[str, Any] | None:
    if each.walk is None:
        return None
    evaluations, first, last = each.walk
    return {
        "evaluations": evaluations,
        "first_gradient_eV_per_angstrom": first,
        "last_gradient_eV_per_angstrom": last,
        "difference_eV_per_angstrom": finite_or_none(each.difference),
    }


def _of_symmetry(found: SymmetryChange) -> dict[str, Any]:
    longest = found.end.longest
    return {
        "at_symprec_angstrom": {
            f"{each.symprec:g}": {
                "start": None if each.start is None else each.start.symbol,
                "end": None if each.end is None else each.end.symbol,
                "verdict": each.verdict,
            }
            for each in found.changes
        },
        "plateau": None
        if longest is None
        else {
            "space_group": longest.group.symbol,
            "operations": longest.group.operations,
            "from_angstrom": longest.first,
            "to_angstrom": longest.last,
            "decades": longest.decades,
        },
    }
