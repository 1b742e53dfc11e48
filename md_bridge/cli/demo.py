"""``md-bridge demo``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from md_bridge import demo as job
    from md_bridge.drift.nve import NveRun

_DEFAULT_LENGTH_PS = 0.5
"""Six runs of this length take three to four minutes on two cores."""
_INTERRUPTED = 130
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
    threads = choose_threads(0, 1)
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
        raise SystemExit(_INTERRUPTED)
    if outcome.failures:
        raise SystemExit(1)


def _perform(
    runs: list[NveRun], out: Path, threads: int, outcome: job.Outcome, screen: Console
) -> bool:
    """Do the runs behind a progress bar; True if the user stopped them."""
    from md_bridge import demo as job

    with _signals_as_exceptions(), _Bar(runs, screen) as bar:
        try:
            job.perform(runs, out, threads, bar.steps_done, outcome)
        except KeyboardInterrupt:
            return True
    return False


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """SIGTERM and SIGHUP leave by SystemExit, which stops the running engine on its way.

    By default they would end this process only, and `lmp` or `i-pi` would go on without it.
    """
    # under `nohup` a hang-up is to be ignored
    handled = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def leave(number: int, frame: FrameType | None) -> None:
        for other in handled:  # a second one must not interrupt the stopping
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(
    outcome: job.Outcome, settings: job.RunSettings, out: Path, as_json: bool, screen: Console
) -> None:
    from md_bridge.drift.analysis import summary
    from md_bridge.drift.report import write_report
    from md_bridge.drift.table import terminal_table
    from md_bridge.drift.wording import timing_sentences

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


class _Bar:
    """One bar over all runs, in units of the expected cost, so that the time left is honest."""

    def __init__(self, runs: list[NveRun], screen: Console) -> None:
        from md_bridge.demo import expected_cost

        self._cost = {run: expected_cost(run) for run in runs}
        self._total = sum(run.outer_steps * self._cost[run] for run in runs)
        self._done = dict.fromkeys(runs, 0)
        self._progress = Progress(
            TextColumn("{task.description:20}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=screen,
        )
        self._task: TaskID = self._progress.add_task("starting", total=self._total)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def steps_done(self, run: NveRun, steps: int) -> None:
        """Advance the bar to these outer steps of this run."""
        finished = steps == run.outer_steps and self._done[run] < steps
        self._done[run] = steps
        done = sum(steps * self._cost[run] for run, steps in self._done.items())
        self._progress.update(self._task, completed=done, description=run.label)
        if finished and not self._progress.console.is_terminal:
            self._progress.console.print(f"{run.label}: done ({done / self._total:.0%} of all)")
