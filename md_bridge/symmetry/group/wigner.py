"""Representation matrices of rotations on real spherical harmonics."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.spatial.transform import Rotation
from scipy.special import sph_harm_y_all

__all__ = ["LEBEDEV_DEGREES", "coefficient_slices", "lebedev_degree", "wigner_matrices"]

# all that scipy has, but for those with negative weights (13, 25, 27), which can make the mean of
# a square negative
LEBEDEV_DEGREES = (
    *(3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 29, 31, 35, 41, 47, 53, 59, 65, 71, 77, 83, 89),
    *(95, 101, 107, 113, 119, 125, 131),
)
"""Degrees of the Lebedev rules in use, all with positive weights."""


def lebedev_degree(degree: int) -> int:
    """The smallest Lebedev rule that integrates spherical harmonics up to a degree exactly.

    :param degree: at most 131
    :returns: its own degree, one of :data:`LEBEDEV_DEGREES`
    """
    return next(each for each in LEBEDEV_DEGREES if each >= degree)


def coefficient_slices(lmax: int) -> list[slice]:
    """Where the (2λ+1)² matrix elements of each λ are in a row of :func:`wigner_matrices`.

    :param lmax: the largest λ
    """
    ends = np.cumsum([(2 * degree + 1) ** 2 for degree in range(lmax + 1)])
    return [slice(end - (2 * i + 1) ** 2, end) for i, end in enumerate(int(e) for e in ends)]


def wigner_matrices(rotations: np.ndarray, lmax: int) -> np.ndarray:
    """D^λ(R) of rotations for λ = 0 to lmax, on real spherical harmonics: Y(R p) = D(R) Y(p).

    With the Euler angles z–y–z, D = Z(α) K Z(β) Kᵀ Z(γ): Z mixes the orders ±m only, and K belongs
    to the rotation that takes the axis z to y (Pinchon and Hoggan, J. Phys. A 40, 1597 (2007)).

    :param rotations: [G, 3, 3], of determinant 1
    :param lmax: the largest λ
    :returns: [G, Σ(2λ+1)²]: the matrices one after the other (:func:`coefficient_slices`), each row
        by row
    """
    with warnings.catch_warnings():  # at the poles α + γ alone counts, which scipy says and minds
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles = Rotation.from_matrix(rotations).as_euler("ZYZ")
    blocks = []
    for degree, tilt in enumerate(_tilts(lmax)):
        first, middle, last = (_about_z(angle, degree) for angle in angles.T)
        matrices = first @ (tilt @ middle @ tilt.T) @ last
        blocks.append(matrices.reshape(len(rotations), -1))
    return np.concatenate(blocks, axis=1)


def _about_z(angles: np.ndarray, degree: int) -> np.ndarray:
    """Matrices of rotations about z, [G, 2λ+1, 2λ+1]: cosines on the diagonal, sines across."""
    orders = np.arange(-degree, degree + 1)
    turns = np.multiply.outer(angles, orders)
    matrices = np.zeros((len(angles), len(orders), len(orders)))
    index = orders + degree
    matrices[:, index, index[::-1]] = -np.sin(turns)
    matrices[:, index, index] = np.cos(turns)
    return matrices


@lru_cache(maxsize=4)
def _tilts(lmax: int) -> list[np.ndarray]:
    """K of each λ: D_mn(R) = ∫ Y_m(R p) Y_n(p) dp, by a Lebedev rule that is exact for it."""
    nodes, weights = lebedev_rule(lebedev_degree(2 * lmax))
    turned = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]) @ nodes
    products = _real_harmonics(turned.T, lmax).T @ (
        weights[:, None] * _real_harmonics(nodes.T, lmax)
    )
    parts = [slice(degree**2, (degree + 1) ** 2) for degree in range(lmax + 1)]
    return [products[part, part] for part in parts]


def _real_harmonics(points: np.ndarray, lmax: int) -> np.ndarray:
    """Orthonormal real spherical harmonics of unit vectors [..., 3], as [..., (lmax+1)²]."""
    polar = np.arccos(np.clip(points[..., 2], -1.0, 1.0))
    azimuth = np.arctan2(points[..., 1], points[..., 0])
    # [degree, order, ...]; negative orders are at the end of the second axis
    complex_ones = sph_harm_y_all(lmax, lmax, polar, azimuth)
    columns = []
    for degree in range(lmax + 1):
        for order in range(-degree, degree + 1):
            value = complex_ones[degree, abs(order)]
            part = value.imag if order < 0 else value.real
            columns.append(part if order == 0 else np.sqrt(2.0) * (-1) ** order * part)
    return np.stack(columns, axis=-1)
