"""``md-bridge demo``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from md_bridge.cli.command import DEFAULT_SECTION, Command, epilog
from md_bridge.cli.energy.options import STOPPED, length_option, out_option, require_forces
from md_bridge.cli.options import EXISTING_FILE, json_option, option, threads_option
from md_bridge.cli.progress import TaskBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files
from md_bridge.model_options import ModelOptions, require_use_of_inner

if TYPE_CHECKING:
    from md_bridge import demo as job
    from md_bridge.drift.runs.plan import Run

__all__ = [
    "demo",
]

_DEFAULT_LENGTH_PS = 0.5
"""Of the conservative run; the eight runs take less than five minutes on two cores."""
_BUSY = 0.5
"""Share of the cores that others may use before wall times suffer."""


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge demo --out my-demo --ps 1
        md-bridge demo --inner my-student.pt
        """,
        {0: "all runs are finished", 1: "a run failed", **STOPPED},
    ),
)
@out_option("md-bridge-demo", "Folder for everything that the demo writes.")
@length_option(
    what="Length of the conservative run; some with cheaper forces are 1.5 times as long",
    default=_DEFAULT_LENGTH_PS,
)
@option(
    "--inner",
    type=EXISTING_FILE,
    metavar="MODEL",
    help="Inner model of the runs with two models.",
    show_default="the bundled student",
)
@threads_option(DEFAULT_SECTION)
@json_option("the summary")
def demo(out: Path, length_ps: float, inner: Path | None, threads: int, as_json: bool) -> None:
    """Run the bundled water model in LAMMPS and i-PI and see what conserves energy.

    From one start, NVE with conservative forces, with direct forces, and with multiple time
    stepping (M = 2, 4 and 8 in LAMMPS, M = 4 in i-PI); and in both with a second, cheaper model for
    the inner steps (M = 4): the bundled one, or a student of your own. Ends with a table, a picture
    and a page. That direct forces drift is what it shows, and no failure. Ctrl-C keeps the runs
    that are done.
    """
    from md_bridge import demo as job
    from md_bridge.engine import choose_threads

    try:
        runs = job.planned_runs(length_ps, inner)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ps") from error
    if inner is not None:
        options = ModelOptions(inner=str(inner))
        require_use_of_inner(job.MODEL, options, ["mts"])
        require_forces(job.MODEL, ["mts"], options, job.read_start())
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(
            f"cannot make {out}: {error.strerror}", param_hint="--out"
        ) from error
    screen = Console(stderr=True)
    threads = choose_threads(threads)
    settings = job.describe_settings(runs, threads)
    if settings.load > _BUSY * len(os.sched_getaffinity(0)):
        advice = " OMP_NUM_THREADS=1 may be faster now." if threads > 1 else ""
        screen.print(
            f"This machine is busy (load {settings.load:.1f}): drifts are not affected, but wall "
            f"times and speed-ups will be off.{advice}"
        )
    outcome = job.DemoOutcome()
    interrupted = _perform(runs, out, threads, outcome, screen)
    for label, reason in outcome.failures.items():
        screen.print(f"{label} failed: {reason}", style="red", markup=False, highlight=False)
    if interrupted:
        screen.print(f"Interrupted: {len(outcome.records)} of {len(runs)} runs are complete.")
    if outcome.records:
        _report(outcome, settings, out, as_json, screen)
    if interrupted:
        raise SystemExit(INTERRUPTED)
    if outcome.failures:
        raise SystemExit(1)


def _perform(
    runs: list[Run], out: Path, threads: int, outcome: job.DemoOutcome, screen: Console
) -> bool:
    """Do the runs behind a progress bar; True if the user stopped them."""
    from md_bridge import demo as job
    from md_bridge.drift.runs.tasks import run_task

    tasks = {run_task(run): False for run in runs}
    with signals_as_exceptions(), TaskBar(tasks, screen) as bar:
        try:
            job.perform(
                runs,
                out,
                threads,
                lambda run, steps: bar.steps_done(run_task(run), steps),
                outcome,
            )
        except KeyboardInterrupt:
            return True
    return False


def _report(
    outcome: job.DemoOutcome, settings: job.RunSettings, out: Path, as_json: bool, screen: Console
) -> None:
    from md_bridge.drift.report.sentences import (
        force_sentences,
        gain_sentence,
        largest_multiplicities,
        timing_sentences,
    )
    from md_bridge.drift.report.summary import summary_content
    from md_bridge.drift.report.table import runs_table
    from md_bridge.drift.report.write import write_report

    difference, failures = outcome.difference, outcome.failures
    analysis, files = write_report(
        outcome.records, settings, out, difference, failures=failures, costs=outcome.costs
    )
    if as_json:
        content = summary_content(analysis, settings, difference, failures)
        click.echo(json.dumps(content, allow_nan=False))
        return
    for sentence in timing_sentences(analysis):
        screen.print(sentence, highlight=False)
    console = Console()
    console.print(runs_table(analysis, console.width))
    conclusion = " ".join([*largest_multiplicities(analysis), *force_sentences(analysis)])
    console.print(f"\n{conclusion} The page says what each number means.", highlight=False)
    console.print(gain_sentence(analysis), highlight=False, style="bold")
    tell_files(console, ("Page", files.page), ("Picture", files.png), ("Numbers", files.summary))
