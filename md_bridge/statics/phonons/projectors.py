"""Corrections of force constants: each takes away what breaks a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.operations import Operations, project_on_space_group
from md_bridge.statics.phonons.violations import acoustic_sums, transposed
from md_bridge.text import nearest

__all__ = ["CORRECTIONS", "correct", "require_corrections"]

Array = NDArray[np.float64]
Correction = Callable[[Crystal, Operations, Array], Array]


def correct(crystal: Crystal, operations: Operations, compact: Array, correction: str) -> Array:
    """Force constants with a correction.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param operations: of the crystal
    :param compact: [n, N, 3, 3], eV/Å²; left as it is
    :param correction: one of :data:`CORRECTIONS`
    :returns: [n, N, 3, 3]
    """
    return CORRECTIONS[correction](crystal, operations, compact)


def require_corrections(names: Sequence[str]) -> None:
    """Refuse corrections that do not exist.

    :param names: of :data:`CORRECTIONS`, each once
    :raises ArgumentError: about ``corrections``
    """
    if not names or len(set(names)) < len(names):
        raise ArgumentError(
            "corrections",
            f"must be different names with commas between them, found {','.join(names)}",
        )
    for name in names:
        if name not in CORRECTIONS:
            near = nearest(name, CORRECTIONS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(CORRECTIONS)}"
            raise ArgumentError("corrections", f"found {name!r}: {hint}")


def _raw(crystal: Crystal, operations: Operations, compact: Array) -> Array:
    return compact


def _permutation(crystal: Crystal, operations: Operations, compact: Array) -> Array:
    """½ (Φ + Φᵀ)."""
    return 0.5 * (compact + transposed(crystal, compact))


def _acoustic(crystal: Crystal, operations: Operations, compact: Array) -> Array:
    """Φ_ii ← Φ_ii − Σ_j Φ_ij."""
    corrected = compact.copy()
    corrected[np.arange(len(crystal.first)), crystal.first] -= acoustic_sums(compact)
    return corrected


def _space_group(crystal: Crystal, operations: Operations, compact: Array) -> Array:
    return project_on_space_group(operations, compact)


def _all_at_once(crystal: Crystal, operations: Operations, compact: Array) -> Array:
    """The projection of symfc on what keeps permutations, the acoustic sum and the space group.

    Seko and Togo, Phys. Rev. B 110, 214302 (2024). Its space group is that of the supercell to
    1e-5 Å, which a crystal that is off by more has not: the operations are imposed before, and
    permutations and sums of what they leave keep them.
    """
    compact = project_on_space_group(operations, compact)
    phonon = crystal.phonopy
    phonon.force_constants = crystal.full(compact)
    phonon.symmetrize_force_constants(use_symfc_projector=True, show_drift=False)
    return crystal.compact(np.array(phonon.force_constants))


CORRECTIONS: dict[str, Correction] = {
    "raw": _raw,
    "permutation": _permutation,
    "asr": _acoustic,
    "space-group": _space_group,
    "symfc": _all_at_once,
}
"""From the least to the most that is corrected: nothing; Φ = Φᵀ; the acoustic sum rule; the space
group; all of them at once."""
