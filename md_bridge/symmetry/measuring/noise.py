"""How exactly a function is computed: the part of its values that is rounding."""

from __future__ import annotations

import math

import numpy as np

from md_bridge.symmetry.measuring.calls import Calls, Outputs
from md_bridge.symmetry.group.grids import random_elements

__all__ = ["noise_variances"]

_STEP = 1e-6
"""Of the displacements, relative to the coordinates: several units of single precision, while the
fourth differences of a smooth function vanish even in double precision."""
_POINTS = 8
_FRAMES = 3
_ORDER = 4


def noise_variances(calls: Calls, inversion: bool = True) -> Outputs:
    """Variance of the rounding of each component of each output, from difference tables.

    Each frame of a few is displaced by equal tiny steps along a random direction. The fourth
    differences of a smooth function vanish there, and those of independent noise of variance s²
    have the variance s² (2k)!/(k!)², k = 4 (Moré and Wild, SIAM J. Sci. Comput. 33, 1292 (2011)).
    This holds in any precision and asks for no invariance; the scale of the rounding of the
    results is taken where it is larger.

    :param calls: the function and its points
    :param inversion: one of the frames is mirrored
    :returns: for each name an array of the shape of the output, in its unit squared
    """
    generator = np.random.default_rng(0)
    total: Outputs = {}
    for matrix in random_elements(_FRAMES, inversion):
        steps = _STEP * np.arange(_POINTS)
        copies = []
        for array in calls.arrays:
            turned = array @ matrix.T
            direction = generator.standard_normal(turned.shape) * np.abs(turned).max()
            copies.append(turned + np.multiply.outer(steps, direction))
        for name, values in calls.of(copies).items():
            differences = np.diff(values, _ORDER, axis=0)
            factor = math.factorial(_ORDER) ** 2 / math.factorial(2 * _ORDER)
            found = factor * np.mean(differences**2, axis=0)
            least = (calls.epsilon[name] * np.abs(values[0])) ** 2
            total[name] = total.get(name, 0.0) + np.maximum(found, least) / _FRAMES
    return total
