"""Dynamics at constant energy: by our verdict, and by what others publish."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from md_bridge.certify.findings import Finding, failure_words, judged, skipped
from md_bridge.certify.subject import Subject
from md_bridge.drift.api import judge
from md_bridge.drift.judging.published import (
    DRIFT_RATIO_LIMIT,
    RATIO_LENGTH_PS,
    PublishedDrift,
    kinetic_energies,
)
from md_bridge.drift.judging.verdict import DriftStatistics, Verdict
from md_bridge.drift.records.errors import ReadError
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.cells import heating_cell
from md_bridge.drift.runs.analysis import RunResult
from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome
from md_bridge.drift.runs.plan import RUN_HOSTS, CampaignPlan
from md_bridge.drift.runs.tasks import Task, TaskProgress
from md_bridge.extras import MissingExtraError
from md_bridge.forces import Kind
from md_bridge.text import significant, with_error

__all__ = ["FOLDER", "conservation"]

FOLDER = "nve"
"""Of the runs, in the folder of the certificate."""
_PASSED = {Verdict.CONSERVES: True, Verdict.DRIFTS: False, Verdict.INCONCLUSIVE: None}


def conservation(subject: Subject) -> Iterator[Finding]:
    """A run at constant energy for each M, from one thermalised start.

    :param subject: the model
    """
    if subject.start_file is None:
        yield skipped("NVE", subject.no_start)
        return
    kinds, left_out = _kinds(subject)
    yield from left_out
    if not kinds:
        return
    try:
        campaign = _campaign(subject, kinds)
    except MissingExtraError as error:
        yield skipped("NVE", str(error))
        return
    outcome = CampaignOutcome()
    campaign.perform(subject.threads, _progress(subject, campaign), outcome)
    for label, reason in outcome.failures.items():
        yield judged(f"NVE, {label}", False, "a run to its end", "a failure", failure_words(reason))
    for record in outcome.records:
        yield from _findings(subject, record)


def _progress(subject: Subject, campaign: Campaign) -> TaskProgress:
    """Weighs tasks by what they cost."""
    tasks = list(campaign.tasks())
    total = sum(task.steps * task.cost for task in tasks)
    done: dict[Task, int] = {}

    def report(task: Task, steps: int) -> None:
        done[task] = steps
        subject.say(task.label, sum(count * each.cost for each, count in done.items()) / total)

    return report


def _kinds(subject: Subject) -> tuple[tuple[Kind, ...], list[Finding]]:
    """The runs that the model can make, and rows for the others."""
    kinds: list[Kind] = []
    left_out = []
    for steps in dict.fromkeys(subject.request.multiplicities):
        if steps == 1:
            kinds.append(("conservative", None))
        elif subject.has_direct or subject.options.inner:
            kinds.append(("mts", steps))
        else:
            left_out.append(
                skipped(f"NVE, M = {steps}", "the model has no direct forces for inner steps")
            )
    return tuple(kinds), left_out


def _campaign(subject: Subject, kinds: tuple[Kind, ...]) -> Campaign:
    """In LAMMPS, or in i-PI where there is no LAMMPS.

    :raises MissingExtraError: there is neither
    """
    request = subject.request
    assert subject.start_file is not None
    plan = CampaignPlan(
        model=subject.model,
        start=subject.start_file,
        forces=kinds,
        timestep_fs=request.timestep_fs,
        length_ps=request.length_ps,
        temperature_k=request.temperature_k,
        replicas=1,
        equilibration_ps=request.equilibration_ps,
        seed=request.seed,
        model_options=subject.options,
    )
    folder = subject.folder / FOLDER
    try:
        return Campaign(plan, folder, from_scratch=True)
    except MissingExtraError:
        return Campaign(replace(plan, host=RUN_HOSTS[1]), folder, from_scratch=True)


def _findings(subject: Subject, record: RunRecord) -> Iterator[Finding]:
    steps = record.method.multiplicity or 1
    name = f"NVE, M = {steps}"
    tolerance = subject.request.tolerance
    try:
        found = record.statistics(tolerance)
    except ReadError as error:  # i-PI prints nine digits
        yield judged(f"{name}: verdict", None, f"≤ {tolerance:g} meV/atom/ps", "", str(error))
        return
    run = f"{record.length_ps:.3g} ps in {record.method.label}, {record.atom_count} atoms"
    drift = with_error(found.energy.slope, found.energy.stderr)
    published = RunResult(record, found).published or PublishedDrift(None, None, None)
    yield judged(
        f"{name}: verdict",
        _PASSED[found.verdict],
        f"≤ {tolerance:g} meV/atom/ps",
        f"up to {_shown(found.largest_drift)} meV/atom/ps",
        f"{run}: {_verdict_words(found, record)}; the number is the end of the 95 % interval of "
        f"drift or heating, whichever is narrower. Drift: {drift} meV/atom/ps; heating by "
        f"how far H wanders: {heating_cell(found)} meV/atom/ps. By published formulas: "
        f"LAMBench {_shown(published.lambench)}, FAIR-Chem (TM23, MD22) "
        f"{_shown(published.fairchem)} meV/atom/ps. {_advice(found, steps)}",
        multiplicity=steps,
        verdict=found.verdict.value,
        drift_meV_per_atom_ps=found.energy.slope,
        stderr=found.energy.stderr,
        heating_low=None if found.heating is None else found.heating.low,
        heating_high=None if found.heating is None else found.heating.high,
        lambench_meV_per_atom_ps=published.lambench,
        fairchem_meV_per_atom_ps=published.fairchem,
        length_ps=record.length_ps,
    )
    yield _ml_peg(name, record, found, published.ratio)


def _ml_peg(name: str, record: RunRecord, found: DriftStatistics, ratio: float | None) -> Finding:
    """The criterion of ml-peg as a verdict whose tolerance is the drift at which its ratio is 1."""
    spread = _kinetic_spread(record)
    limit = DRIFT_RATIO_LIMIT * spread / RATIO_LENGTH_PS
    passed: bool | None = False
    if ratio is not None:
        verdict = judge(
            record.time_ps,
            record.conserved_energy,
            atom_count=record.atom_count,
            temperature=record.temperature,
            tolerance=limit,
            volume_preserving=True,
        ).verdict
        passed = _PASSED[verdict]
    return judged(
        f"{name}: ml-peg, mlipaudit",
        passed,
        f"< {DRIFT_RATIO_LIMIT:g}",
        f"up to {_shown(found.largest_drift / limit if limit > 0 else None)}",
        f"fitted drift over {RATIO_LENGTH_PS:g} ps, extrapolated from {record.length_ps:.3g} ps, "
        f"over the standard deviation of the kinetic energy ({spread:.3g} meV/atom): 1 is a drift "
        f"of {limit:.2g} meV/atom/ps. The fitted line alone gives {_shown(ratio)}; the number is "
        "the end of the 95 % interval of drift or heating, whichever is narrower. "
        + ("Too short to tell: run longer (--ps)" if passed is None else ""),
        ratio=ratio,
        tolerance_meV_per_atom_ps=limit,
    )


def _kinetic_spread(record: RunRecord) -> float:
    """Standard deviation of the kinetic energy of a run, meV/atom; NaN without samples."""
    if len(record.temperature) == 0:
        return math.nan
    kinetic = kinetic_energies(record.temperature, record.atom_count)
    return float(1e3 * np.std(kinetic) / record.atom_count)


def _verdict_words(found: DriftStatistics, record: RunRecord) -> str:
    if record.exploded is not None:
        return f"it exploded ({record.exploded})"
    return {
        Verdict.CONSERVES: "energy is conserved",
        Verdict.DRIFTS: "energy drifts",
        Verdict.INCONCLUSIVE: "too short to tell",
    }[found.verdict]


def _advice(found: DriftStatistics, steps: int) -> str:
    if found.verdict is Verdict.INCONCLUSIVE:
        return "Run longer (--ps)"
    if found.verdict is Verdict.CONSERVES:
        return ""
    if steps == 1:
        return (
            "Halve the time step (--timestep); if that does not help, the forces are not the "
            "gradient of the energy, or it jumps: see the other checks"
        )
    return (
        f"With this time step M = {steps} is too large for this file: take a smaller one "
        "(md-bridge tune finds the largest)"
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else significant(value, 2)
