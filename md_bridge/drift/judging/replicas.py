"""One number from several independent runs, with an error that their scatter may overrule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from md_bridge.drift.judging.line import Estimate, LineFit
from md_bridge.drift.judging.verdict import DriftStatistics, Verdict, verdict_of

__all__ = [
    "combine_estimates",
    "combine_lines",
    "combine_statistics",
]


def combine_estimates(estimates: Sequence[Estimate]) -> Estimate:
    """The mean over independent replicas.

    Each replica knows its own error s_r. If those are right, the mean has the error

        within^2 = sum(s_r^2) / R^2,

    with the degrees of freedom of B. L. Welch, Biometrika 34, 28 (1947). The scatter of the values,

        between^2 = sum((x_r - <x>)^2) / (R - 1) / R,

    holds in any case, also for what changes too slowly for a single run to see, but has R - 1
    degrees of freedom only. The larger of the two is the error. It gets the R - 1 degrees of
    freedom of the scatter if that is above its median for errors that are right (from the F
    distribution), else those of Welch. The tests check the coverage of the 95 % interval.

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
    if between > within * float(special.fdtri(count - 1, freedom, 0.5)):
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

    The verdict is *drifts* if a replica drifts by itself, or one exploded; otherwise that of the
    mean slope and its error.

    :param replicas: those that did not explode; all of them if all did
    :param tolerance: largest drift that counts as conserved, meV/atom/ps
    :param exploded: whether a replica exploded
    :raises ValueError: no replicas
    """
    energy = combine_lines([replica.energy for replica in replicas])
    verdict = verdict_of(energy, tolerance)
    if exploded or any(replica.verdict is Verdict.DRIFTS for replica in replicas):
        verdict = Verdict.DRIFTS
    return DriftStatistics(
        energy=energy,
        temperature=combine_lines([replica.temperature for replica in replicas]),
        largest_excursion=max(replica.largest_excursion for replica in replicas),
        mean_temperature=float(np.mean([replica.mean_temperature for replica in replicas])),
        tolerance=tolerance,
        verdict=verdict,
    )


def _welch(squares: np.ndarray, estimates: Sequence[Estimate]) -> float:
    freedom = np.array([estimate.degrees_of_freedom for estimate in estimates])
    total = float(squares.sum())
    if total == 0:
        return float(freedom.sum())
    return total**2 / float((squares**2 / freedom).sum())
