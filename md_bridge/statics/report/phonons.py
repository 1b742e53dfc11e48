"""Phonons as a result with tables, sentences, pictures and numbers, and the files of it."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from md_bridge.drift.protocols.base import Picture, ProtocolResult
from md_bridge.drift.report.environment import describe_model, surroundings
from md_bridge.drift.report.plot import as_svg
from md_bridge.statics.phonons.dynamical_matrix import WAVENUMBERS
from md_bridge.statics.phonons.results import PhononReport, PhononResult
from md_bridge.statics.phonons.scan import Scan
from md_bridge.statics.report.phonons_files import write_force_constants
from md_bridge.statics.report.phonons_pictures import draw_bands, scan_plots
from md_bridge.statics.report.phonons_sentences import sentences
from md_bridge.statics.report.phonons_tables import COLUMNS, result_rows, sections
from md_bridge.text import finite_or_none

__all__ = ["as_result", "settings_of", "summary_of", "write_files"]

_LEAD = (
    "Each kind of forces is differentiated on the same crystal. π, α, γ and β say how far the "
    "force constants are from being symmetric, from ignoring a shift of the crystal, from having "
    "its space group, and from ignoring its rotation, before anything is made Hermitian."
)
_KELVIN_PER_THZ = 47.99243073366221
"""h/k_B."""


def as_result(report: PhononReport) -> ProtocolResult:
    """What the command prints and writes.

    :param report: with at least one result
    """
    figure = draw_bands(report)
    return ProtocolResult(
        protocol="phonons",
        title="Phonons",
        lead=_LEAD,
        columns=COLUMNS,
        rows=result_rows(report),
        sentences=sentences(report),
        summary=summary_of(report),
        plots=scan_plots(report),
        sections=sections(report),
        pictures=(
            Picture(
                "Bands and densities of states",
                "Frequencies along the path, a panel for each correction, a colour for each row",
                as_svg(figure),
            ),
        ),
    )


def write_files(report: PhononReport, result: ProtocolResult, folder: Path) -> None:
    """What there is besides page and numbers: bands and force constants.

    ``bands.json`` has the path and all frequencies on it; for ``phonopy_params.yaml`` see
    :func:`md_bridge.statics.report.phonons_files.write_force_constants`.

    :param report: with at least one result
    :param result: of :func:`as_result`
    :param folder: made if missing
    :raises OSError: they cannot be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bands.svg").write_bytes(result.pictures[0].svg)
    (folder / "bands.json").write_text(json.dumps(_bands(report)) + "\n", encoding="utf-8")
    write_force_constants(report, folder)


def settings_of(report: PhononReport) -> list[tuple[str, str]]:
    """What was computed, and where.

    :param report: with at least one result
    :raises EngineError: the model cannot be loaded
    """
    request, crystal, around = report.request, report.crystal, surroundings()
    multiples = " × ".join(map(str, crystal.multiples))
    return [
        ("model", describe_model(request.model, request.model_options)),
        ("crystal", f"{crystal.unit_cell.get_chemical_formula()}, {report.operations.symbol}"),
        (
            "supercell",
            f"{multiples} of the given cell, {len(crystal.supercell)} atoms, "
            f"{crystal.widths.min():.3g} Å wide",
        ),
        ("displacement", f"{request.displacement:g} Å"),
        ("force constants", f"{request.host}{', reduced set' if request.fast else ''}"),
        ("path", request.path),
        ("mesh", f"{request.mesh} × {request.mesh} × {request.mesh}"),
        ("symprec", f"{request.symprec:g} Å"),
        ("precision", report.precision),
        ("machine", around["machine"]),
        *around["versions"].items(),
        *((name, importlib.metadata.version(name)) for name in ("phonopy", "spglib", "seekpath")),
    ]


def summary_of(report: PhononReport) -> dict[str, Any]:
    """Every number, for JSON.

    :param report: with at least one result
    """
    crystal = report.crystal
    return {
        "space_group": report.operations.symbol,
        "operations": len(report.operations),
        "operations_left_out": report.operations.left_out,
        "multiples": list(crystal.multiples),
        "primitive_atoms": len(crystal.primitive),
        "supercell_atoms": len(crystal.supercell),
        "supercell_width_angstrom": float(crystal.widths.min()),
        "interaction_range_angstrom": finite_or_none(report.interaction_range),
        "displacement_angstrom": report.request.displacement,
        "temperature_K": report.request.temperature,
        "reference": report.reference.label,
        "results": [_of_result(report, result) for result in report.results],
        "residual_forces_eV_per_angstrom": dict(report.residual_forces),
        "noise_eV_per_angstrom": dict(report.noise),
        "scans": [_of_scan(scan) for scan in report.scans],
        "elastic_GPa": [each.summary() for each in report.elastic],
        "relaxed": None if report.relaxed is None else report.relaxation_converged,
        "failures": [
            {
                "forces": each.row.forces,
                "symmetrize": each.row.symmetrize,
                "part": each.part,
                "reason": each.reason,
            }
            for each in report.failures
        ],
        "seconds": report.seconds,
    }


def _of_result(report: PhononReport, result: PhononResult) -> dict[str, Any]:
    growth, thermal = result.growth, result.thermal
    return {
        "forces": result.row.forces,
        "symmetrize": result.row.symmetrize,
        "correction": result.correction,
        "evaluations": result.evaluations,
        "violations": {
            "permutation": result.violations.permutation,
            "acoustic": result.violations.acoustic,
            "net_force": result.violations.net_force,
            "space_group": result.violations.space_group,
            "rotational_eV_per_angstrom": result.violations.rotational,
        },
        "gamma_acoustic_THz": list(result.gamma.acoustic),
        "gamma_optical_THz": list(result.gamma.optical),
        "splitting_cm": finite_or_none(result.splitting * WAVENUMBERS),
        "imaginary": {**asdict(result.imaginary), "any": result.imaginary.any},
        "largest_frequency_THz": thermal.largest,
        "largest_frequency_K": thermal.largest * _KELVIN_PER_THZ,
        "free_energy_kJ_per_mol": thermal.free_energy,
        "entropy_J_per_K_mol": thermal.entropy,
        "heat_capacity_J_per_K_mol": thermal.heat_capacity,
        "difference_cm": result.difference(report.reference) * WAVENUMBERS,
        "growth": {
            "fastest_per_ps": growth.largest,
            "frequency_THz": growth.frequency,
            "qpoint": list(growth.qpoint),
            "rms_per_ps": growth.rms,
            "energy_after_1_ps": finite_or_none(growth.heating),
            "doubling_ps": finite_or_none(growth.doubling),
        },
    }


def _of_scan(scan: Scan) -> dict[str, Any]:
    below, above = scan.slopes
    return {
        "forces": scan.row.forces,
        "symmetrize": scan.row.symmetrize,
        "displacements_angstrom": scan.displacements.tolist(),
        "changes_cm": (scan.changes * WAVENUMBERS).tolist(),
        "slope_below": finite_or_none(below),
        "slope_above": finite_or_none(above),
        "largest_frequency_THz": scan.largest.tolist(),
        "free_energy_kJ_per_mol": [each.free_energy for each in scan.thermal],
        "entropy_J_per_K_mol": [each.entropy for each in scan.thermal],
        "heat_capacity_J_per_K_mol": [each.heat_capacity for each in scan.thermal],
    }


def _bands(report: PhononReport) -> dict[str, Any]:
    path = report.path
    return {
        "qpoints": np.round(path.qpoints, 8).tolist(),
        "distances_per_angstrom": np.round(path.distances, 8).tolist(),
        "segments": [[segment.start, segment.stop] for segment in path.segments],
        "ticks": [list(tick) for tick in path.ticks],
        "frequencies_THz": {
            result.label: np.round(result.bands, 6).tolist() for result in report.results
        },
    }
