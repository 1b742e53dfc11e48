"""Real spherical harmonics of degrees 0 to 3 as polynomials of a unit vector, and their slopes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["LARGEST_DEGREE", "exponents", "gradient_matrix", "harmonic_matrix"]

LARGEST_DEGREE = 3

Polynomial = dict[tuple[int, int, int], float]
"""Coefficients by the exponents of x, y and z."""


def exponents(degree: int) -> list[tuple[int, int, int]]:
    """The monomials xⁱ yʲ zᵏ of all degrees up to one: 1; x, y, z; xx, xy, xz, yy, yz, zz; …

    :param degree: the largest
    :returns: (i, j, k) of each
    """
    return [
        (i, j, total - i - j)
        for total in range(degree + 1)
        for i in range(total, -1, -1)
        for j in range(total - i, -1, -1)
    ]


def harmonic_matrix(degree: int) -> Tensor:
    """Which sums of monomials are the harmonics: ``monomials @ matrix``.

    The harmonics of degree l are homogeneous polynomials of degree l, normalised so that the mean
    of the square of each over the sphere is 1; there are (degree + 1)² in all.

    :param degree: the largest, at most :data:`LARGEST_DEGREE`
    :returns: ``[monomials, harmonics]``, float64
    """
    row = {powers: index for index, powers in enumerate(exponents(degree))}
    polynomials = _polynomials()[: (degree + 1) ** 2]
    matrix = torch.zeros(len(row), len(polynomials), dtype=torch.float64)
    for column, polynomial in enumerate(polynomials):
        for powers, coefficient in polynomial.items():
            matrix[row[powers], column] = coefficient
    return matrix


def gradient_matrix(degree: int) -> Tensor:
    """Which sums of monomials are the slopes of the harmonics along x, y and z.

    :param degree: the largest, at most :data:`LARGEST_DEGREE`
    :returns: ``[monomials of one degree less, 3 × harmonics]``, float64; the slopes of all
        harmonics along x come first
    """
    below = exponents(max(degree - 1, 0))
    row = {powers: index for index, powers in enumerate(below)}
    polynomials = _polynomials()[: (degree + 1) ** 2]
    matrix = torch.zeros(len(row), 3, len(polynomials), dtype=torch.float64)
    for column, polynomial in enumerate(polynomials):
        for powers, coefficient in polynomial.items():
            for axis in range(3):
                if powers[axis] > 0:
                    lower = list(powers)
                    lower[axis] -= 1
                    i, j, k = lower
                    matrix[row[i, j, k], axis, column] += coefficient * powers[axis]
    return matrix.flatten(1)


def _polynomials() -> list[Polynomial]:
    s3, s5, s15 = math.sqrt(3), math.sqrt(5), math.sqrt(15)
    a, b, c, d = math.sqrt(35 / 8), math.sqrt(105), math.sqrt(21 / 8), math.sqrt(7) / 2
    return [
        {(0, 0, 0): 1.0},
        {(1, 0, 0): s3},
        {(0, 1, 0): s3},
        {(0, 0, 1): s3},
        {(1, 1, 0): s15},
        {(0, 1, 1): s15},
        {(1, 0, 1): s15},
        {(2, 0, 0): s15 / 2, (0, 2, 0): -s15 / 2},
        {(0, 0, 2): s5, (2, 0, 0): -s5 / 2, (0, 2, 0): -s5 / 2},
        {(2, 1, 0): 3 * a, (0, 3, 0): -a},
        {(1, 1, 1): b},
        {(0, 1, 2): 4 * c, (2, 1, 0): -c, (0, 3, 0): -c},
        {(0, 0, 3): 2 * d, (2, 0, 1): -3 * d, (0, 2, 1): -3 * d},
        {(1, 0, 2): 4 * c, (3, 0, 0): -c, (1, 2, 0): -c},
        {(2, 0, 1): b / 2, (0, 2, 1): -b / 2},
        {(3, 0, 0): a, (1, 2, 0): -3 * a},
    ]
