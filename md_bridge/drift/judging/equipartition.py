"""Mean kinetic temperature of each element, with errors: does one run hot?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.judging.line import Estimate, mean_estimate
from md_bridge.drift.judging.replicas import combine_estimates

__all__ = [
    "ElementTemperature",
    "degrees_of_freedom",
    "element_temperatures",
]


@dataclass(frozen=True)
class ElementTemperature:
    """One element of one method, over all replicas."""

    element: str
    mean: Estimate
    """Mean kinetic temperature (K)."""
    ratio: Estimate
    """Mean kinetic temperature of the element over that of all atoms; 1 by equipartition."""


def element_temperatures(
    by_element: Sequence[Mapping[str, NDArray[np.float64]]],
    of_all: Sequence[NDArray[np.float64]],
) -> tuple[ElementTemperature, ...]:
    """Mean kinetic temperatures of the elements that all replicas have, by symbol.

    The error of the ratio r = <T_el>/<T> is that of the mean of (T_el - r T)/<T>, to first order,
    so that what all elements share (the swing between kinetic and potential energy) cancels.

    :param by_element: of each replica, the kinetic temperatures of each element, shape (n,), K
    :param of_all: of each replica, the kinetic temperature of all atoms, shape (n,), K
    :returns: empty if the replicas share no element
    """
    shared = set.intersection(*(set(replica) for replica in by_element))
    return tuple(
        ElementTemperature(
            element,
            combine_estimates([mean_estimate(replica[element]) for replica in by_element]),
            combine_estimates(
                [
                    _ratio(replica[element], temperature)
                    for replica, temperature in zip(by_element, of_all, strict=True)
                ]
            ),
        )
        for element in sorted(shared)
    )


def degrees_of_freedom(masses: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
    """Kinetic degrees of freedom of some atoms of a system whose total momentum is zero.

    The centre of mass at rest takes from each atom the share of its mass: an atom of mass m has the
    mean kinetic energy (3/2) kT (1 - m/M), M the mass of all. Over all atoms that makes 3N - 3.

    :param masses: of all atoms, shape (N,)
    :param chosen: mask of shape (N,)
    """
    return float(3 * np.count_nonzero(chosen) - 3 * masses[chosen].sum() / masses.sum())


def _ratio(of_element: NDArray[np.float64], of_all: NDArray[np.float64]) -> Estimate:
    mean = float(np.mean(of_all))
    ratio = float(np.mean(of_element)) / mean
    residual = mean_estimate((of_element - ratio * of_all) / mean)
    return Estimate(ratio, residual.stderr, residual.degrees_of_freedom)
