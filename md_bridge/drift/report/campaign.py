"""What a campaign leaves behind: page, picture, summary; and whether its gate is passed."""

from __future__ import annotations

from pathlib import Path

from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.report.environment import (
    RunSettings,
    describe_model,
    describe_system,
    surroundings,
)
from md_bridge.drift.report.write import ReportFiles, write_report
from md_bridge.drift.runs.analysis import Analysis, analyse
from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome

__all__ = [
    "campaign_conserves",
    "describe_campaign",
    "write_campaign_report",
]


def describe_campaign(campaign: Campaign) -> RunSettings:
    """What the report says about a campaign. The load is that of now: ask before the runs.

    :param campaign: with its plan and start
    :raises EngineError: the model cannot be loaded
    """
    from md_bridge.engine import choose_threads

    plan = campaign.plan
    return RunSettings(
        model=describe_model(plan.model, plan.model_options),
        system=describe_system(campaign.structure),
        atom_count=len(campaign.structure),
        timestep_fs=plan.timestep_fs,
        length_ps=plan.length_ps,
        threads=choose_threads(plan.model_options.threads),
        **surroundings(),
        temperature_k=None if plan.keep_velocities else plan.temperature_k,
        equilibration_ps=plan.equilibration_ps,
        replicas=plan.replicas,
        seed=plan.seed,
        planned_runs=len(plan.runs()),
        preset=plan.preset,
        minimise_fmax=plan.minimise_fmax,
    )


def write_campaign_report(
    outcome: CampaignOutcome, settings: RunSettings, folder: Path, tolerance: float
) -> tuple[Analysis, ReportFiles | None]:
    """Analyse the runs that are complete and write the report into the campaign's folder.

    Without any there is nothing to write: no files, and an analysis without results.

    :param outcome: what the campaign has so far
    :param settings: see :func:`describe_campaign`
    :param folder: of the campaign
    :param tolerance: drift that counts as conserved (meV/atom/ps)
    """
    if not outcome.records:
        return analyse([], tolerance, outcome.costs), None
    return write_report(
        outcome.records,
        settings,
        folder,
        tolerance=tolerance,
        failures=outcome.failures,
        with_series=False,
        costs=outcome.costs,
    )


def campaign_conserves(campaign: Campaign, analysis: Analysis) -> bool:
    """Whether every kind of forces asked for, direct ones left out, is shown to conserve energy.

    :param campaign: with its plan
    :param analysis: of the runs that are complete
    :returns: False also while runs are missing
    """
    judged = [result for result in analysis.results if result.method.forces != "direct"]
    expected = [run for run in campaign.plan.runs() if run.method.forces != "direct"]
    return sum(len(result.runs) for result in judged) == len(expected) and all(
        result.statistics.verdict is Verdict.CONSERVES for result in judged
    )
