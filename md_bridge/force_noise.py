"""How exactly forces are computed: by how much they change when all atoms are shifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

__all__ = ["force_noise"]

_SHIFTS = 6
_LONGEST = 0.5
"""Å: enough to round every coordinate anew, whatever its precision."""


def force_noise(forces: Callable[[Sequence[Atoms]], ArrayLike], atoms: Atoms) -> float:
    """The rounding of the forces of an atom: by how much they change when all atoms are shifted.

    A model sees distances only, so that a shift changes nothing but how they are rounded. Net
    forces are taken off, as the engine does of direct ones.

    :param forces: of n structures of N atoms, [n, N, 3], eV/Å
    :param atoms: N of them, at least one, Å
    :returns: root mean square over atoms of the length of the deviation from the mean, eV/Å; that
        of a component is smaller by √3
    """
    generator = np.random.default_rng(0)
    copies = []
    for shift in generator.uniform(-_LONGEST, _LONGEST, (_SHIFTS, 3)):
        copy = atoms.copy()
        copy.positions += shift
        copies.append(copy)
    found = np.array(forces(copies), dtype=np.float64)
    found -= found.mean(axis=1, keepdims=True)
    deviations = found - found.mean(axis=0)
    # of the mean over few samples: n - 1 in place of n
    squares = (deviations**2).sum(axis=(0, 2)) / (_SHIFTS - 1)
    return float(np.sqrt(squares.mean()))
