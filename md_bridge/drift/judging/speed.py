"""What multiple time stepping can gain at most."""

from __future__ import annotations

__all__ = [
    "cost_ratio",
    "speedup_bound",
]


def cost_ratio(conservative_s_per_ps: float, direct_s_per_ps: float) -> float:
    """F, the cost of a conservative over that of a direct evaluation, from two runs of one step.

    :param conservative_s_per_ps: wall time of the conservative run, s/ps
    :param direct_s_per_ps: wall time of the direct run, s/ps
    :returns: F, a number without unit
    :raises ValueError: a wall time is not positive
    """
    if not (conservative_s_per_ps > 0 and direct_s_per_ps > 0):
        raise ValueError(
            "wall times must be positive, found "
            f"{conservative_s_per_ps} s/ps (conservative) and {direct_s_per_ps} s/ps (direct)"
        )
    return conservative_s_per_ps / direct_s_per_ps


def speedup_bound(multiplicity: int, ratio: float) -> float:
    """Largest possible speed-up over conservative dynamics, S(M) = M F / (M - 1 + F).

    An outer step of M inner steps needs M evaluations. The last one is at the positions of the
    outer force, so one conservative forward gives both kinds of forces there: M - 1 direct
    evaluations and one conservative, in place of M conservative ones. Of two models see
    :class:`md_bridge.export.checks.costs.EvaluationCosts`.

    :param multiplicity: M, inner steps in an outer step; at least 1.
    :param ratio: F, see :func:`cost_ratio`.
    """
    if multiplicity < 1:
        raise ValueError(f"the multiplicity M must be at least 1, found {multiplicity}")
    if not ratio > 0:
        raise ValueError(f"the cost ratio F must be positive, found {ratio}")
    return multiplicity * ratio / (multiplicity - 1 + ratio)
