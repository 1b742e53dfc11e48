"""How far force constants are from what those of a crystal with a potential energy are like.

All of it is measured *before* the dynamical matrix is made Hermitian, as phonopy does before it
diagonalises, because that hides the first one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.operations import Operations, project_on_space_group

__all__ = [
    "Violations",
    "acoustic_sums",
    "measure_violations",
    "rounding_asymmetry",
    "transposed",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Violations:
    """0 where a rule is kept."""

    permutation: float
    """π = ‖Φ − Φᵀ‖ / 2‖Φ‖: the forces have no potential; or, of forces that have one, the error of
    the finite differences."""
    acoustic: float
    """α = max_i ‖Σ_j Φ_ij‖ / ‖Φ_ii‖: forces change when the whole crystal is moved."""
    net_force: float
    """max_j ‖Σ_i Φ_ij‖ / ‖Φ_jj‖: the forces on all atoms have a sum."""
    space_group: float
    """γ = ‖Φ − |G|⁻¹ Σ_g Γ(g)ᵀ Φ Γ(g)‖ / ‖Φ‖: the crystal's symmetry is broken."""
    rotational: float
    """β = max_i ‖Σ_j (Φ_{iα,jβ} R_{jγ} − Φ_{iα,jγ} R_{jβ})‖ (Born and Huang), eV/Å: forces appear
    when the whole crystal is turned. Of a crystal with stress or forces it is not 0."""


def measure_violations(crystal: Crystal, operations: Operations, compact: Array) -> Violations:
    """All of them.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param operations: of the crystal
    :param compact: [n, N, 3, 3], eV/Å²
    """
    size = float(np.linalg.norm(compact))
    other = transposed(crystal, compact)
    asymmetric = compact - project_on_space_group(operations, compact)
    return Violations(
        permutation=float(np.linalg.norm(compact - other)) / (2.0 * size),
        acoustic=_relative_sum(crystal, compact),
        net_force=_relative_sum(crystal, other),
        space_group=float(np.linalg.norm(asymmetric)) / size,
        rotational=_rotational(crystal, compact),
    )


def rounding_asymmetry(compact: Array, noise: float, displacement: float) -> float:
    """π of force constants that would be symmetric, were it not for the rounding of the forces.

    In central differences each of the 9 n N elements is off by σ / √2 δ, with the noise σ of a
    component of the forces, independently of the others: π = 3 √(n N) σ / (2 δ ‖Φ‖).

    :param compact: [n, N, 3, 3], eV/Å²
    :param noise: of the force on an atom, √3 σ, eV/Å
    :param displacement: δ, Å
    """
    elements = compact.size / 3.0
    return float(np.sqrt(elements) * noise / (2.0 * displacement * np.linalg.norm(compact)))


def transposed(crystal: Crystal, compact: Array) -> Array:
    """Φᵀ: the force on the second atom when the first one is displaced.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param compact: [n, N, 3, 3]
    :returns: [n, N, 3, 3]
    """
    return np.asarray(compact[crystal.home[None, :], crystal.opposite].transpose(0, 1, 3, 2))


def acoustic_sums(compact: Array) -> Array:
    """Σ_j Φ_ij: minus the change of forces when the whole crystal is moved by 1 Å.

    :param compact: [n, N, 3, 3], eV/Å²
    :returns: [n, 3, 3]
    """
    return np.asarray(compact.sum(axis=1))


def _relative_sum(crystal: Crystal, compact: Array) -> float:
    own = compact[np.arange(len(crystal.first)), crystal.first]
    sizes = np.linalg.norm(own, axis=(1, 2))
    return float((np.linalg.norm(acoustic_sums(compact), axis=(1, 2)) / sizes).max())


def _rotational(crystal: Crystal, compact: Array) -> float:
    vectors, weights = crystal.shortest
    apart = np.einsum("ikm,ikmc->ikc", weights, vectors) @ crystal.primitive.cell.array
    moment = np.einsum("ikab,ikc->iabc", compact, apart)
    return float(np.sqrt(((moment - moment.swapaxes(2, 3)) ** 2).sum(axis=(1, 2, 3))).max())
