"""What docs/statics.json keeps of the numbers that md-bridge relax and phonons write."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["digest"]

_BANDS = ("conservative: raw", "direct: raw", "direct: symfc", "conservative: symfc")
"""Whose bands are drawn."""


def digest(folders: Mapping[str, Path]) -> dict[str, Any]:
    """All that tables and pictures need.

    :param folders: of the measurements, by name; what begins with ``phonons`` or ends with it has
        ``bands.json``, too
    """
    found = {}
    for name, folder in folders.items():
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        if "results" in summary:
            bands = json.loads((folder / "bands.json").read_text(encoding="utf-8"))
            found[name] = _of_phonons(summary, bands)
        else:
            found[name] = _of_relaxations(summary)
    return found


def _of_relaxations(summary: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("cell", "optimizer", "fmax_eV_per_angstrom", "steps", "space_group", "precision")
    settings = {name: summary[name] for name in kept}
    rows = {label: _of_row(row) for label, row in summary["rows"].items()}
    return {**settings, "rows": rows, "machine": summary["settings"]["machine"]}


def _of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    results = row["results"]
    groups: dict[str, dict[str, int]] = {}
    for result in results:
        for symprec, group in result["space_group"]["at_symprec_angstrom"].items():
            symbol = "none" if result["status"] == "stopped" else group["end"] or "none"
            groups.setdefault(symprec, {}).setdefault(symbol, 0)
            groups[symprec][symbol] += 1
    work = [result["residual_work_meV_per_atom"] for result in results]
    known = [abs(each) for each in work if each is not None]
    apart = [result["from_reference"] for result in results]
    return {
        "structures": row["structures"],
        "converged": row["converged"],
        "steps": statistics.median(result["steps"] for result in results),
        "evaluations": row["evaluations"],
        "seconds": row["seconds"],
        "noise_eV_per_angstrom": row["noise_eV_per_angstrom"],
        "residual_work_meV_per_atom": statistics.fmean(known) if known else None,
        "end_space_groups": groups,
        "verdicts": row["space_groups"],
        "energies_eV_per_atom": [result["energy_eV"] / result["atoms"] for result in results],
        "rmsd_angstrom": [each["rmsd_angstrom"] for each in apart],
        "cell_percent": [each["cell_percent"] for each in apart],
        "start_breaks": _of_start(row.get("start_breaks")),
        "cell_angstrom": results[0]["cell_angstrom"],
        "walk": _of_walks([result["walk"] for result in results]),
    }


def _of_start(breaks: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Without the lists of all operations."""
    if breaks is None:
        return None
    return {name: value for name, value in breaks.items() if name not in ("operations", "start")}


def _of_walks(walks: Sequence[Mapping[str, float] | None]) -> dict[str, float] | None:
    """Medians."""
    known = [walk for walk in walks if walk is not None]
    if not known:
        return None
    return {name: statistics.median(walk[name] for walk in known) for name in known[0]}


def _of_phonons(summary: Mapping[str, Any], bands: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("sentences", "settings", "protocol", "passed")
    kept = {name: value for name, value in summary.items() if name not in left_out}
    shown = {
        label: [[round(each, 3) for each in line] for line in lines]
        for label, lines in bands["frequencies_THz"].items()
        if label in _BANDS
    }
    path = {
        "qpoints": bands["qpoints"],
        "distances": [round(each, 5) for each in bands["distances_per_angstrom"]],
        "segments": bands["segments"],
        "ticks": bands["ticks"],
    }
    return {**kept, "machine": summary["settings"]["machine"], "path": path, "bands": shown}
