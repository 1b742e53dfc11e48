"""How smooth a potential is, from how the drift of its dynamics falls with the time step.

For velocity Verlet and a potential whose derivatives are bounded up to order N + 1,

    |E(r_T) - E(r_0)| <= C dt^2 + C_N dt^N T,    T <= dt^(-N)

(E. Hairer, C. Lubich and G. Wanner, Acta Numerica 12, 399 (2003); eq. 2 of eSEN, X. Fu et al.,
arXiv:2502.12147). The first term is a fluctuation that stays bounded whatever the potential, the
second one is the drift, and how fast it falls with the step says how smooth the potential is.

Where the k-th derivative jumps, each crossing of the place kicks the energy by an amount in
proportion to dt^k whose sign is that of chance, so the energy walks at random: its size after T
is the square root of 2 D T with D in proportion to dt^(2 k), and N = k. Jumps of the energy
itself, and forces that have no potential, have N = 0.

Two things make that visible in runs of thousands of steps. The bounded term is taken off to its
leading order: what is looked at is the energy that velocity Verlet conserves to order dt^4,
:func:`shadow_energy`. And of what is left only the slowest cosines count, in which a walk is large
and what is bounded small, see :mod:`md_bridge.drift.judging.heating`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from md_bridge.drift.judging.heating import slow_cosines
from md_bridge.drift.judging.line import checked_series

__all__ = [
    "FEWEST_SAMPLES",
    "LIMIT",
    "DriftExponent",
    "Smoothness",
    "drift_exponent",
    "shadow_energy",
    "white_noise",
]

LIMIT = 2.0
"""Exponent of the bounded fluctuation. A drift that falls faster loses against it, the more the
smaller the step; one that falls more slowly wins."""

MODES = 24
"""The slowest cosines, whose mean square is the diffusion constant of a walk."""

FEWEST_SAMPLES = 4 * MODES
"""Of a run: four for each cosine."""

# Round-off that makes up more than this share of the wandering at the smallest step hides it.
_LARGEST_SHARE = 0.3
# Variance of white noise after four differences: 1² + 4² + 6² + 4² + 1²
_FOURTH_DIFFERENCE = 70.0
_NORMAL_95 = 1.959964

Array = NDArray[np.float64]


class Smoothness(str, Enum):
    """What the exponent says."""

    SMOOTH = "smooth"
    NOT_SMOOTH = "not smooth"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class DriftExponent:
    """Exponent N of drift ∝ δt^N."""

    exponent: float
    stderr: float
    timesteps: tuple[float, ...]
    diffusion: tuple[float, ...]
    """D of the walk of the energy at each step, with a steady drift in it and without the share of
    round-off: square of the unit of energy over that of time."""
    round_off_share: float
    """Of round-off in D at the smallest step."""

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval of the exponent."""
        return _NORMAL_95 * self.stderr

    @property
    def hidden(self) -> bool:
        """Whether round-off hides the drift at the smallest step."""
        return self.round_off_share > _LARGEST_SHARE

    @property
    def verdict(self) -> Smoothness:
        """Smooth if the whole 95 % interval lies above 2, not smooth if it lies below."""
        if self.hidden or not math.isfinite(self.exponent):
            return Smoothness.INCONCLUSIVE
        if self.exponent - self.half_width > LIMIT:
            return Smoothness.SMOOTH
        if self.exponent + self.half_width < LIMIT:
            return Smoothness.NOT_SMOOTH
        return Smoothness.INCONCLUSIVE


def shadow_energy(
    kinetic: ArrayLike, potential: ArrayLike, squared_forces: ArrayLike, timestep: float
) -> Array:
    """The energy that velocity Verlet conserves to fourth order in the step.

    H + dt² (v·V''v / 12 − F²/m / 24), the modified Hamiltonian of the method to second order (E.
    Hairer, C. Lubich and G. Wanner, Acta Numerica 12, 399 (2003), section 4). With d²V/dt² =
    v·V''v − F²/m, from second differences of V, no second derivatives are needed (as R. D. Engel,
    R. D. Skeel and M. Drees, J. Comput. Phys. 206, 432 (2005), do to higher orders):

        H + (V(t + dt) − 2 V(t) + V(t − dt)) / 12 + dt² F²/m / 24.

    :param kinetic: of every step, shape (n,)
    :param potential: likewise
    :param squared_forces: Σ F_i²/m_i, likewise, energy over time squared
    :param timestep: in the unit of time of ``squared_forces``
    :returns: shape (n − 2,): first and last step have no second difference
    :raises ValueError: fewer than three steps, or arrays that do not match
    """
    k, v, f = (np.asarray(a, dtype=np.float64) for a in (kinetic, potential, squared_forces))
    if not (k.ndim == 1 and k.shape == v.shape == f.shape and len(k) >= 3):
        raise ValueError(
            "expected kinetic energy, potential energy and squared forces of three steps at least, "
            f"found shapes {k.shape}, {v.shape} and {f.shape}"
        )
    second = v[2:] - 2 * v[1:-1] + v[:-2]
    return (k + v)[1:-1] + second / 12 + timestep**2 * f[1:-1] / 24


def drift_exponent(
    timesteps: Sequence[float],
    times: Sequence[ArrayLike],
    energies: Sequence[ArrayLike],
    round_off: Sequence[float] | None = None,
) -> DriftExponent:
    """The exponent N, from runs of one length and one start at several time steps.

    D of each run is the mean square of its 24 slowest cosines, chi-squared distributed with as many
    degrees of freedom for a random walk; N is half the slope of ln D over ln δt, and its standard
    error that of independent runs (runs from one start are alike at first, which makes it smaller).
    A steady drift counts as wandering, so forces without a potential have N = 0, with too large an
    error.

    :param timesteps: one a run, at least two different ones
    :param times: of the samples of each run, shapes (n_i,), evenly spaced, over the same stretch
    :param energies: of each run, shapes (n_i,): :func:`shadow_energy`, or H
    :param round_off: D that the round-off of the forces causes in each run; None: none. That of the
        energies is found in them
    :raises ValueError: fewer than 96 samples in a run, or arrays that do not match
    """
    if not len(timesteps) == len(times) == len(energies) or len(set(timesteps)) < 2:
        raise ValueError("expected times and energies of each of two time steps at least")
    floors = np.zeros(len(timesteps)) if round_off is None else np.asarray(round_off, dtype=float)
    found = np.array([_diffusion(t, y) for t, y in zip(times, energies, strict=True)])
    smallest = int(np.argmin(timesteps))
    noise = white_noise(energies[smallest])
    floors = floors + [_diffusion_of_noise(noise, np.asarray(t, dtype=float)) for t in times]
    share = float(floors[smallest] / found[smallest]) if found[smallest] > 0 else 1.0
    # half is left in any case: the verdict is inconclusive long before
    walk = np.maximum(found - floors, 0.5 * found)
    if not np.all(walk > 0):
        exponent, stderr = math.nan, math.inf
    else:
        x = np.log(np.asarray(timesteps, dtype=float))
        x = x - x.mean()
        exponent = float(x @ np.log(walk) / (x @ x)) / 2
        of_logarithm = float(special.polygamma(1, MODES / 2))
        stderr = 0.5 * math.sqrt(of_logarithm / float(x @ x))
    return DriftExponent(exponent, stderr, tuple(timesteps), tuple(walk.tolist()), share)


def white_noise(values: ArrayLike) -> float:
    """Root mean square of the noise of a series that is smooth otherwise: what is left of it after
    four differences, which take away all that changes slowly from sample to sample.

    :param values: shape (n,), n >= 5, evenly spaced, in any unit
    :returns: in the unit of the values
    """
    return float(np.sqrt(np.mean(np.diff(np.asarray(values, float), 4) ** 2) / _FOURTH_DIFFERENCE))


def _diffusion(time: ArrayLike, values: ArrayLike) -> float:
    t, y = checked_series(time, values)
    if len(t) < FEWEST_SAMPLES:
        raise ValueError(
            f"{len(t)} samples are too few, expected {FEWEST_SAMPLES} at least: run longer"
        )
    return float(np.mean(slow_cosines(y - y[0], _length(t), MODES) ** 2))


def _diffusion_of_noise(noise: float, time: Array) -> float:
    """What :func:`_diffusion` makes of white noise, on average."""
    k = np.arange(1, MODES + 1)
    return float(np.mean((k * np.pi) ** 2) * noise**2 / (2 * len(time) * _length(time)))


def _length(time: Array) -> float:
    return float(time[-1] - time[0]) * len(time) / (len(time) - 1)
