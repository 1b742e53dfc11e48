"""``md-bridge demo``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from md_bridge.cli.interruptions import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.task_bar import TaskBar

if TYPE_CHECKING:
    from md_bridge import demo as job
    from md_bridge.drift.runs.dynamics import NveRun

_DEFAULT_LENGTH_PS = 0.5
"""Six runs of this length take three to four minutes on two cores."""
_BUSY = 0.5
"""Share of the cores that others may use before wall times suffer."""


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="md-bridge-demo",
    show_default=True,
    help="Folder for everything the demo writes.",
)
@click.option(
    "--ps",
    "length_ps",
    type=float,
    default=_DEFAULT_LENGTH_PS,
    show_default=True,
    help="Length of each run in ps. Longer runs have smaller error bars.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, and no table.")
def demo(out: Path, length_ps: float, as_json: bool) -> None:
    """Run the bundled water model in LAMMPS and i-PI and see what conserves energy.

    From one start, NVE with conservative forces, with direct forces, and with multiple time
    stepping (M = 2, 4 and 8 in LAMMPS, M = 4 in i-PI). Ends with a table, a picture and a page.
    Ctrl-C keeps the runs that are done.

    \b
    Example:
      md-bridge demo --out my-demo --ps 1

    Exit codes: 0 all runs finished, 1 a run failed, 2 bad options, 130 interrupted,
    143 terminated (129 by a hang-up).
    """
    from md_bridge import demo as job
    from md_bridge.engine import choose_threads

    try:
        runs = job.planned_runs(length_ps)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--ps") from error
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.BadParameter(
            f"cannot make {out}: {error.strerror}", param_hint="--out"
        ) from error
    screen = Console(stderr=True)
    threads = choose_threads(0)
    settings = job.describe_settings(runs, threads)
    if settings.load > _BUSY * len(os.sched_getaffinity(0)):
        advice = " OMP_NUM_THREADS=1 may be faster now." if threads > 1 else ""
        screen.print(
            f"This machine is busy (load {settings.load:.1f}): drifts are not affected, but wall "
            f"times and speed-ups will be off.{advice}"
        )
    outcome = job.Outcome()
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
    runs: list[NveRun], out: Path, threads: int, outcome: job.Outcome, screen: Console
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
    outcome: job.Outcome, settings: job.RunSettings, out: Path, as_json: bool, screen: Console
) -> None:
    from md_bridge.drift.report.table import terminal_table
    from md_bridge.drift.report.wording import timing_sentences
    from md_bridge.drift.report.write import write_report
    from md_bridge.drift.runs.analysis import summary

    difference, failures = outcome.difference, outcome.failures
    analysis, files = write_report(outcome.records, settings, out, difference, failures=failures)
    if as_json:
        content = summary(analysis, settings, difference, failures)
        click.echo(json.dumps(content, allow_nan=False))
        return
    for sentence in timing_sentences(analysis):
        screen.print(sentence, highlight=False)
    console = Console()
    console.print(terminal_table(analysis, console.width))
    console.print(f"\nPage      {files.page}\nPicture   {files.png}\nNumbers   {files.summary}")
