"""``md-bridge tune``: the largest M that conserves energy."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.campaign import tell_versions
from md_bridge.cli.energy.options import (
    NOT_CONSERVED,
    RESUMES,
    campaign_folder_options,
    host_option,
    length_option,
    model_and_start,
    require_forces,
    stall_option,
    start_options,
    tolerance_option,
)
from md_bridge.cli.options import Numbers, json_option, model_options, option, with_seed
from md_bridge.cli.progress import TaskBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.drift.runs.campaign import Campaign
    from md_bridge.drift.runs.tasks import TaskProgress
    from md_bridge.drift.tuning.search import TuneRequest, Tuning

__all__ = [
    "tune",
]

_REQUEST = "md_bridge.drift.tuning.search:TuneRequest"
_STATUS = {
    0: "an M of 2 or more conserves energy",
    1: "a run failed",
    2: "bad options, or a folder that holds runs with other settings",
    3: "no M is shown to conserve energy: use conservative forces, if those do",
    **RESUMES,
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge tune model.pt start.xyz
        md-bridge tune model.pt start.xyz --timesteps 0.25,0.5 --max-m 8 --host i-pi
        md-bridge tune model.pt start.xyz --tolerance 0.02 --longest-ps 32 --json
        """,
        _STATUS,
    ),
)
@model_and_start
@host_option(_REQUEST)
@tolerance_option(_REQUEST)
@option("--max-m", "most", of=_REQUEST, type=int, help="Largest M to try.")
@option(
    "--timesteps",
    "timesteps_fs",
    of=_REQUEST,
    type=Numbers("numbers"),
    metavar="FS[,FS...]",
    help="Inner time steps to try (fs).",
)
@length_option(_REQUEST, "Length of the first runs")
@option(
    "--longest-ps",
    of=_REQUEST,
    type=float,
    help="Length up to which runs that cannot be judged grow, by a factor of four (ps).",
)
@option(
    "--worth",
    of=_REQUEST,
    type=float,
    help="Gain in speed that a larger M must promise to be tried; 1 tries all.",
)
@start_options(
    _REQUEST, replicas="Independent starts; where the first drifts, the others do not run."
)
@stall_option(_REQUEST)
@campaign_folder_options("md-bridge-tune")
@json_option("the result")
@model_options(inner=True, correction=True)
def tune(
    model: Path,
    start: Path,
    out: Path,
    from_scratch: bool,
    as_json: bool,
    model_options: ModelOptions,
    **values: Any,
) -> None:
    """Find the largest M for MODEL that keeps the drift of the energy within the tolerance.

    M is the number of inner steps in an outer step of multiple time stepping. It doubles until a
    run drifts, then the gap is halved; short runs come first, and longer ones where they cannot
    tell. START is a periodic structure. Ends with a table, and with inputs for LAMMPS and i-PI that
    use what was found (OUT/inputs).
    """
    from md_bridge.drift.runs.starts import read_periodic_structure
    from md_bridge.drift.tuning.search import TuneRequest

    screen = Console(stderr=True)
    options = with_seed(model_options, values["seed"])
    request = TuneRequest(model=model, start=start, model_options=options, **values)
    require_forces(model, ["conservative", "mts"], options, read_periodic_structure(start))
    if from_scratch:
        _clear(out)
    try:
        tuning = _perform(request, out, model_options.threads, screen)
    except KeyboardInterrupt:
        screen.print("Interrupted: the same command goes on with the runs that are missing.")
        raise SystemExit(INTERRUPTED) from None
    _report(tuning, out, as_json, screen)
    if not tuning.has_multiplicity:
        raise SystemExit(NOT_CONSERVED)


def _perform(request: TuneRequest, out: Path, threads: int, screen: Console) -> Tuning:
    from md_bridge.drift.tuning.search import search
    from md_bridge.engine import choose_threads

    @contextlib.contextmanager
    def show(campaign: Campaign, why: str) -> Iterator[TaskProgress]:
        screen.print(f"{why}, {campaign.plan.length_ps:g} ps", highlight=False)
        with TaskBar(campaign.tasks(), screen) as bar:
            yield bar.steps_done

    with signals_as_exceptions():
        return search(request, out, choose_threads(threads), show)


def _clear(out: Path) -> None:
    """Remove the campaigns that an earlier search left, and nothing else."""
    for settings in out.glob("*fs-*ps/campaign.json"):
        shutil.rmtree(settings.parent)


def _report(tuning: Tuning, out: Path, as_json: bool, screen: Console) -> None:
    from md_bridge.drift.report.summary import write_summary
    from md_bridge.drift.report.tune import tuning_sentences, tuning_summary, tuning_table
    from md_bridge.drift.tuning.inputs import write_inputs
    from md_bridge.engine import EngineError

    try:
        inputs = write_inputs(tuning, out / "inputs")
    except EngineError as error:  # the search must not be lost
        screen.print(f"No inputs were written: {error}", style="red", markup=False)
        inputs = []
    tell_versions(tuning.records, screen)
    content = tuning_summary(tuning, inputs)
    write_summary(content, out / "tune.json")
    if as_json:
        click.echo(json.dumps(content, allow_nan=False))
        return
    console = Console()
    console.print(tuning_table(tuning))
    console.print()
    for sentence in tuning_sentences(tuning):
        console.print(sentence, highlight=False, markup=False)
    written = [("Inputs", path) for path in inputs]
    tell_files(console, *written, ("Numbers", out / "tune.json"))
