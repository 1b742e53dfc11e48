"""How fast a run heats on average, from how far its conserved quantity wanders.

Velocity Verlet and multiple time stepping are maps that preserve phase-space volume, whatever
function of the positions the forces are. Over starts from the canonical distribution of H they
therefore give exactly

    < exp(-dH / kT) > = 1

(M. Creutz, Phys. Rev. D 38, 1228 (1988); R. M. Neal, Handbook of Markov Chain Monte Carlo, chapter
5 (2011)), which is Jarzynski's equality with the change dH of H as the work (D. A. Sivak, J. D.
Chodera and G. E. Crooks, Phys. Rev. X 3, 011007 (2013)). To second order < dH > = < dH^2 > / 2kT:
kicks that make H wander as a random walk with the diffusion constant D heat at the mean rate D/kT.
A single run measures D much better than its slope, as long as it heats by less than some kT.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray
from scipy import special

from md_bridge.drift.judging.line import LineFit, checked_series, widened

__all__ = [
    "Heating",
    "Rate",
    "agree",
    "combine_heating",
    "heating_rate",
    "slow_cosines",
    "with_walk_error",
]

# The slowest cosines in a run. The more of them, the smaller the error, and the more of the bounded
# fluctuations of H is in them, so each number is tried; at least four samples a cosine.
_MODES = (12, 24, 48)
_FEWEST_SAMPLES = 32
# One-sided, for each number of cosines: the lowest of three bounds holds in 97.3 % of cases
# (simulated), so that both bounds together are an interval of about 95 %.
_BOUND = 0.99
# Chance that slope and heating rate of a random walk are called contradictory.
_CONTRADICTION = 0.001
_MEV = 1000.0


@dataclass(frozen=True)
class Rate:
    """A mean heating rate per atom, meV/atom/ps, that is chi-squared distributed."""

    value: float
    degrees_of_freedom: float

    @property
    def low(self) -> float:
        """Below the truth in 99 % of random walks."""
        return self._bound(1 - _BOUND)

    @property
    def high(self) -> float:
        """Above the truth in 99 % of random walks, and more often if H has other fluctuations."""
        return self._bound(_BOUND)

    def _bound(self, quantile: float) -> float:
        freedom = self.degrees_of_freedom
        return self.value * freedom / float(special.chdtri(freedom, quantile))


@dataclass(frozen=True)
class Heating:
    """The mean heating rate that the wandering of H implies, meV/atom/ps."""

    rates: tuple[Rate, ...]
    """From 12, 24 and 48 slow cosines, as far as there are samples for them."""

    @property
    def best(self) -> Rate:
        """The one with the lowest upper bound."""
        return min(self.rates, key=lambda rate: rate.high)

    @property
    def rate(self) -> float:
        """Mean heating rate (meV/atom/ps)."""
        return self.best.value

    @property
    def low(self) -> float:
        """Lower end of its interval of 95 %; no bound where H has fluctuations as slow as the
        run."""
        return self.best.low

    @property
    def high(self) -> float:
        """Upper end of its interval of 95 %."""
        return self.best.high


def heating_rate(
    time_ps: ArrayLike, per_atom: ArrayLike, temperature: float, atom_count: int
) -> Heating | None:
    """The mean heating rate D/kT of a run whose H wanders with the diffusion constant D.

    The cosines a_k = sqrt(2) <H cos(k pi t/T)> of a random walk with a steady drift are independent
    normal numbers, of variance 2 D T/(k pi)^2 about those of a line. So D is the residual variance
    of a linear regression of a_k k pi/sqrt(2 T), k = 1 to K, on what a line gives, with K - 1
    degrees of freedom; a steady drift does not count. Noise that stays bounded and forgets within
    the run has the less share in it the smaller k is, and makes D too large, never too small. Of K
    = 12, 24 and 48 that with the lowest upper bound counts.

    In a run of one energy the rate is D/kT + dD/dE. If D goes as a power a of the temperature, that
    is a/(3N - 3) or less of it more: neglected.

    :param time_ps: shape (n,), ps, evenly spaced
    :param per_atom: H/N, shape (n,), meV/atom
    :param temperature: mean kinetic temperature of the run, K
    :param atom_count: number of atoms N
    :returns: None below 32 samples, or at no temperature
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`
    """
    time, values = checked_series(time_ps, per_atom)
    count = len(time)
    if count < _FEWEST_SAMPLES or not temperature > 0:
        return None
    length = float(time[-1] - time[0]) * count / (count - 1)
    most = max(_MODES[0], max(modes for modes in (0, *_MODES) if modes <= count / 4))
    line, series = (slow_cosines(y, length, most) for y in (time, values))
    scale = atom_count / (_MEV * units.kB * temperature)
    return Heating(
        tuple(
            Rate(scale * _residual_variance(line[:modes], series[:modes]), modes - 1.0)
            for modes in _MODES
            if modes <= most
        )
    )


def with_walk_error(
    line: LineFit, heating: Heating, length_ps: float, temperature: float, atom_count: int
) -> LineFit:
    """The line with at least the error that the slope of a random walk has, sqrt(6/5 2 D/T).

    :param line: through H/N, its slope in meV/atom/ps
    :param heating: of the same run, whence D
    :param length_ps: of the run
    :param temperature: mean kinetic temperature of the run, K
    :param atom_count: number of atoms N
    """
    diffusion = heating.rate * _MEV * units.kB * temperature / atom_count
    return widened(line, math.sqrt(2.4 * diffusion / length_ps), heating.best.degrees_of_freedom)


def agree(energy: LineFit, heating: Heating) -> bool:
    """Whether slope and heating rate are as near to each other as in 99.9 % of random walks, and
    the 95 % interval of the slope, whose error has few degrees of freedom in a short run, does not
    lie beyond that of the heating rate.

    If not, H does not change as by many small kicks at equilibrium: it changes steadily, or the
    temperature changed too much, or the run was no such map.

    :param energy: line through H/N, its slope in meV/atom/ps, with an error that holds for a walk
    :param heating: of the same runs
    """
    if not math.isfinite(energy.stderr) or abs(energy.slope) - energy.half_width > heating.high:
        return False
    spread = heating.rate * math.sqrt(2 / heating.best.degrees_of_freedom)
    allowed = float(special.stdtrit(energy.degrees_of_freedom, 1 - _CONTRADICTION / 2))
    return abs(energy.slope - heating.rate) <= allowed * math.hypot(energy.stderr, spread)


def combine_heating(replicas: Sequence[Heating | None]) -> Heating | None:
    """The mean over independent replicas.

    :param replicas: one a replica, meV/atom/ps
    :returns: degrees of freedom by Satterthwaite's rule; None if a replica has no rate
    """
    known = [heating.rates for heating in replicas if heating is not None]
    if not known or len(known) < len(replicas):
        return None
    # as many numbers of cosines as the shortest has
    return Heating(tuple(_mean(rates) for rates in zip(*known, strict=False)))


def _mean(rates: Sequence[Rate]) -> Rate:
    values = np.array([rate.value for rate in rates])
    freedom = np.array([rate.degrees_of_freedom for rate in rates])
    spread = float((values**2 / freedom).sum())
    total = float(values.sum())
    return Rate(total / len(rates), total**2 / spread if spread > 0 else float(freedom.sum()))


def _residual_variance(line: NDArray[np.float64], series: NDArray[np.float64]) -> float:
    residuals = series - line * float(line @ series) / float(line @ line)
    return float(residuals @ residuals) / (len(series) - 1)


def slow_cosines(values: NDArray[np.float64], length: float, modes: int) -> NDArray[np.float64]:
    """sqrt(2) <y cos(k pi t/T)> k pi/sqrt(2 T), k from 1: of a random walk, independent numbers
    whose variance is its diffusion constant.

    :param values: samples y, shape (n,), evenly spaced, in any unit
    :param length: T, of the run, in any unit of time
    :param modes: how many
    :returns: shape (modes,)
    """
    count = len(values)
    k = np.arange(1, modes + 1)
    phases = np.pi * np.outer(k, (np.arange(count) + 0.5) / count)
    return np.cos(phases) @ (values - values.mean()) / count * k * np.pi / math.sqrt(length)
