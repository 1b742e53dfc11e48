"""Does a run conserve energy? Drift rates with honest errors, and a verdict.

A molecular-dynamics run is a single, correlated sample: the residuals of the line through H(t)
remember each other, and under multiple time stepping they oscillate. The textbook error of a
least-squares slope assumes independent residuals and is then several times too small. This module
takes the slope from all samples and its error from block averages (H. Flyvbjerg and H. G. Petersen,
J. Chem. Phys. 91, 461 (1989)), see :func:`fit_line`.

Everything here is a pure function of numpy arrays; nothing knows which engine made them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray
from scipy import stats

DEFAULT_TOLERANCE = 0.1
"""Drift that still counts as conserved (meV/atom/ps)."""

SIGNIFICANCE = 3.0
"""A slope within this many standard errors of zero is zero within its error."""

CONFIDENCE = 0.95
"""Coverage of the intervals quoted next to a slope."""

# Enough degrees of freedom for an error worth quoting, and blocks long enough to forget most of
# the block before.
_BLOCKS = 32
# A correlation of neighbouring blocks above this cannot be told from "the run is too short"; the
# few degrees of freedom that are left then keep the interval wide.
_LARGEST_BLOCK_CORRELATION = 0.8
# Above this, neighbouring blocks cannot be told from steps of a random walk.
_WANDERING_BLOCK_CORRELATION = 0.6
_TREND_BLOCKS = 8


class Verdict(str, Enum):
    """What a run says about energy conservation."""

    CONSERVES = "conserves"
    DRIFTS = "drifts"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error; ``degrees_of_freedom`` belong to Student's t."""

    value: float
    stderr: float
    degrees_of_freedom: float

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval."""
        return _half_width(self.stderr, self.degrees_of_freedom)


@dataclass(frozen=True)
class LineFit:
    """A least-squares line through a correlated series, in the units of the series and its time.

    ``stderr`` is infinite where there are fewer than 32 samples; ``degrees_of_freedom`` belong to
    Student's t.
    """

    slope: float
    intercept: float
    stderr: float
    degrees_of_freedom: float
    rms: float
    """Root mean square of the residuals (the fluctuation about the line)."""

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval of the slope."""
        return _half_width(self.stderr, self.degrees_of_freedom)

    @property
    def is_zero_within_error(self) -> bool:
        """Whether the slope lies within three standard errors of zero."""
        return abs(self.slope) <= SIGNIFICANCE * self.stderr


@dataclass(frozen=True)
class DriftStatistics:
    """Energy conservation of one run. Energies per atom in meV, times in ps, temperatures in K."""

    energy: LineFit
    """Line through H/N: slope in meV/atom/ps, rms in meV/atom."""
    temperature: LineFit
    """Line through T: slope in K/ps, rms in K."""
    largest_excursion: float
    """max |H(t) - H(0)| / N (meV/atom)."""
    mean_temperature: float
    """Mean kinetic temperature (K)."""
    tolerance: float
    """Drift that counts as conserved (meV/atom/ps)."""
    verdict: Verdict


def fit_line(time: ArrayLike, values: ArrayLike) -> LineFit:
    """Least-squares line with a standard error of the slope that allows for autocorrelation.

    The slope b is that of all samples. For its error the series is cut into K consecutive blocks;
    with block means y_k at mean times t_k, and e_k their residuals from their own line,

        stderr(b)^2 = sum(e_k^2) / (K - 2) / sum((t_k - <t>)^2) * (1 + rho) / (1 - rho).

    Averaging within blocks is the renormalisation of Flyvbjerg and Petersen (J. Chem. Phys. 91, 461
    (1989)): oscillations faster than a block cancel, and what the blocks still remember of each
    other is little. Picking the plateau over block lengths, as the paper does, needs far longer
    runs than these; instead K = 32, and the last factor repairs what memory is left as a
    first-order autoregressive process would have it. There rho = (r + 2/K) / (1 - 4/K), from the
    lag-one correlation r of the e_k, which the removal of a line biases low by (2 + 4 rho)/K
    (D. Tjostheim and J. Paulsen, Biometrika 70, 389 (1983)), and rho is kept within 0 to 0.8. The
    effective degrees of freedom are K (1 - rho)/(1 + rho), at most K - 2.

    Under multiple time stepping H can wander for longer than the run, as a random walk does, and a
    line seems to fit that well. Where rho is above 0.6, the wider of the interval above and that of
    a random walk is taken: with steps d_k = y_(k+1) - y_k of blocks of length h in a run of T,

        stderr(b)^2 = (6/5) (3/2) var(d_k) / (h T),

    where 3/2 corrects for the averaging within blocks, and neighbouring steps, correlated by 1/4,
    leave 0.9 (K - 1) degrees of freedom. The tests check that the 95 % interval holds the true
    slope as often as it should, for white noise, for damped oscillations, for correlation times up
    to a fifth of the run, and for random walks.

    :param time: times of the samples, shape (n,), strictly increasing.
    :param values: samples, shape (n,).
    :raises ValueError: shapes differ, fewer than two samples, a value that is not finite, or times
        that do not increase.
    """
    t, y = _checked_series(time, values)
    slope, intercept, residuals = _least_squares(t, y)
    stderr, degrees_of_freedom = _slope_error(t, y)
    rms = float(np.sqrt(np.mean(residuals**2)))
    return LineFit(slope, intercept, stderr, degrees_of_freedom, rms)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean of a correlated, stationary series with an honest standard error.

    Block averages as in :func:`fit_line`: with K = 32 block means of variance s^2,
    stderr^2 = s^2 / K * (1 + rho) / (1 - rho); the lag-one correlation r of the blocks is biased
    low by (1 + 3 rho)/K when only a mean is removed (F. H. C. Marriott and J. A. Pope, Biometrika
    41, 390 (1954)).

    :param values: shape (n,); the error is infinite below 32 samples
    :raises ValueError: no values, or one that is not finite
    """
    y = np.asarray(values, dtype=np.float64)
    if y.ndim != 1 or not len(y) or not np.isfinite(y).all():
        raise ValueError(f"expected a series of finite numbers, found shape {y.shape}")
    if len(y) < _BLOCKS:
        return Estimate(float(y.mean()), math.inf, 0.0)
    residuals = _block_means(y, _BLOCKS) - y.mean()
    correlation = _unbiased_correlation(residuals, removed=(1.0, 3.0))
    correlation = min(max(correlation, 0.0), _LARGEST_BLOCK_CORRELATION)
    inflation = (1 + correlation) / (1 - correlation)
    variance = float(residuals @ residuals) / (_BLOCKS - 1) / _BLOCKS
    return Estimate(
        float(y.mean()), math.sqrt(variance * inflation), min(_BLOCKS / inflation, _BLOCKS - 1.0)
    )


def drift_statistics(
    time_ps: ArrayLike,
    conserved_energy: ArrayLike,
    temperature: ArrayLike,
    atom_count: int,
    tolerance: float = DEFAULT_TOLERANCE,
) -> DriftStatistics:
    """Assess one run from its conserved quantity H(t) and temperature T(t) at outer steps.

    The verdict is that of :func:`judge`. A run whose line says nothing, but whose H has been
    further from its start than the thermal energy of the atoms (3/2 kT at its start, at least at
    300 K), has run away: *drifts*.

    :param time_ps: shape (n,), ps.
    :param conserved_energy: H of the whole system, shape (n,), eV.
    :param temperature: shape (n,), K.
    :param atom_count: number of atoms N.
    :param tolerance: largest drift of H/N that counts as conserved (meV/atom/ps).
    :raises ValueError: as :func:`fit_line`, or if ``atom_count`` or ``tolerance`` is not positive.
    """
    if atom_count < 1:
        raise ValueError(f"atom_count must be at least 1, found {atom_count}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive (meV/atom/ps), found {tolerance}")
    time, conserved = _checked_series(time_ps, conserved_energy)
    # Relative to the start before scaling: H is thousands of eV, its fluctuations are
    # micro-electronvolts per atom.
    per_atom = (conserved - conserved[0]) * 1000.0 / atom_count
    energy = fit_line(time, per_atom)
    temperatures = np.asarray(temperature, dtype=float)
    excursion = float(np.max(np.abs(per_atom)))
    verdict = judge(energy, tolerance, monotone=changes_steadily(per_atom))
    if verdict is Verdict.INCONCLUSIVE and excursion > _thermal_energy(temperatures[0]):
        verdict = Verdict.DRIFTS
    return DriftStatistics(
        energy=energy,
        temperature=fit_line(time, temperatures),
        largest_excursion=excursion,
        mean_temperature=float(np.mean(temperatures)),
        tolerance=tolerance,
        verdict=verdict,
    )


def judge(energy: LineFit, tolerance: float, monotone: bool = False) -> Verdict:
    """Turn a drift rate and its error into a verdict.

    - *conserves*: the whole 95 % interval of the slope lies within +-tolerance.
    - *drifts*: the whole interval lies outside +-tolerance and the slope is more than three
      standard errors from zero; or the slope exceeds the tolerance and the series changes steadily
      one way (``monotone``): a run-away is not a line, so its error about a line is meaningless.
    - *inconclusive* otherwise: run longer.
    """
    size = abs(energy.slope)
    if size + energy.half_width <= tolerance:
        return Verdict.CONSERVES
    if size > tolerance and monotone:
        return Verdict.DRIFTS
    if size - energy.half_width > tolerance and not energy.is_zero_within_error:
        return Verdict.DRIFTS
    return Verdict.INCONCLUSIVE


def changes_steadily(values: ArrayLike) -> bool:
    """Whether eight consecutive block means strictly rise, or strictly fall.

    For a series without trend whose blocks are independent the chance is 2/8!, one in twenty
    thousand.
    """
    y = np.asarray(values, dtype=float)
    if len(y) < 2 * _TREND_BLOCKS:
        return False
    steps = np.diff(_block_means(y, _TREND_BLOCKS))
    return bool(np.all(steps > 0) or np.all(steps < 0))


def _thermal_energy(temperature: float) -> float:
    """Mean kinetic energy of an atom at this temperature, or at 300 K if that is higher (meV)."""
    return 1500.0 * units.kB * max(temperature, 300.0)


def _half_width(stderr: float, degrees_of_freedom: float) -> float:
    if not math.isfinite(stderr):
        return math.inf
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees_of_freedom) * stderr)


def _checked_series(
    time: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t = np.asarray(time, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    if t.ndim != 1 or t.shape != y.shape:
        raise ValueError(
            "time and values must be one-dimensional and of one length, "
            f"found shapes {t.shape} and {y.shape}"
        )
    if len(t) < 2:
        raise ValueError(f"a slope needs at least two samples, found {len(t)}")
    for name, array in (("time", t), ("value", y)):
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise ValueError(
                f"{name} of sample {bad[0]} is {array[bad[0]]}: expected a finite number"
            )
    late = np.flatnonzero(np.diff(t) <= 0)
    if late.size:
        i = int(late[0])
        raise ValueError(
            f"times must increase, but sample {i + 1} (t = {t[i + 1]:g}) follows t = {t[i]:g}"
        )
    return t, y


def _least_squares(
    t: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.float64]]:
    """Slope, intercept and residuals."""
    x = t - t.mean()
    slope = float(x @ (y - y.mean()) / (x @ x))
    residuals = y - y.mean() - slope * x
    return slope, float(y.mean() - slope * t.mean()), residuals


def _slope_error(t: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Standard error of the slope and its effective degrees of freedom; infinite and 0 if too
    short."""
    if len(t) < _BLOCKS:
        return math.inf, 0.0
    times, values = _block_means(t, _BLOCKS), _block_means(y, _BLOCKS)
    _, _, residuals = _least_squares(times, values)
    correlation = max(_unbiased_correlation(residuals), 0.0)
    errors = [_correlated_slope_error(times, residuals, correlation)]
    if correlation > _WANDERING_BLOCK_CORRELATION:
        errors.append(_random_walk_slope_error(times, values))
    return max(errors, key=lambda error: _half_width(*error))


def _correlated_slope_error(
    times: NDArray[np.float64], residuals: NDArray[np.float64], correlation: float
) -> tuple[float, float]:
    """Standard error and degrees of freedom if blocks remember as a first-order process does."""
    correlation = min(correlation, _LARGEST_BLOCK_CORRELATION)
    inflation = (1 + correlation) / (1 - correlation)
    spread = times - times.mean()
    variance = float(residuals @ residuals) / (_BLOCKS - 2) / float(spread @ spread)
    return math.sqrt(variance * inflation), min(_BLOCKS / inflation, _BLOCKS - 2.0)


def _random_walk_slope_error(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[float, float]:
    """Standard error and degrees of freedom if the blocks are those of a random walk."""
    block = float(times[-1] - times[0]) / (_BLOCKS - 1)
    variance = 1.5 * float(np.diff(values).var(ddof=1)) / block
    return math.sqrt(1.2 * variance / (_BLOCKS * block)), 0.9 * (_BLOCKS - 1)


def _block_means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Means of ``count`` consecutive blocks whose lengths differ by at most one sample."""
    edges = np.round(np.linspace(0, len(values), count + 1)).astype(int)
    return np.add.reduceat(values, edges[:-1]) / np.diff(edges)


def _unbiased_correlation(
    residuals: NDArray[np.float64], removed: tuple[float, float] = (2.0, 4.0)
) -> float:
    """Lag-one autocorrelation, corrected for the bias that removing a line (or a mean) causes.

    :param removed: (a, b) of the bias -(a + b rho)/K
    """
    total = float(residuals @ residuals)
    if total == 0.0:
        return 0.0
    count = len(residuals)
    raw = float(residuals[1:] @ residuals[:-1]) / total
    return (raw + removed[0] / count) / (1 - removed[1] / count)
