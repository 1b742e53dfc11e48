"""How the checks measure differences; none of these passes over a NaN."""

from __future__ import annotations

import numpy as np

__all__ = ["relative", "rms", "worst"]


def rms(values: np.ndarray) -> float:
    """Root of the mean square; 0 of nothing.

    :param values: of any shape
    """
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def worst(*values: float) -> float:
    """The largest value; NaN if there is one, which Python's own ``max`` may pass over.

    :param values: at least one
    """
    return float(np.max(values))


def relative(difference: np.ndarray | float, scale: np.ndarray | float) -> float:
    """Largest difference over the rms of the scale, which is taken as 1e-8 at least.

    :param difference: of any shape
    :param scale: of any shape
    """
    largest = float(np.max(np.abs(difference), initial=0.0))
    return largest / max(rms(np.atleast_1d(scale)), 1e-8)
