"""What the average over a set of rotated copies will leave, from one measurement."""

from __future__ import annotations

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.group.wigner import coefficient_slices, wigner_matrices

__all__ = ["SETS", "candidates", "copies_of", "remaining", "sets_of"]

SETS = ("octahedral", "octahedral/inversion", "icosahedral", "icosahedral/inversion")
"""The engine's sets that serve any structure, of 24, 48, 60 and 120 copies."""
_GRIDS = tuple(f"lebedev:{degree}" for degree in range(6, 12))
"""Grids that do more than the groups, up to 600 copies."""


def sets_of(inversion: bool) -> tuple[str, ...]:
    """Those of :data:`SETS` that a measurement says something about.

    :param inversion: whether it covered mirror images
    """
    return SETS if inversion else tuple(name for name in SETS if "inversion" not in name)


def candidates(lmax: int, inversion: bool) -> list[str]:
    """Sets to choose from, by ascending number of copies.

    :param lmax: up to which λ is known what a set would leave; what a grid of that degree leaves is
        beyond it, so only smaller ones are here
    :param inversion: also sets with mirror images
    """
    names = list(sets_of(inversion))
    for grid in _GRIDS:
        if int(grid.partition(":")[2]) < lmax:
            names += [grid, f"{grid}/inversion"] if inversion else [grid]
    return sorted(names, key=lambda name: len(copies_of(name)[0]))


def copies_of(copies: str | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrices of a set of copies, and the weight of each.

    :param copies: a name as for ``symmetrize``, or matrices [K, 3, 3], which count alike
    :returns: matrices [K, 3, 3] and weights [K] of sum 1
    :raises ArgumentError: there is no such set, or these are no orthogonal matrices
    """
    if isinstance(copies, str):
        from md_bridge.engine import EngineError, rotation_set

        try:
            matrices, weights = rotation_set(copies)
        except EngineError as error:
            raise ArgumentError(
                "copies", f"must be a set for the keyword symmetrize: {error}"
            ) from None
        if len(matrices) == 0:
            raise ArgumentError(
                "copies", f"must be a set of several, such as {SETS[0]}; found {copies!r}"
            )
        return matrices, weights
    matrices = np.asarray(copies, dtype=float)
    if matrices.ndim != 3 or matrices.shape[1:] != (3, 3) or len(matrices) == 0:
        raise ArgumentError("copies", f"must be [K, 3, 3], found shape {list(matrices.shape)}")
    if np.abs(matrices @ np.swapaxes(matrices, 1, 2) - np.eye(3)).max() > 1e-8:
        raise ArgumentError("copies", "must be orthogonal matrices")
    return matrices, np.full(len(matrices), 1 / len(matrices))


def remaining(left: list[np.ndarray], matrices: np.ndarray, weights: np.ndarray) -> float:
    """A² of the mean over copies h, z_K(R) = Σ_h w_h z(hR): tr(Pᵀ M P) over all sectors.

    The average acts on the left index of the coefficients alone, a ↦ Pᵀ a with P = Σ_h w_h D(h),
    D(−h) = σ(−1)^λ D(h), so the products M of that index with itself are all that is needed.

    :param left: M = (2λ+1) Σ_n a_mn a_m'n for each λ, [sigmas, 2λ+1, 2λ+1]
    :param matrices: [K, 3, 3]
    :param weights: [K], of sum 1
    """
    signs = np.sign(np.linalg.det(matrices))
    representations = wigner_matrices(matrices * signs[:, None, None], len(left) - 1)
    total = 0.0
    for degree, part in enumerate(coefficient_slices(len(left) - 1)):
        for i, products in enumerate(left[degree]):
            if degree == i == 0:  # the symmetric part
                continue
            parity = (-1) ** (degree + i)  # σ(−1)^λ, σ = +1 first
            factors = np.where(signs > 0, 1.0, parity) * weights
            mean = (factors @ representations[:, part]).reshape(products.shape)
            total += float(np.einsum("mk,mn,nk->", mean, products, mean))
    return max(total, 0.0)
