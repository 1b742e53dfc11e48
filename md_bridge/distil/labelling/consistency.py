"""Labels of another teacher are never mixed in: one of them is computed anew."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from md_bridge.distil.labelling.frames import Block
from md_bridge.distil.labelling.teacher import Teacher

__all__ = ["labels_are_of"]

_TOLERANCE = 0.02
"""Of the forces, root mean square: above what rounding, another device or the random rotations of
an average change, and below what another model or another level of theory does."""
_SMALL_FORCE = 0.05
"""Smaller forces are taken for this (eV/Å): they vanish in a crystal at rest."""


def labels_are_of(teacher: Teacher, block: Block) -> bool:
    """Whether a teacher gives the first frame of a block the forces that it is labelled with.

    A checksum cannot tell for a calculator, whose parameters are not in a file.

    :param teacher: that is used now
    :param block: of frames that were labelled earlier
    """
    atoms = Atoms(block.numbers, positions=block.positions[0], cell=block.cells[0], pbc=block.pbc)
    atoms.set_masses(block.masses)
    atoms.calc = teacher.calculator()
    difference, size = (
        float(np.sqrt(np.mean(np.square(forces))))
        for forces in (atoms.get_forces() - block.forces[0], block.forces[0])
    )
    return difference <= _TOLERANCE * max(size, _SMALL_FORCE)
