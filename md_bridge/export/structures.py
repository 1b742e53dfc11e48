"""Which structures a model can take."""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from md_bridge.export.errors import ExportError

__all__ = [
    "require_elements",
]


def require_elements(structures: Sequence[ase.Atoms], known: Sequence[int], what: str) -> None:
    """Refuse structures with elements that the model does not know.

    :param structures: those to be evaluated
    :param known: atomic numbers that the model knows
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
