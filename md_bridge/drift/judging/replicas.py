"""One number from several independent runs, with an error that their scatter may overrule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from md_bridge.drift.judging.heating import combine_heating
from md_bridge.drift.judging.line import CONFIDENCE, SIGNIFICANCE, Estimate, LineFit
from md_bridge.drift.judging.verdict import DriftStatistics, Verdict, verdict_of

__all__ = [
    "combine_estimates",
    "combine_lines",
    "combine_statistics",
]

# Quantile of the F distribution above which the scatter of R values overrules the errors that they
# claim. It costs a certain result, whose interval then has R - 1 degrees of freedom only, so few
# replicas need more evidence: these are the lowest values with which, if the errors are right, one
# more replica never makes a verdict less likely.
_OVERRULED = {2: 0.995, 3: 0.995, 4: 0.98, 5: 0.9}
_OVERRULED_BY_MANY = 0.5


def combine_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over independent replicas.

    Each replica knows its own error s_r. If those are right, the mean has the error

        within^2 = sum(s_r^2) / R^2,

    with the degrees of freedom of B. L. Welch, Biometrika 34, 28 (1947). The scatter of the values,

        between^2 = sum((x_r - <x>)^2) / (R - 1) / R,

    holds in any case, also for what changes too slowly for a single run to see, but has R - 1
    degrees of freedom only. The larger of the two is the error. It gets the R - 1 degrees of
    freedom of the scatter if that is above a quantile of what errors that are right give (from the
    F distribution): the median for six replicas and more, 0.995 for two, which cannot tell a wrong
    error from chance. Else it gets those of Welch. The tests check the coverage of the 95 %
    interval, and that one more replica never makes a verdict less likely.

    :param estimates: one a replica, all in one unit
    :returns: their mean, in the same unit
    :raises ValueError: no estimates
    """
    count = len(estimates)
    if count == 0:
        raise ValueError("expected at least one estimate, found none")
    if count == 1:
        return estimates[0]
    values = np.array([estimate.value for estimate in estimates])
    squares = np.array([estimate.stderr**2 for estimate in estimates])
    mean = float(values.mean())
    if not np.isfinite(squares).all():
        return Estimate(mean, math.inf, 0.0)
    within = float(squares.sum()) / count**2
    between = float(values.var(ddof=1)) / count
    freedom = _welch(squares, estimates)
    quantile = _OVERRULED.get(count, _OVERRULED_BY_MANY)
    if between > within * float(special.fdtri(count - 1, freedom, quantile)):
        freedom = count - 1.0
    return Estimate(mean, math.sqrt(max(within, between)), freedom)


def combine_lines(lines: Sequence[LineFit]) -> LineFit:
    """Mean slope and intercept over replicas, see :func:`combine_estimates`; rms of all.

    :param lines: one a replica, all in the same units
    :returns: a line in the same units
    :raises ValueError: no lines
    """
    slope = combine_estimates(
        [Estimate(line.slope, line.stderr, line.degrees_of_freedom) for line in lines]
    )
    return LineFit(
        slope.value,
        float(np.mean([line.intercept for line in lines])),
        slope.stderr,
        slope.degrees_of_freedom,
        math.sqrt(float(np.mean([line.rms**2 for line in lines]))),
    )


def combine_statistics(
    replicas: Sequence[DriftStatistics], tolerance: float, exploded: bool = False
) -> DriftStatistics:
    """Energy conservation of one method from all its replicas.

    The verdict is *drifts* if a replica drifts by itself, ran away, or exploded; otherwise that of
    the mean slope and its error. By itself drifts a replica whose slope is beyond the tolerance
    with an error no smaller than that of the replicas on average, in an interval of confidence
    1 - 0.05/R: a false alarm is mostly an error that came out too small, and any of R replicas may
    raise one.

    :param replicas: those that did not explode; all of them if all did
    :param tolerance: drift of H/N that counts as conserved (meV/atom/ps)
    :param exploded: whether a replica exploded
    :raises ValueError: no replicas
    """
    energy = combine_lines([replica.energy for replica in replicas])
    heating = combine_heating([replica.heating for replica in replicas])
    verdict = verdict_of(energy, tolerance, heating=heating)
    if (
        exploded
        or any(replica.runs_away for replica in replicas)
        or _one_drifts(replicas, tolerance)
    ):
        verdict = Verdict.DRIFTS
    return DriftStatistics(
        energy=energy,
        temperature=combine_lines([replica.temperature for replica in replicas]),
        largest_excursion=max(replica.largest_excursion for replica in replicas),
        mean_temperature=float(np.mean([replica.mean_temperature for replica in replicas])),
        tolerance=tolerance,
        verdict=verdict,
        runs_away=any(replica.runs_away for replica in replicas),
        heating=heating,
    )


def _one_drifts(replicas: Sequence[DriftStatistics], tolerance: float) -> bool:
    """Whether a slope lies beyond the tolerance, by errors that do not stand for itself alone; not
    that of a replica which conserves by itself."""
    lines = [replica.energy for replica in replicas]
    slopes = np.abs([line.slope for line in lines])
    errors = np.array([line.stderr for line in lines])
    if not np.isfinite(errors).all():
        return False
    errors = np.maximum(errors, np.sqrt(np.mean(errors**2)))
    confidence = 1 - (1 - CONFIDENCE) / (2 * len(lines))
    freedom = np.array([line.degrees_of_freedom for line in lines])
    beyond = slopes - special.stdtrit(freedom, confidence) * errors > tolerance
    unsettled = np.array([replica.verdict is not Verdict.CONSERVES for replica in replicas])
    return bool(np.any(beyond & unsettled & (slopes > SIGNIFICANCE * errors)))


def _welch(squares: np.ndarray, estimates: Sequence[Estimate]) -> float:
    freedom = np.array([estimate.degrees_of_freedom for estimate in estimates])
    total = float(squares.sum())
    if total == 0:
        return float(freedom.sum())
    return total**2 / float((squares**2 / freedom).sum())
