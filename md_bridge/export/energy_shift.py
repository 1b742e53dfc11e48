"""The constant by which a model and its labels differ for each element: another reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import ase
import numpy as np
from ase.data import chemical_symbols

from md_bridge.export.errors import ExportError
from md_bridge.export.evaluation import Sample

__all__ = ["shift_energies"]


def shift_energies(
    samples: Sequence[Sample], structures: Sequence[ase.Atoms]
) -> tuple[list[Sample], dict[str, float]]:
    """Add a constant energy for each element to the predictions, so that they fit the labels best.

    Least squares over the energies per atom. Where the compositions do not tell two elements apart
    (water alone), the smallest constants are taken; the energies are the same with all.

    :param samples: of all quantities; those that are no energies stay as they are
    :param structures: those that the samples of energies belong to, in the same order
    :returns: the samples, and the constant of each element by its symbol (eV per atom)
    :raises ExportError: as many elements as structures, or more: the fit would hide every error
    """
    energies = [sample for sample in samples if sample.quantity == "energy"]
    numbers = sorted({int(z) for atoms in structures for z in atoms.numbers})
    if len(structures) <= len(numbers):
        raise ExportError(
            f"a shift of {len(numbers)} element(s) needs more structures with energies than that, "
            f"found {len(structures)}"
        )
    shares = np.array([[np.mean(atoms.numbers == z) for z in numbers] for atoms in structures])
    # meV per atom
    missing = np.array([(sample.reference - sample.predicted).item() for sample in energies])
    constants, *_ = np.linalg.lstsq(shares, missing, rcond=None)
    fitted = iter(shares @ constants)
    shifted = [
        replace(sample, predicted=sample.predicted + next(fitted))
        if sample.quantity == "energy"
        else sample
        for sample in samples
    ]
    symbols = [chemical_symbols[z] for z in numbers]
    return shifted, dict(zip(symbols, (constants / 1000).tolist(), strict=True))
