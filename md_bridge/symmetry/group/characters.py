"""Characters of the rotations: traces of their matrices, without the matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["relative_characters"]


def relative_characters(left: np.ndarray, right: np.ndarray, lmax: int) -> Iterator[np.ndarray]:
    """χ_λ(R R'⁻¹) of all pairs of rotations, for λ = 0, 1, … lmax.

    The angle θ between two rotations is known from tr R R'⁻¹ = 1 + 2 cos θ, and
    χ_λ = 1 + 2 Σ_{k ≤ λ} cos kθ, whose terms are Chebyshev polynomials of cos θ.

    :param left: R, [P, 3, 3], of determinant 1
    :param right: R', [Q, 3, 3], of determinant 1
    :param lmax: the largest λ
    :returns: one array [P, Q] after the other; each is overwritten by the next
    """
    traces = left.reshape(-1, 9) @ right.reshape(-1, 9).T
    cosines = np.clip((traces - 1.0) / 2.0, -1.0, 1.0)
    before, current = cosines, np.ones_like(cosines)  # cos(−θ), cos 0
    characters = np.ones_like(cosines)
    yield characters
    for _ in range(lmax):
        before, current = current, 2.0 * cosines * current - before
        characters += 2.0 * current
        yield characters
