"""What limits phonons before anything is computed, as sentences."""

from __future__ import annotations

import math

import numpy as np

from md_bridge.statics.phonons.crystal import EXACT, Crystal
from md_bridge.statics.phonons.operations import Operations, lacking_rotations

__all__ = [
    "FORCE_LIMIT",
    "primitive_warning",
    "residual_warning",
    "set_warning",
    "supercell_warnings",
]

_SAME = 1e-3
"""By how much a component of the matrix of a translation may differ from that of no rotation."""
FORCE_LIMIT = 1e-3
"""eV/Å: with larger forces on atoms that are not displaced a crystal is not at rest."""


def primitive_warning(crystal: Crystal, operations: Operations, symprec: float) -> list[str]:
    """Of a crystal whose atoms are a little off, so that its primitive cell is not the ideal one.

    :param crystal: with the primitive cell whose translations are exact
    :param operations: of that cell within ``symprec``
    :param symprec: Å
    """
    turns = np.abs(operations.rotations - np.eye(3)).max(axis=(1, 2))
    times, atoms = int((turns < _SAME).sum()), len(crystal.primitive)
    masses, numbers = crystal.primitive.get_masses(), crystal.primitive.numbers
    isotopes = any(np.ptp(masses[numbers == number]) > 0 for number in set(numbers.tolist()))
    if times < 2 or isotopes:
        return []
    return [
        f"Within {symprec:g} Å the primitive cell of the crystal has {atoms // times} atoms, but "
        f"its atoms are off by more than {EXACT:g} Å, and all {atoms} of the given cell are "
        f"displaced: {times} times as many evaluations, and F, S and C_V are those of {times} "
        "primitive cells. Take the ideal cell (standardised.extxyz of md-bridge relax)."
    ]


def supercell_warnings(
    crystal: Crystal, operations: Operations, interaction_range: float
) -> list[str]:
    """Of the size and the shape of the supercell.

    :param crystal: with its supercell
    :param operations: of the crystal, as far as the supercell has them
    :param interaction_range: of the model, Å
    """
    found = []
    size, narrow = ",".join(map(str, crystal.multiples)), float(crystal.widths.min())
    if not math.isfinite(interaction_range):
        found.append(
            "The model has long-range interactions: no supercell holds all force constants, and "
            "those of ionic crystals need a correction at Γ that is not made here."
        )
    elif narrow < 2.0 * interaction_range:
        needed = math.ceil(2.0 * interaction_range)
        found.append(
            f"The supercell {size} is {narrow:.3g} Å wide, less than twice the range of the model "
            f"({interaction_range:.3g} Å): force constants of farther atoms are folded into it, "
            "which is exact for wave vectors that the supercell has and an interpolation between "
            f"them. A length of {needed} leaves nothing out; compare two sizes."
        )
    if operations.left_out:
        total = len(operations) + operations.left_out
        found.append(
            f"The supercell {size} has {len(operations)} of the {total} operations of "
            f"{operations.symbol}: equal multiples of equal cell vectors would keep all."
        )
    return found


def set_warning(operations: Operations, symmetrize: str) -> list[str]:
    """Of an average over copies that lacks rotations of the crystal.

    :param operations: of the crystal
    :param symmetrize: name of a fixed set, or "none"
    """
    lacking, all_of_them = lacking_rotations(operations, symmetrize)
    if not lacking:
        return []
    hint = (
        "hexagonal has a six-fold axis along z"
        if operations.is_trigonal_or_hexagonal
        else "turn the crystal so that its axes are along x, y and z"
    )
    return [
        f"{symmetrize} has {all_of_them - lacking} of the {all_of_them} rotations of the crystal "
        f"as it is turned here: what it leaves of the model's error breaks the others. {hint}; "
        "space-group or symfc correct the force constants."
    ]


def residual_warning(label: str, largest: float) -> list[str]:
    """Of a crystal that is not at rest.

    :param label: of the row
    :param largest: force on an atom that is not displaced, eV/Å
    """
    if largest <= FORCE_LIMIT:
        return []
    return [
        f"With {label} forces the crystal is not at rest: the largest is {largest:.2g} eV/Å, and "
        f"{FORCE_LIMIT:g} is allowed. Its phonons are those of atoms held there; relax it first."
    ]
