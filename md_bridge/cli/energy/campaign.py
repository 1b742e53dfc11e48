"""The campaign of ``md-bridge drift`` on the terminal: bar, table, exit status."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.console import Console

from md_bridge.cli.energy.options import NOT_CONSERVED
from md_bridge.cli.progress import TaskBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files

if TYPE_CHECKING:
    from md_bridge.drift.records.run import RunRecord
    from md_bridge.drift.report.environment import RunSettings
    from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome

__all__ = [
    "RUN_FAILED",
    "run_campaign",
    "tell_versions",
]

RUN_FAILED = 1


def run_campaign(campaign: Campaign, threads: int, tolerance: float, as_json: bool) -> None:
    """Do what is missing, report it, and leave with the exit status that `--help` tells.

    :raises SystemExit: unless every kind of forces, direct ones left out, conserves energy
    """
    from md_bridge.drift.report.campaign import describe_campaign
    from md_bridge.drift.runs.campaign import CampaignOutcome

    outcome = CampaignOutcome()
    screen = Console(stderr=True)
    settings = describe_campaign(campaign)
    tell_versions(campaign.records(), screen)
    try:
        stopped = _perform(campaign, threads, outcome, screen)
        _tell(campaign, outcome, stopped is not None, screen)
        conserves = _report(campaign, outcome, settings, tolerance, as_json, screen)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    if stopped is not None:
        raise SystemExit(stopped)
    if outcome.failures:
        raise SystemExit(RUN_FAILED)
    if not conserves:
        raise SystemExit(NOT_CONSERVED)


def tell_versions(records: Sequence[RunRecord], screen: Console) -> None:
    """Warn of runs that other versions of the programs made than those of today.

    :param records: the runs that are there
    :param screen: where to print
    """
    from md_bridge.drift.runs.versions import installed_versions, version_warnings

    for sentence in version_warnings(records, installed_versions()):
        sentence = sentence.replace("from_scratch", "--from-scratch")
        screen.print(f"warning: {sentence}", style="yellow", markup=False, highlight=False)


def _perform(
    campaign: Campaign, threads: int, outcome: CampaignOutcome, screen: Console
) -> int | None:
    """Do the runs behind a progress bar; the exit status if a signal stopped them."""
    from md_bridge.engine import choose_threads

    with signals_as_exceptions(), TaskBar(campaign.tasks(), screen) as bar:
        try:
            campaign.perform(choose_threads(threads), bar.steps_done, outcome)
        except KeyboardInterrupt:
            return INTERRUPTED
        except SystemExit as stop:
            return int(stop.code or 0)
    return None


def _tell(campaign: Campaign, outcome: CampaignOutcome, stopped: bool, screen: Console) -> None:
    from md_bridge.drift.records.explosions import LAST_FRAME

    for label, reason in outcome.failures.items():
        for name in ("stall_minutes", "max_correction"):
            option = f"--{name.replace('_', '-')}"
            # hosts say "the keyword max_correction"
            reason = re.sub(rf"(the (keyword|option) )?{name}", option, reason)
        screen.print(f"{label} failed: {reason}", style="red", markup=False, highlight=False)
    for record in outcome.records:
        frame = campaign.folder / "runs" / record.name / LAST_FRAME
        if record.exploded is not None:
            where = f". The last good frame is {frame}" if frame.exists() else ""
            screen.print(f"{record.label} {record.exploded}{where}", markup=False, highlight=False)
    if stopped:
        planned = len(campaign.plan.runs())
        screen.print(
            f"Stopped: {len(outcome.records)} of {planned} runs are complete. The same "
            "command goes on with the others.",
            highlight=False,
        )


def _report(
    campaign: Campaign,
    outcome: CampaignOutcome,
    settings: RunSettings,
    tolerance: float,
    as_json: bool,
    screen: Console,
) -> bool:
    """Write the report of what there is; True if all that must conserve energy does."""
    from md_bridge.drift.report.campaign import campaign_conserves, write_campaign_report
    from md_bridge.drift.report.sentences import force_sentences, timing_sentences
    from md_bridge.drift.report.summary import summary_content
    from md_bridge.drift.report.table import element_table, published_table, runs_table

    analysis, files = write_campaign_report(outcome, settings, campaign.folder, tolerance)
    if as_json:
        content = summary_content(analysis, settings, None, outcome.failures)
        click.echo(json.dumps(content, allow_nan=False))
    elif files is not None:
        for sentence in timing_sentences(analysis):
            screen.print(sentence, highlight=False)
        console = Console()
        console.print(runs_table(analysis, console.width))
        if settings.preset:
            console.print()
            console.print(published_table(analysis))
        elements = element_table(analysis)
        if elements is not None:
            console.print()
            console.print(elements)
        for sentence in force_sentences(analysis):
            console.print(sentence, highlight=False, markup=False)
        tell_files(console, ("Page", files.page), ("Numbers", files.summary))
    return campaign_conserves(campaign, analysis)
