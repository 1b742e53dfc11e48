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

from md_bridge.cli.drift_options import (
    ENGINES,
    EXISTING_FILE,
    NOT_CONSERVED,
    require_forces,
)
from md_bridge.cli.interruptions import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.task_bar import TaskBar

if TYPE_CHECKING:
    from md_bridge.drift.runs.campaign import Campaign
    from md_bridge.drift.runs.tasks import TaskProgress
    from md_bridge.drift.tune.search import TuneRequest, Tuning

EPILOG = """\b
Examples:
  md-bridge tune model.pt start.xyz
  md-bridge tune model.pt start.xyz --timesteps 0.25,0.5 --max-m 8 --engine ipi
  md-bridge tune model.pt start.xyz --tolerance 0.02 --longest-ps 32 --json

\b
Exit status:
  0    an M of 2 or more conserves energy
  1    a run failed
  2    bad options, or a folder that holds runs with other settings
  3    no M is shown to conserve energy: use conservative forces
  130  interrupted (143 terminated, 129 hung up): the same command goes on
"""


@click.command(epilog=EPILOG)
@click.argument("model", type=EXISTING_FILE)
@click.argument("start", type=EXISTING_FILE)
@click.option(
    "--tolerance", default=0.1, show_default=True, help="Drift that conserves, meV/atom/ps."
)
@click.option("--max-m", "most", default=16, show_default=True, help="Largest M to try.")
@click.option(
    "--timesteps",
    default="0.5",
    show_default=True,
    help="Inner steps to try, fs, with commas between them. The cheapest one is chosen.",
)
@click.option(
    "--engine",
    type=click.Choice(sorted(ENGINES)),
    default="lammps",
    show_default=True,
    help="Program that runs NVE.",
)
@click.option("--ps", "length", default=2.0, show_default=True, help="Length of first runs, ps.")
@click.option(
    "--longest-ps",
    "longest",
    default=8.0,
    show_default=True,
    help="Runs that cannot be judged grow fourfold up to this length, ps.",
)
@click.option(
    "--worth",
    default=1.03,
    show_default=True,
    help="A larger M that cannot be faster by this factor is not tried; 1 tries all.",
)
@click.option("--temperature", default=300.0, show_default=True, help="Of the starts, K.")
@click.option(
    "--replicas",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Independent starts. Where the first drifts, the others do not run.",
)
@click.option(
    "--equilibrate",
    default=0.5,
    show_default=True,
    help="Length of the thermostatted run that makes each start, ps; 0 draws new velocities only.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=1), help="Of the starts."
)
@click.option("--variant", default="", help="Of the model's outputs, where it has several.")
@click.option(
    "--out",
    default="md-bridge-tune",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for everything. The same command in the same folder does what is missing.",
)
@click.option("--from-scratch", is_flag=True, help="Throw away the runs that the folder holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and no table.")
def tune(
    model: Path,
    start: Path,
    timesteps: str,
    engine: str,
    out: Path,
    from_scratch: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the largest M for MODEL that keeps the drift of the energy within the tolerance.

    M is the number of inner steps in an outer step of multiple time stepping. It doubles until a
    run drifts, then the gap is halved; short runs come first, and longer ones where they cannot
    tell. START is a periodic structure. Ends with a table, and with inputs for LAMMPS and i-PI that
    use what was found (OUT/inputs).
    """
    from md_bridge.drift.runs.campaign import CampaignError
    from md_bridge.drift.tune.search import TuneError

    screen = Console(stderr=True)
    request = _request(model, start, timesteps, engine, options)
    if from_scratch:
        _clear(out)
    try:
        tuning = _perform(request, out, screen)
    except CampaignError as error:
        raise click.UsageError(str(error)) from None
    except TuneError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        screen.print("Interrupted: the same command goes on with the runs that are missing.")
        raise SystemExit(INTERRUPTED) from None
    _report(tuning, out, as_json, screen)
    if tuning.choice is None:
        raise SystemExit(NOT_CONSERVED)


def _request(
    model: Path, start: Path, timesteps: str, engine: str, options: dict[str, Any]
) -> TuneRequest:
    from md_bridge.drift.runs.starts import read_structure
    from md_bridge.drift.tune.search import TuneRequest
    from md_bridge.engine import EngineError

    try:
        steps = tuple(float(word) for word in timesteps.split(","))
    except ValueError:
        raise click.BadParameter(
            f"expected numbers with commas between them, found {timesteps!r}",
            param_hint="--timesteps",
        ) from None
    try:
        request = TuneRequest(
            model=model,
            start=start,
            engine=ENGINES[engine],
            timesteps_fs=steps,
            most=options["most"],
            tolerance=options["tolerance"],
            temperature_k=options["temperature"],
            length_ps=options["length"],
            longest_ps=options["longest"],
            replicas=options["replicas"],
            equilibration_ps=options["equilibrate"],
            seed=options["seed"],
            worth=options["worth"],
            variant=options["variant"],
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        read_structure(start)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        require_forces(model, ["conservative", "mts"], options["variant"])
    except EngineError as error:
        raise click.ClickException(str(error)) from None
    return request


def _perform(request: TuneRequest, out: Path, screen: Console) -> Tuning:
    from md_bridge.drift.tune.search import tune as search
    from md_bridge.engine import choose_threads

    @contextlib.contextmanager
    def show(campaign: Campaign, why: str) -> Iterator[TaskProgress]:
        screen.print(f"{why}, {campaign.plan.length_ps:g} ps", highlight=False)
        with TaskBar(campaign.tasks(), screen) as bar:
            yield bar.steps_done

    try:
        with signals_as_exceptions():
            return search(request, out, choose_threads(0), show)
    except ValueError as error:  # of the start
        raise click.UsageError(str(error)) from None


def _clear(out: Path) -> None:
    """Remove the campaigns that an earlier search left, and nothing else."""
    for settings in out.glob("*fs-*ps/campaign.json"):
        shutil.rmtree(settings.parent)


def _report(tuning: Tuning, out: Path, as_json: bool, screen: Console) -> None:
    from md_bridge.drift.report.tune import tuning_sentences, tuning_summary, tuning_table
    from md_bridge.drift.runs.analysis import write_summary
    from md_bridge.drift.tune.inputs import write_inputs
    from md_bridge.engine import EngineError

    try:
        inputs = write_inputs(tuning, out / "inputs")
    except EngineError as error:  # the search must not be lost
        screen.print(f"No inputs were written: {error}", style="red", markup=False)
        inputs = []
    content = tuning_summary(tuning, inputs)
    write_summary(content, out / "tune.json")
    if as_json:
        click.echo(json.dumps(content, allow_nan=False))
        return
    console = Console()
    console.print(tuning_table(tuning))
    console.print()
    for sentence in tuning_sentences(tuning):
        console.print(sentence, highlight=False)
    console.print()
    for path in inputs:
        console.print(f"Inputs    {path}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"Numbers   {out / 'tune.json'}", highlight=False, markup=False, soft_wrap=True)
