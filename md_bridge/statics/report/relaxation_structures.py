"""Relaxed and standardised structures as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from md_bridge.statics.errors import StaticsError
from md_bridge.statics.relaxing.request import Relaxations
from md_bridge.statics.space_groups import standardised
from md_bridge.text import replace_atomically

__all__ = ["StructureFiles", "write_structures"]


@dataclass(frozen=True)
class StructureFiles:
    """Where :func:`write_structures` put what."""

    relaxed: Path
    standardised: Path | None
    """None if there is no structure that has a standardised cell."""


def write_structures(found: Relaxations, folder: Path) -> StructureFiles:
    """Write ``relaxed.extxyz`` and ``standardised.extxyz``, each with all structures of all rows.

    Frames say ``name``, ``forces`` and ``status``. Standardised cells are those of the largest
    symprec, of what came to rest.

    :param found: what was relaxed
    :param folder: made if missing
    :raises OSError: they cannot be written
    """
    folder.mkdir(parents=True, exist_ok=True)
    relaxed, ideal = [], []
    for row in found.request.rows:
        for start, each in zip(found.request.starts, found.relaxed[row], strict=True):
            said = {"name": start.name, "forces": row.label, "status": each.status}
            end = each.end.copy()
            end.info.update(said)
            if each.energy == each.energy:
                end.calc = SinglePointCalculator(end, energy=each.energy)
            relaxed.append(end)
            cell = _standardised(each.end, max(found.request.symprec)) if each.converged else None
            if cell is not None:
                cell.info.update(said)
                ideal.append(cell)
    files = StructureFiles(
        folder / "relaxed.extxyz", folder / "standardised.extxyz" if ideal else None
    )
    replace_atomically(files.relaxed, lambda path: ase.io.write(path, relaxed, format="extxyz"))
    if files.standardised is not None:
        replace_atomically(
            files.standardised, lambda path: ase.io.write(path, ideal, format="extxyz")
        )
    return files


def _standardised(atoms: Atoms, symprec: float) -> Atoms | None:
    try:
        return standardised(atoms, symprec)
    except StaticsError:
        return None
