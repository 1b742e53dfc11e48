"""Structures from files, with errors in words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np

from md_bridge.export.errors import ExportError


def read_structures(path: str | os.PathLike[str]) -> list[ase.Atoms]:
    """All structures of any file that ASE reads.

    :raises ExportError: the file is missing, unreadable or holds no structure
    """
    path = Path(path)
    if not path.exists():
        raise ExportError(f"there is no file '{path}'")
    try:
        structures = ase.io.read(path, index=":")
    except Exception as error:  # ASE's readers raise anything
        raise ExportError(f"ASE can not read '{path}': {error or type(error).__name__}") from error
    if not structures:
        raise ExportError(f"'{path}' holds no structure")
    return list(structures)


def require_elements(structures: Sequence[ase.Atoms], known: Sequence[int], what: str) -> None:
    """Refuse structures with elements that the model does not know.

    :param what: what the structures are, for the message: the name of their file
    :raises ExportError: naming the first such structure and its elements
    """
    for index, atoms in enumerate(structures):
        unknown = sorted(set(atoms.symbols[~np.isin(atoms.numbers, known)]))
        if unknown:
            names = ", ".join(ase.data.chemical_symbols[n] for n in known)
            raise ExportError(
                f"structure {index} of {what} has {', '.join(unknown)}, which the model does not "
                f"know; it knows {names}"
            )


def spread(structures: Sequence[ase.Atoms], most: int) -> list[ase.Atoms]:
    """At most ``most`` of the structures, evenly spread, the first one among them."""
    picked = np.unique(np.linspace(0, len(structures) - 1, min(most, len(structures))).astype(int))
    return [structures[i] for i in picked]
