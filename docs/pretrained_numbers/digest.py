"""What docs/pretrained.json keeps of the numbers of one package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from statics_digest import digest as statics

from md_bridge.drift.records.csv import read_csv
from md_bridge.drift.report.quantities import energy_change

__all__ = ["digest"]

_POINTS = 200
"""Of a series, for the picture."""


def digest(work: Path) -> dict[str, Any]:
    """All that tables and pictures need.

    :param work: folder of the measurements of a package
    """
    drift = _read(work / "drift" / "summary.json")
    student = _read(work / "inner.distil" / "distil.json")
    symmetry = _read(work / "symmetry" / "summary.json")
    kept = (
        *("frames", "training_steps", "training_seconds", "temperatures_K", "held_out", "cost_ms"),
        *("cost_ratio", "timestep_fs"),
    )
    return {
        "agreement": _read(work / "agreement.json"),
        **statics({name: work / name for name in ("relax", "phonons")}),
        "symmetry": {
            "evaluations": symmetry["evaluations"],
            "lmax": symmetry["lmax"],
            "quantities": symmetry["quantities"],
        },
        "student": {name: student[name] for name in kept},
        "drift": {
            "methods": drift["methods"],
            "settings": drift["settings"],
            "tolerance": drift["tolerance_meV_per_atom_per_ps"],
        },
        "series": _series(work / "drift" / "series"),
        "seconds": {
            path.stem: float(path.read_text(encoding="utf-8"))
            for path in sorted(work.glob("*.seconds"))
        },
    }


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _series(folder: Path) -> list[dict[str, Any]]:
    """The conserved quantity of each run, [H(t) − H(0)] / N, meV/atom, where it is known."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        record = read_csv(path)
        every = max(1, len(record.time_ps) // _POINTS)
        found.append(
            {
                "forces": record.method.forces,
                "M": record.method.multiplicity,
                "replica": record.replica,
                "time_ps": np.round(record.time_ps[::every], 5).tolist(),
                "energy_meV_per_atom": np.round(energy_change(record)[::every], 5).tolist(),
            }
        )
    return found
