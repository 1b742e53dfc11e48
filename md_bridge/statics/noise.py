"""How exactly forces are computed: below that there is no minimum to find, and no derivative."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from md_bridge.statics.evaluator import Evaluator

__all__ = ["SAFETY", "noise_floor"]

SAFETY = 3.0
"""Forces below so many times their noise say nothing of where a minimum is."""

_SHIFTS = 6
_LONGEST = 0.5
"""Å: enough to round every coordinate anew, whatever its precision."""


def noise_floor(evaluator: Evaluator, atoms: Atoms) -> float:
    """The rounding of the forces of an atom: by how much they change when all atoms are shifted.

    A model sees distances only, so that a shift changes nothing but how they are rounded. Net
    forces are taken off, as the engine does of direct ones.

    :param evaluator: of the forces
    :param atoms: at least one, Å
    :returns: root mean square over atoms of the length of the deviation from the mean, eV/Å
    :raises md_bridge.engine.EngineError: the model fails
    """
    generator = np.random.default_rng(0)
    copies = []
    for shift in generator.uniform(-_LONGEST, _LONGEST, (_SHIFTS, 3)):
        copy = atoms.copy()
        copy.positions += shift
        copies.append(copy)
    forces = np.array([found.forces for found in evaluator(copies)])
    forces -= forces.mean(axis=1, keepdims=True)
    deviations = forces - forces.mean(axis=0)
    # of the mean over few samples: n - 1 in place of n
    squares = (deviations**2).sum(axis=(0, 2)) / (_SHIFTS - 1)
    return float(np.sqrt(squares.mean()))
