"""Strained cells of a crystal, and the slope of the stress in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.statics.elastic.settings import ElasticRequest
from md_bridge.statics.elastic.tensors import VOIGT, full_strain, voigt_stress

__all__ = ["Point", "fit", "points_of", "strained"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A strain with one component."""

    component: int
    """J of e_J, 0 to 5; −1 for no strain at all."""
    size: float


def points_of(request: ElasticRequest) -> list[Point]:
    """No strain, and then each component with all sizes and both signs.

    :param request: with the sizes
    """
    points = [Point(-1, 0.0)]
    for component, (j, k) in enumerate(VOIGT):
        sizes = request.normal if j == k else request.shear
        points += [Point(component, sign * size) for size in sizes for sign in (-1.0, 1.0)]
    return points


def strained(atoms: Atoms, point: Point) -> Atoms:
    """A crystal in a strained cell, its atoms moved along: r' = (1 + ε) r with a symmetric ε.

    Constraints are left out: atoms that are held are not at rest in a strained cell.

    :param atoms: Å
    :param point: the strain
    """
    copy: Atoms = atoms.copy()
    copy.calc = None
    copy.set_constraint()
    if point.component >= 0:
        deformation = np.eye(3) + full_strain(point.component, point.size)
        copy.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return copy


def fit(points: Sequence[Point], stresses: Array, degree: int) -> tuple[Array, Array]:
    """Slopes ∂σ_I/∂e_J at no strain, of a polynomial for each I and J by least squares, and their
    standard errors from what is left of all six components.

    :param points: strains, that of no strain among them
    :param stresses: [points, 3, 3], any unit
    :param degree: of the polynomials
    :returns: slopes and errors, [6, 6] each
    """
    values = voigt_stress(np.asarray(stresses))
    slopes, errors = np.empty((6, 6)), np.empty((6, 6))
    for component in range(6):
        chosen = [n for n, point in enumerate(points) if point.component in (-1, component)]
        sizes = np.array([points[n].size for n in chosen])
        largest = np.abs(sizes).max()
        powers = np.vander(sizes / largest, degree + 1, increasing=True)
        found, *_ = np.linalg.lstsq(powers, values[chosen], rcond=None)
        left = values[chosen] - powers @ found
        freedom = left.shape[1] * (len(chosen) - degree - 1)
        variance = float(np.sum(left**2)) / freedom
        spread = np.sqrt(variance * np.linalg.inv(powers.T @ powers)[1, 1])
        slopes[:, component] = found[1] / largest
        errors[:, component] = spread / largest
    return slopes, errors
