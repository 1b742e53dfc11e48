"""What runs show, in sentences that are true whatever they show."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from md_bridge.drift.judging.heating import Heating
from md_bridge.drift.judging.verdict import DriftStatistics, Verdict
from md_bridge.drift.records.agreement import agreement_sentences
from md_bridge.drift.records.method import host_name
from md_bridge.drift.report.cells import LEAST_HEATING
from md_bridge.drift.runs.analysis import Analysis, MethodResult
from md_bridge.drift.runs.force_difference import ForceDifference
from md_bridge.text import factor, rounded, significant

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "RESONANCE_FS",
    "costs_sentence",
    "force_sentences",
    "gain_sentence",
    "largest_multiplicities",
    "limit_sentences",
    "timing_sentences",
    "verdict_sentence",
]

RESONANCE_FS = 4.0
"""Outer steps from about half the period of the fastest vibration on can resonate (O-H: 9 fs)."""

_POSSIBLE = 1.1
"""A speed-up above its bound by more than this factor is no noise of a quiet machine."""


def verdict_sentence(result: MethodResult) -> str:
    """What the runs of one method show.

    :param result: of one method
    """
    label, statistics = result.label, result.statistics
    energy = statistics.energy
    if result.exploded:
        first = result.exploded[0]
        return f"{label} does not conserve energy: {first.label} {first.exploded}."
    interval = rounded(energy.slope, energy.half_width)
    if math.isfinite(energy.half_width):
        interval += f" ± {rounded(energy.half_width, energy.half_width)} meV/atom/ps (95 %)"
    else:
        interval += " meV/atom/ps, too short for an error"
    if statistics.verdict is Verdict.CONSERVES:
        if statistics.rests_on_heating:
            return (
                f"{label} conserves energy: as far as H wanders, it heats by "
                f"{_heating_rate(statistics.heating)}. Its slope alone, {interval}, would not tell."
            )
        zero = ", zero within its error" if energy.is_zero_within_error else ""
        return f"{label} conserves energy: it drifts by {interval}{zero}.{_heating(statistics)}"
    if statistics.verdict is Verdict.DRIFTS:
        return (
            f"{label} does not conserve energy: it drifts by {interval}, and was "
            f"{significant(statistics.largest_excursion, 2)} meV/atom away from its start at most."
            f"{_drifting_replicas(result)}{_heating(statistics)}"
        )
    length = sum(run.record.length_ps for run in result.runs)
    return (
        f"{label} cannot be judged from {length:.3g} ps: it drifts by {interval}, "
        f"where up to {statistics.tolerance:g} counts as conserved.{_heating(statistics)} "
        "Run longer."
    )


def _heating(statistics: DriftStatistics) -> str:
    """What the wandering of H says, and whether it counts."""
    if statistics.heating is None:
        return ""
    rate = _heating_rate(statistics.heating)
    if statistics.heating_counts:
        return f" As far as H wanders, it heats by {rate}."
    return (
        f" As far as H wanders, it would heat by {rate}, which its slope contradicts: so the slope "
        "alone counts."
    )


def _heating_rate(heating: Heating | None) -> str:
    """The rate with its 95 % interval, or that it is next to nothing."""
    if heating is None or heating.high < LEAST_HEATING:
        return f"less than {LEAST_HEATING:g} meV/atom/ps"
    low, high = significant(heating.low, 2), significant(heating.high, 2)
    return f"{significant(heating.rate, 2)} meV/atom/ps ({low} to {high})"


def _drifting_replicas(result: MethodResult) -> str:
    """Which replicas drift by themselves, if not all do."""
    drifting = [run.record for run in result.runs if run.statistics.verdict is Verdict.DRIFTS]
    if not drifting or len(drifting) == len(result.runs):
        return ""
    names = ", ".join(f"#{record.replica}" for record in drifting)
    return f" Of {len(result.runs)} replicas, {names} drift{'s' * (len(drifting) == 1)} clearly."


def timing_sentences(analysis: Analysis) -> list[str]:
    """A warning if a run was faster than possible; then the machine did other things meanwhile.

    :param analysis: of all runs
    :returns: one sentence, or none
    """
    impossible = [
        result.label
        for result in analysis.results
        if result.speedup is not None
        and result.speedup_bound is not None
        and result.speedup > _POSSIBLE * result.speedup_bound
    ]
    if not impossible:
        return []
    return [
        f"The speed-up of {', '.join(impossible)} exceeds its bound, which is impossible: the "
        "machine was busier during some runs than during others. Measure again when it is quiet."
    ]


def limit_sentences(analysis: Analysis, difference: ForceDifference | None) -> list[str]:
    """What limits M here: the model's two kinds of forces, resonance, and the price of a step.

    :param analysis: of all runs
    :param difference: between the two kinds of forces at the start, eV/Å; None: not known
    """
    sentences = [*largest_multiplicities(analysis), *force_sentences(analysis)]
    if difference is not None:
        sentences.append(
            f"Direct and conservative forces of this model differ by {1000 * difference.rms:.0f} "
            f"meV/Å (rms; largest component {1000 * difference.largest:.0f}, where the forces "
            f"themselves have {1000 * difference.conservative_rms:.0f} rms). Between two outer "
            "steps nothing corrects this difference: the better the direct forces, the larger M."
        )
    resonant = sorted(
        {
            (result.method.multiplicity, result.method.timestep_fs)
            for result in analysis.results
            if result.method.multiplicity is not None
            and result.method.outer_timestep_fs >= RESONANCE_FS
        }
    )
    for multiplicity, timestep in resonant:
        sentences.append(
            f"M = {multiplicity} makes an outer step of {multiplicity * timestep:g} fs. From about "
            f"{RESONANCE_FS:g} fs on, half the period of the fastest vibration where there is "
            "hydrogen (O-H: 9 fs), the correction can resonate with that vibration and pump energy "
            "into it, however good the inner forces are."
        )
    if analysis.cost_ratio is not None:
        sentences.append(
            f"A conservative evaluation costs F = {analysis.cost_ratio:.2f} direct ones, so no M "
            f"gains more than a factor of {analysis.cost_ratio:.2f}"
            f"{' with one model' if analysis.costs is not None else ''}."
        )
    if analysis.costs is not None:
        sentences.append(costs_sentence(analysis.costs))
    return sentences


def force_sentences(analysis: Analysis) -> list[str]:
    """How far inner and conservative forces were apart where the runs began.

    :param analysis: of all runs
    :returns: one sentence for runs with one model, one for those with two, or none
    """
    records = [run.record for result in analysis.results for run in result.runs]
    return agreement_sentences((record.method.two_models, record.agreement) for record in records)


def costs_sentence(costs: EvaluationCosts) -> str:
    """What two models cost, and what they can gain.

    :param costs: of an evaluation of each
    """
    return (
        f"An evaluation of the outer model costs {1000 * costs.outer_s:.3g} ms, one of the inner "
        f"model {1000 * costs.inner_s:.3g} ms, so no M gains more than a factor of "
        f"{costs.ratio:.3g}: M = 4 at most {costs.speedup_bound(4):.2f}, M = 8 "
        f"{costs.speedup_bound(8):.2f}."
    )


def gain_sentence(analysis: Analysis) -> str:
    """How much faster than conservative forces the fastest runs are that conserve energy.

    :param analysis: of all runs
    """
    sound = [
        (result.speedup, result)
        for result in analysis.results
        if result.method.forces == "mts"
        and result.statistics.verdict is Verdict.CONSERVES
        and result.speedup is not None
    ]
    if not sound:
        return "Nothing that is faster than conservative forces is shown to conserve energy."
    gain, fastest = max(sound, key=lambda entry: entry[0])
    others = [
        f"{host_name(result.method.host)} {factor(speedup)}"
        for speedup, result in sound
        if replace(result.method, host=fastest.method.host) == fastest.method
        and result is not fastest
    ]
    also = f" (in {', in '.join(others)})" if others else ""
    return (
        f"{fastest.label} conserves energy and is {factor(gain)} times as fast as "
        f"conservative forces{also}."
    )


def largest_multiplicities(analysis: Analysis) -> list[str]:
    """The largest M that conserves energy, of runs with one model and of those with two.

    :param analysis: of all runs
    :returns: one sentence, or two
    """
    two = {result.method.two_models for result in analysis.results if result.method.forces == "mts"}
    if len(two) < 2:
        return [_largest_multiplicity(analysis, two == {True}, "")]
    return [
        _largest_multiplicity(analysis, False, " with one model"),
        _largest_multiplicity(analysis, True, " with two models"),
    ]


def _largest_multiplicity(analysis: Analysis, two_models: bool, models: str) -> str:
    verdicts: dict[int, set[Verdict]] = {}
    for result in analysis.results:
        if result.method.multiplicity is not None and result.method.two_models == two_models:
            found = verdicts.setdefault(result.method.multiplicity, set())
            found.add(result.statistics.verdict)
    tried = ", ".join(str(m) for m in sorted(verdicts))
    conserving = [m for m, found in verdicts.items() if found == {Verdict.CONSERVES}]
    drifting = [m for m, found in verdicts.items() if Verdict.DRIFTS in found]
    if not verdicts:
        return "No multiple-time-step run was made."
    text = f"Of the M tried{models} ({tried}), "
    text += (
        f"{max(conserving)} is the largest that conserves energy"
        if conserving
        else "none is shown to conserve energy"
    )
    if drifting:
        text += f", and {min(drifting)} the smallest that drifts"
    return text + f" (tolerance {analysis.tolerance:g} meV/atom/ps)."
