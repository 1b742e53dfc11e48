"""Tensors of elasticity: Voigt's notation, rotations, coefficients under stress, averages.

Order of the six components: xx, yy, zz, yz, xz, xy. Strains have e₄ = 2 ε_yz and so on, stresses
σ₄ = σ_yz, so that σ_I = Σ_J B_IJ e_J with B_IJ = B_ijkl.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "VOIGT",
    "Averages",
    "averages",
    "eigenvalues",
    "full_strain",
    "full_tensor",
    "norm",
    "rotational_part",
    "second_derivatives",
    "voigt_matrix",
    "voigt_stress",
]

Array = NDArray[np.float64]

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Indices of the components in Voigt's order."""

_ROWS, _COLUMNS = np.array(VOIGT).T
_PLACE = np.zeros((3, 3), dtype=int)
_PLACE[_ROWS, _COLUMNS] = _PLACE[_COLUMNS, _ROWS] = np.arange(6)
_MANDEL = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


@dataclass(frozen=True)
class Averages:
    """Moduli of a polycrystal of grains in all orientations (R. Hill, Proc. Phys. Soc. A 65, 349
    (1952)), in the unit of the matrix; NaN where it has no inverse."""

    bulk_voigt: float
    """Of uniform strain: an upper bound."""
    bulk_reuss: float
    """Of uniform stress: a lower bound."""
    shear_voigt: float
    shear_reuss: float

    @property
    def bulk(self) -> float:
        """Hill's mean of the two."""
        return 0.5 * (self.bulk_voigt + self.bulk_reuss)

    @property
    def shear(self) -> float:
        """Hill's mean of the two."""
        return 0.5 * (self.shear_voigt + self.shear_reuss)


def voigt_stress(stress: Array) -> Array:
    """The six components of symmetric tensors.

    :param stress: [..., 3, 3]
    :returns: [..., 6]
    """
    return stress[..., _ROWS, _COLUMNS]


def full_strain(component: int, size: float) -> Array:
    """The strain ε whose only component in Voigt's notation is e_J.

    :param component: J, 0 to 5
    :param size: e_J: of a shear twice ε_jk
    :returns: [3, 3], symmetric
    """
    j, k = VOIGT[component]
    strain = np.zeros((3, 3))
    strain[j, k] += 0.5 * size
    strain[k, j] += 0.5 * size
    return strain


def full_tensor(matrix: Array) -> Array:
    """B_ijkl, [3, 3, 3, 3], of B_IJ.

    :param matrix: [6, 6]
    """
    return matrix[_PLACE[:, :, None, None], _PLACE[None, None]]


def voigt_matrix(tensor: Array) -> Array:
    """B_IJ, [6, 6], of a tensor that is symmetric in ij and in kl.

    :param tensor: [3, 3, 3, 3]
    """
    return tensor[_ROWS[:, None], _COLUMNS[:, None], _ROWS[None], _COLUMNS[None]]


def norm(matrix: Array) -> float:
    """Frobenius norm of the tensor B_ijkl, which no rotation changes.

    :param matrix: B_IJ, [6, 6]
    """
    return float(np.linalg.norm(matrix * np.outer(_MANDEL, _MANDEL)))


def rotational_part(matrix: Array, rotations: Array) -> Array:
    """What all rotations of a group leave as it is: the mean of B_ijkl over them.

    :param matrix: B_IJ, [6, 6]
    :param rotations: Q, [G, 3, 3], orthogonal matrices of a group; with or without inversion
    :returns: [6, 6]
    """
    tensor = full_tensor(matrix)
    mean = np.zeros_like(tensor)
    for q in rotations:
        mean += np.einsum("ia,jb,kc,ld,abcd->ijkl", q, q, q, q, tensor, optimize=True)
    return voigt_matrix(mean / len(rotations))


def second_derivatives(matrix: Array, stress: Array) -> Array:
    """C_ijkl = V⁻¹ ∂²E/∂η_ij∂η_kl with Lagrange's strain η, of the coefficients B of stress and
    strain in a crystal that is under stress.

    B_ijkl = C_ijkl + ½ (δ_ik σ_jl + δ_jk σ_il + δ_il σ_jk + δ_jl σ_ik − 2 δ_kl σ_ij): T. H. K.
    Barron and M. L. Klein, Proc. Phys. Soc. 85, 523 (1965); D. C. Wallace, Phys. Rev. 162, 776
    (1967). Under a pressure p: B₁₁ = C₁₁ − p, B₁₂ = C₁₂ + p, B₄₄ = C₄₄ − p.

    :param matrix: B_IJ, [6, 6]
    :param stress: σ of the crystal, [3, 3], positive under tension, in the same unit
    :returns: C_IJ, [6, 6]
    """
    one = np.eye(3)
    terms = (
        np.einsum("ik,jl->ijkl", one, stress)
        + np.einsum("jk,il->ijkl", one, stress)
        + np.einsum("il,jk->ijkl", one, stress)
        + np.einsum("jl,ik->ijkl", one, stress)
        - 2.0 * np.einsum("kl,ij->ijkl", one, stress)
    )
    return matrix - voigt_matrix(0.5 * terms)


def eigenvalues(matrix: Array) -> Array:
    """Of B_ijkl as a map from strains to stresses, ascending, [6]: of a cubic crystal 2 C₄₄ three
    times, C₁₁ − C₁₂ twice and C₁₁ + 2 C₁₂. A stable crystal has positive ones only.

    :param matrix: B_IJ, [6, 6]; of its symmetric part
    """
    symmetric = 0.5 * (matrix + matrix.T) * np.outer(_MANDEL, _MANDEL)
    return np.linalg.eigvalsh(symmetric)


def averages(matrix: Array) -> Averages:
    """Voigt's and Reuss's moduli.

    :param matrix: C_IJ, [6, 6]; of its symmetric part
    """
    c = 0.5 * (matrix + matrix.T)
    nothing = float("nan")
    bulk_voigt, shear_voigt = _voigt(c)
    try:
        s = np.linalg.inv(c)
    except np.linalg.LinAlgError:
        return Averages(bulk_voigt, nothing, shear_voigt, nothing)
    normal = float(np.trace(s[:3, :3]))
    mixed = float(s[0, 1] + s[0, 2] + s[1, 2])
    shear = float(np.trace(s[3:, 3:]))
    return Averages(
        bulk_voigt,
        1.0 / (normal + 2.0 * mixed),
        shear_voigt,
        15.0 / (4.0 * normal - 4.0 * mixed + 3.0 * shear),
    )


def _voigt(c: Array) -> tuple[float, float]:
    normal = float(np.trace(c[:3, :3]))
    mixed = float(c[0, 1] + c[0, 2] + c[1, 2])
    shear = float(np.trace(c[3:, 3:]))
    return (normal + 2.0 * mixed) / 9.0, (normal - mixed + 3.0 * shear) / 15.0
