"""Lines and means of correlated series, with honest errors.

A molecular-dynamics run is a single, correlated sample: the residuals of the line through H(t)
remember each other, and under multiple time stepping they oscillate. The textbook error of a
least-squares slope assumes independent residuals and is then several times too small. This module
takes the slope from all samples and its error from block averages (H. Flyvbjerg and H. G. Petersen,
J. Chem. Phys. 91, 461 (1989)), see :func:`fit_line`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = [
    "CONFIDENCE",
    "SIGNIFICANCE",
    "Estimate",
    "LineFit",
    "block_means",
    "checked_series",
    "fit_line",
    "mean_estimate",
    "widened",
]

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
    t, y = checked_series(time, values)
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
    residuals = block_means(y, _BLOCKS) - y.mean()
    correlation = _unbiased_correlation(residuals, removed=(1.0, 3.0))
    correlation = min(max(correlation, 0.0), _LARGEST_BLOCK_CORRELATION)
    inflation = (1 + correlation) / (1 - correlation)
    variance = float(residuals @ residuals) / (_BLOCKS - 1) / _BLOCKS
    return Estimate(
        float(y.mean()), math.sqrt(variance * inflation), min(_BLOCKS / inflation, _BLOCKS - 1.0)
    )


def widened(line: LineFit, stderr: float, degrees_of_freedom: float) -> LineFit:
    """The line with another error of its slope, where that makes the interval wider.

    :param line: as it was fitted
    :param stderr: standard error of the slope, in its unit
    :param degrees_of_freedom: of that error
    """
    if _half_width(stderr, degrees_of_freedom) <= line.half_width:
        return line
    return replace(line, stderr=stderr, degrees_of_freedom=degrees_of_freedom)


def _half_width(stderr: float, degrees_of_freedom: float) -> float:
    if not math.isfinite(stderr):
        return math.inf
    return float(special.stdtrit(degrees_of_freedom, 0.5 + CONFIDENCE / 2) * stderr)


def checked_series(
    time: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as arrays of one shape (n,), finite, the times increasing.

    :param time: shape (n,), n >= 2, in any unit
    :param values: shape (n,), in any unit
    :returns: times and values
    :raises ValueError: as :func:`fit_line`
    """
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
    times, values = block_means(t, _BLOCKS), block_means(y, _BLOCKS)
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


def block_means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Means of ``count`` consecutive blocks whose lengths differ by at most one sample.

    :param values: shape (n,), in any unit
    :param count: number of blocks, at most n
    :returns: shape (count,), in the same unit
    """
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
