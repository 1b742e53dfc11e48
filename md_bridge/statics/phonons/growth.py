"""Modes that grow by themselves: what forces without a potential do to a harmonic crystal.

Where ω² = a + ib is not real, a mode has the amplitude exp(±|Im ω| t), |Im ω| ≈ |b| / 2√a. In a
start of thermal equilibrium the growing and the decaying half of a mode have the same energy, so
that the energy of the mode is cosh(2 |Im ω| t) times what it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.dynamical_matrix import complex_frequencies, dynamical_matrices

__all__ = ["Growth", "measure_growth"]

Array = NDArray[np.float64]

_FINEST = 8
"""Wave vectors along each reciprocal vector: complex eigenvalues of more take long."""


@dataclass(frozen=True)
class Growth:
    """Of the modes on a mesh, those that are imaginary without that left out."""

    largest: float
    """|Im ω| of the fastest, 1/ps: its amplitude grows by a factor of e in the inverse of it."""
    frequency: float
    """Re ω/2π of the fastest, THz."""
    qpoint: tuple[float, float, float]
    """Of the fastest, fractional coordinates of the primitive cell's reciprocal lattice."""
    rms: float
    """Root mean square of |Im ω| over all modes, 1/ps."""
    heating: float
    """Kinetic energy of a harmonic crystal with these forces after 1 ps, in terms of the one that
    it began with: ⟨cosh(2 |Im ω| t)⟩."""

    @property
    def doubling(self) -> float:
        """Time in which the energy of the fastest mode doubles, ps; infinite if nothing grows."""
        return math.log(2.0) / (2.0 * self.largest) if self.largest > 0 else math.inf


def measure_growth(crystal: Crystal, compact: Array, mesh: int) -> Growth:
    """Growth rates of the raw D(q) on a mesh without Γ.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param compact: [n, N, 3, 3], eV/Å²
    :param mesh: wave vectors along each reciprocal vector; no more than eight are used
    """
    points = (np.arange(min(mesh, _FINEST)) + 0.5) / min(mesh, _FINEST) - 0.5
    qpoints = np.stack(np.meshgrid(points, points, points, indexing="ij"), axis=-1).reshape(-1, 3)
    found = complex_frequencies(dynamical_matrices(crystal, compact, qpoints))
    rates = np.where(found.real > np.abs(found.imag), 2.0 * np.pi * np.abs(found.imag), 0.0)
    fastest = np.unravel_index(int(np.argmax(rates)), rates.shape)
    q = qpoints[fastest[0]]
    return Growth(
        largest=float(rates[fastest]),
        frequency=float(found.real[fastest]),
        qpoint=(float(q[0]), float(q[1]), float(q[2])),
        rms=float(np.sqrt(np.mean(rates**2))),
        heating=float(np.mean(np.cosh(np.minimum(2.0 * rates, 700.0)))),
    )
