"""What relaxations say, in words."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from md_bridge.forces import CONSERVATIVE, DIRECT
from md_bridge.statics.relaxing.request import DIRECT_THEN_CONSERVATIVE, Relaxations
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.report.relaxation_tables import MOST_STRUCTURES
from md_bridge.statics.rows import Row
from md_bridge.text import significant

__all__ = ["sentences"]

_MOST = 8
"""Structures that are named one by one for each row."""


def sentences(found: Relaxations) -> tuple[str, ...]:
    """Findings first, then what limits them.

    :param found: what was relaxed
    """
    return (
        *_time_saved(found),
        *_walks(found),
        *_residual_work(found),
        *_left_behind(found),
        *_unread(found),
        *found.warnings,
        *_noise(found),
        *_kept(found),
        *_made_again(found),
        *_left_out(found),
    )


def _time_saved(found: Relaxations) -> list[str]:
    """Of structures that came to rest both ways: a time to a minimum is that of who arrives."""
    told = []
    for row in found.request.rows:
        if row.forces != DIRECT_THEN_CONSERVATIVE:
            continue
        alone = found.request.partner(row, CONSERVATIVE)
        if alone is None:
            told.append(f"{row.label} took {_cost(found.relaxed[row], DIRECT, CONSERVATIVE)}.")
            continue
        both = zip(found.relaxed[row], found.relaxed[alone], strict=True)
        pairs = [pair for pair in both if all(each.converged for each in pair)]
        if not pairs:
            told.append(
                f"No structure came to rest both with {row.label} and with {alone.label} forces "
                "alone: their times cannot be compared."
            )
            continue
        walked, straight = zip(*pairs, strict=True)
        seconds, before = (sum(_seconds(group).values()) for group in (walked, straight))
        ratio = before / seconds if seconds > 0 else 1.0
        compared = f"{ratio:.2f} times faster" if ratio >= 1 else f"{1 / ratio:.2f} times slower"
        told.append(
            f"For the {len(pairs)} of {len(found.request.starts)} structures that came to rest "
            f"both ways, {row.label} took {_cost(walked, DIRECT, CONSERVATIVE)}: {compared} than "
            f"{alone.label} alone, which took {_cost(straight, CONSERVATIVE)}."
        )
    return told


def _walks(found: Relaxations) -> list[str]:
    """Where walks on direct forces ended, which is what limits the time that they save."""
    told = []
    for row in found.request.rows:
        both = [(each, each.walk) for each in found.relaxed[row]]
        known = [(each, walk) for each, walk in both if walk and each.difference == each.difference]
        if row.forces != DIRECT_THEN_CONSERVATIVE or not known:
            continue
        steps, first, last = (statistics.median(walk[n] for _, walk in known) for n in range(3))
        apart = statistics.median(each.difference for each, _ in known)
        told.append(
            f"The walks of {row.label} took {steps:g} evaluations from {significant(first, 2)} to "
            f"{significant(last, 2)} eV/Å (medians of the largest force), and the two kinds of "
            f"forces differ by up to {significant(apart, 2)} eV/Å there: the way from that to "
            f"{found.request.settings.fmax:g} eV/Å is the gradient's."
        )
    return told


def _cost(results: Sequence[Relaxation], *kinds: str) -> str:
    seconds = _seconds(results)
    return " and ".join(
        f"{sum(each.evaluations.get(kind, 0) for each in results)} evaluations of {kind} forces "
        f"({significant(seconds.get(kind, 0.0), 2)} s)"
        for kind in kinds
    )


def _seconds(results: Sequence[Relaxation]) -> dict[str, float]:
    """By the kind of forces."""
    total: dict[str, float] = {}
    for each in results:
        for kind, seconds in each.seconds.items():
            total[kind] = total.get(kind, 0.0) + seconds
    return total


def _residual_work(found: Relaxations) -> list[str]:
    """Of direct forces beside that of conservative ones, which is the error of the rule."""
    told = []
    for row in found.request.rows:
        if row.forces != DIRECT:
            continue
        work = _mean_work(found.relaxed[row])
        if work is None:
            continue
        text = (
            f"Along the paths of {row.label} forces work and energy differ by "
            f"{significant(work, 2)} meV/atom in the mean"
        )
        partner = found.request.partner(row, CONSERVATIVE)
        exact = None if partner is None else _mean_work(found.relaxed[partner])
        if exact is not None:
            text += (
                f"; for {CONSERVATIVE} ones, where it is the error of the trapezoidal rule, by "
                f"{significant(exact, 2)}"
            )
        higher = sum(each.rise > 0 for each in found.relaxed[row])
        text += f"; {higher} of {len(found.relaxed[row])} ended above the lowest energy of the path"
        told.append(f"{text}.")
    return told


def _mean_work(results: tuple[Relaxation, ...]) -> float | None:
    known = [
        abs(each.residual_work) for each in results if each.residual_work == each.residual_work
    ]
    return statistics.fmean(known) if known else None


def _left_behind(found: Relaxations) -> list[str]:
    """Structures that did not come to rest, and what is kept of them."""
    told = []
    for row in found.request.rows:
        bad = [
            (start.name, each)
            for start, each in zip(found.request.starts, found.relaxed[row], strict=True)
            if not each.converged
        ]
        for name, each in bad[:_MOST]:
            kept = (
                "; the structure of its smallest forces is kept"
                if each.status == "not converged"
                else ""
            )
            ended = "was stopped" if each.status == "stopped" else "did not come to rest"
            told.append(f"'{name}' {ended} with {row.label} forces: {each.reason}{kept}.")
        if len(bad) > _MOST:
            told.append(f"The other {len(bad) - _MOST} of {row.label} forces are in summary.json.")
        if any(each.status == "not converged" for _, each in bad):
            told.append(_advice(found, row))
    return list(dict.fromkeys(told))


def _advice(found: Relaxations, row: Row) -> str:
    floor = found.noise[row]
    noise = f" (their rounding is {floor:.1g} eV/Å)" if floor > 0 else ""
    if row.forces == DIRECT:
        return (
            "Direct forces have no potential, and may have no fixed point near a minimum: a larger "
            f"--fmax{noise}, more --steps, or direct-then-conservative."
        )
    return f"For those that did not come to rest: more --steps, or a larger --fmax{noise}."


def _unread(found: Relaxations) -> list[str]:
    unknown = {
        start.name
        for row in found.request.rows
        for start, each, relaxed in zip(
            found.request.starts, found.symmetry[row], found.relaxed[row], strict=True
        )
        if relaxed.status != "stopped" and all(change.end is None for change in each.changes)
    }
    if not unknown:
        return []
    names = ", ".join(sorted(unknown)[:_MOST])
    return [f"spglib finds no space group of what became of: {names}."]


def _noise(found: Relaxations) -> list[str]:
    largest = max(found.noise.values())
    if largest == 0:
        return []
    return [
        f"The rounding of the forces on an atom is up to {largest:.1g} eV/Å in {found.precision}; "
        f"fmax is {found.request.settings.fmax:g} eV/Å."
    ]


def _kept(found: Relaxations) -> list[str]:
    if not found.kept:
        return []
    whole = len(found.request.rows) * len(found.request.starts)
    return [f"{found.kept} of {whole} results were there already from an earlier run."]


def _made_again(found: Relaxations) -> list[str]:
    if not found.made_again:
        return []
    return [
        f"{found.made_again} results of an earlier run had no path as {found.request.trajectory}, "
        "and were made again."
    ]


def _left_out(found: Relaxations) -> list[str]:
    left = len(found.request.rows) * len(found.request.starts) - MOST_STRUCTURES
    return [f"{left} more structures are in summary.json."] if left > 0 else []
