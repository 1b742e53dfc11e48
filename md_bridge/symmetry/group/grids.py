"""Quadratures over the rotations of space, with or without inversion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.spatial.transform import Rotation

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.group.wigner import LEBEDEV_DEGREES, lebedev_degree

__all__ = ["O3Grid", "checked_grid", "o3_grid", "random_elements"]


@dataclass(frozen=True, eq=False)
class O3Grid:
    """Rotations and weights, and, where ``inversion``, each rotation times −1 as well.

    :ivar proper: rotations [P, 3, 3] of determinant 1
    :ivar proper_weights: [P], of sum 1
    :ivar degree: products of functions on the group are integrated exactly as long as their
        angular momenta add up to no more than this
    :ivar inversion: whether the grid covers O(3); else SO(3)
    """

    proper: np.ndarray
    proper_weights: np.ndarray
    degree: int
    inversion: bool = True

    @property
    def cosets(self) -> int:
        """How many copies there are of each rotation: 2 with inversion, else 1."""
        return 2 if self.inversion else 1

    @cached_property
    def rotations(self) -> np.ndarray:
        """All matrices, [G, 3, 3]: the rotations, then each of them times −1 in the same order."""
        return np.concatenate([self.proper, -self.proper]) if self.inversion else self.proper

    @cached_property
    def weights(self) -> np.ndarray:
        """Of :attr:`rotations`, [G], of sum 1."""
        both = np.concatenate([self.proper_weights] * 2) / 2
        return both if self.inversion else self.proper_weights

    def __len__(self) -> int:
        return len(self.proper) * self.cosets


def o3_grid(degree: int, inversion: bool = True) -> O3Grid:
    """Lebedev's points of the sphere × equispaced in-plane angles: exact up to a degree.

    Of the Euler angles z–y–z the first two are a point of the smallest Lebedev rule of at least
    this degree with positive weights (Lebedev and Laikov, Dokl. Math. 59, 477 (1999), from scipy),
    the third is one of degree + 1 angles.

    :param degree: D, 0 to 131; a matrix element D^λ_mn of λ ≤ D is integrated exactly, so the
        square of a function with angular momenta up to D/2 is
    :param inversion: cover O(3), with twice the copies; else the proper rotations only
    :raises ArgumentError: the degree is no such number
    """
    largest = LEBEDEV_DEGREES[-1]
    if not isinstance(degree, int | np.integer) or not 0 <= degree <= largest:
        raise ArgumentError("degree", f"must be a whole number from 0 to {largest}, found {degree}")
    points, weights = lebedev_rule(lebedev_degree(int(degree)))
    x, y, z = points
    azimuth, polar = np.arctan2(y, x), np.arccos(np.clip(z, -1.0, 1.0))
    turns = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    angles = [
        np.repeat(azimuth, len(turns)),
        np.repeat(polar, len(turns)),
        np.tile(turns, len(weights)),
    ]
    rotations = Rotation.from_euler("ZYZ", np.stack(angles, axis=1)).as_matrix()
    shares = np.repeat(weights / weights.sum(), len(turns)) / len(turns)
    return O3Grid(rotations, shares, int(degree), inversion)


def checked_grid(grid: O3Grid | None, lmax: int) -> O3Grid:
    """A grid that tells angular momenta up to lmax apart.

    :param grid: None: ``o3_grid(2 * lmax)``, the least that does
    :param lmax: the largest angular momentum
    :raises ArgumentError: lmax is no whole number of 0 or more, or the grid is too coarse for it
    """
    if not isinstance(lmax, int | np.integer) or lmax < 0:
        raise ArgumentError("lmax", f"must be a whole number, 0 or more, found {lmax}")
    grid = o3_grid(2 * int(lmax)) if grid is None else grid
    if grid.degree < 2 * lmax:
        raise ArgumentError(
            "grid",
            f"of degree {grid.degree} resolves angular momenta up to {grid.degree // 2}, found "
            f"lmax = {lmax}: use o3_grid({2 * lmax}) or a smaller lmax",
        )
    return grid


def random_elements(count: int, inversion: bool = True, seed: int = 0) -> np.ndarray:
    """Random elements of O(3) or SO(3), uniform; the same ones for the same seed.

    :param count: how many
    :param inversion: every second one has determinant −1
    :param seed: of the random numbers
    :returns: [count, 3, 3]
    """
    matrices = Rotation.random(count, np.random.default_rng(seed)).as_matrix()
    if inversion:
        matrices[1::2] *= -1
    return matrices
