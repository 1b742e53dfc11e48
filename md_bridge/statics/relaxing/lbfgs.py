"""L-BFGS that goes downhill where the energy is curved the other way."""

from __future__ import annotations

import numpy as np
from ase.optimize import LBFGS
from numpy.typing import NDArray

__all__ = ["GuardedLBFGS"]

Array = NDArray[np.float64]

_LEAST_CURVATURE = 1e-3
"""eV/Å²: of a step along which the energy is curved by less, nothing is learned."""


class GuardedLBFGS(LBFGS):
    """ASE's L-BFGS without the steps s along which forces changed by y with s·y ≤ 0.

    L-BFGS finds where the gradient vanishes, and without a search along lines nothing tells it a
    minimum from a saddle. One step with s·y ≤ 0 in its memory, and what it makes of the gradient is
    no way down any more: it goes to a saddle, or back and forth between two points by the longest
    step that is allowed. With positive s·y alone its inverse of the second derivatives is positive
    (J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed., Springer 2006, section 7.2: the
    condition that a search along lines sees to).
    """

    def update(self, pos: Array, forces: Array, r0: Array | None, f0: Array | None) -> None:
        """Learn from the last step, if there is one and it can be learned from.

        :param pos: where it is now, all coordinates
        :param forces: there
        :param r0: where it was before
        :param f0: the forces there
        """
        if r0 is None or f0 is None:
            return
        step = pos - r0
        if step @ (f0 - forces) > _LEAST_CURVATURE * (step @ step):
            self.state.update(pos, -forces, r0, -f0)
        # of the pairs that are there it takes as many as there were steps
        self.state.iteration = len(self.state.s)
