"""What the average over a set of rotated copies will leave, from one measurement."""

from __future__ import annotations

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.group.wigner import coefficient_slices, wigner_matrices

__all__ = ["SETS", "matrices_of", "remaining"]

SETS = ("octahedral", "octahedral/inversion", "icosahedral", "icosahedral/inversion")
"""The engine's sets, of 24, 48, 60 and 120 copies."""


def matrices_of(copies: str | np.ndarray) -> np.ndarray:
    """The matrices of a set of copies.

    :param copies: one of :data:`SETS`, or matrices [K, 3, 3]
    :raises ArgumentError: there is no such set, or these are no orthogonal matrices
    """
    if isinstance(copies, str):
        if copies not in SETS:
            raise ArgumentError("copies", f"expects one of {', '.join(SETS)}, found {copies!r}")
        from md_bridge.engine import rotation_group

        return np.asarray(rotation_group(copies))
    matrices = np.asarray(copies, dtype=float)
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3) or len(matrices) == 0:
        raise ArgumentError("copies", f"must be [K, 3, 3], found shape {list(matrices.shape)}")
    if np.abs(matrices @ np.swapaxes(matrices, 1, 2) - np.eye(3)).max() > 1e-8:
        raise ArgumentError("copies", "must be orthogonal matrices")
    return matrices


def remaining(left: list[np.ndarray], matrices: np.ndarray) -> float:
    """A² of the mean over copies h, z_K(R) = |K|⁻¹ Σ_h z(hR): tr(Pᵀ M P) over all sectors.

    The average acts on the left index of the coefficients alone, a ↦ Pᵀ a with P = |K|⁻¹ Σ_h D(h),
    D(−h) = σ(−1)^λ D(h), so the products M of that index with itself are all that is needed.

    :param left: M = (2λ+1) Σ_n a_mn a_m'n for each λ, [sigmas, 2λ+1, 2λ+1]
    :param matrices: [K, 3, 3]
    """
    signs = np.sign(np.linalg.det(matrices))
    representations = wigner_matrices(matrices * signs[:, None, None], len(left) - 1)
    total = 0.0
    for degree, part in enumerate(coefficient_slices(len(left) - 1)):
        for i, products in enumerate(left[degree]):
            if degree == i == 0:  # the symmetric part
                continue
            parity = (-1) ** (degree + i)  # σ(−1)^λ, σ = +1 first
            factors = np.where(signs > 0, 1.0, parity) / len(matrices)
            mean = (factors @ representations[:, part]).reshape(products.shape)
            total += float(np.einsum("mk,mn,nk->", mean, products, mean))
    return max(total, 0.0)
