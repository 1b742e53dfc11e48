"""``md-bridge ipi-run``: i-PI and its clients together."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.ipi.options import NAMES, given, plan_arguments, simulation_options
from md_bridge.cli.options import model_options, option, with_seed
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.ipi.reader import SimulationFile

__all__ = [
    "ipi_run",
]

_STATUS = {
    0: "all steps are done",
    130: "interrupted (143 terminated, 129 hung up): RESTART goes on",
}
_OF_THE_MODEL = tuple(field.name for field in fields(ModelOptions))
_OF_CLIENTS = ("model", "template", "served", "clients", *_OF_THE_MODEL)


@click.command(
    "ipi-run",
    cls=Command,
    epilog=epilog(
        """
        md-bridge ipi-run input.xml
        md-bridge ipi-run RESTART
        md-bridge ipi-run sockets.xml -m model.pt --clients 2
        md-bridge ipi-run start.xyz -m model.pt --forces mts:4 --ensemble nvt --steps 5000
        """,
        _STATUS,
    ),
)
@click.argument("input_file", metavar="INPUT", type=click.Path(path_type=Path))
@option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    help="Exported model, for clients or for an input that is written.",
)
@option(
    "-s",
    "--serve",
    "served",
    multiple=True,
    metavar="NAME=FORCES",
    help="Forces that a client gives the <ffsocket> NAME: conservative or direct. Not needed where "
    "the name says it, or for a single one with conservative forces.",
)
@option(
    "-t",
    "--template",
    type=click.Path(path_type=Path),
    show_default="what the input starts from",
    help="Structure file for the clients.",
)
@option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Input to write.")
@option("--overwrite", is_flag=True, help="Write it even if it exists.")
@option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
@simulation_options(visible=("clients",))
@model_options(inner=True, correction=True)
@click.pass_context
def ipi_run(
    context: click.Context,
    input_file: Path,
    model: Path | None,
    served: tuple[str, ...],
    template: Path | None,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    model_options: ModelOptions,
    **options: Any,
) -> None:
    """Run i-PI, and the clients that it needs, with a progress bar.

    INPUT is an input file of i-PI, the file RESTART that an earlier run has left, or a structure:
    then an input is written first, with all the options of `md-bridge ipi-input` (--forces,
    --ensemble, --steps, …). Everything happens in the current folder, as with `i-pi INPUT`.

    Ctrl-C stops i-PI; its file RESTART goes on after the last step that was completed.
    """
    from md_bridge.ipi.parameters import client_arguments
    from md_bridge.ipi.reader import read_simulation
    from md_bridge.ipi.template import is_simulation

    with contextlib.ExitStack() as stack:
        stack.enter_context(signals_as_exceptions())
        is_start = not is_simulation(input_file)
        if is_start:
            plan = plan_arguments(options, model_options)
            input_file = _write(input_file, model, out, overwrite, plan)
        elif set(given(context)) - {"clients"} or out:
            raise click.UsageError(
                f"{input_file} is an input already: options of a simulation such as --forces, and "
                "--out, are for a start such as start.xyz"
            )
        simulation = read_simulation(input_file)
        if not simulation.sockets:
            meant = {"model", *_OF_THE_MODEL, *NAMES} if is_start else set()
            _refuse_for_clients(simulation, set(given(context, _OF_CLIENTS)) - meant, context)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        commands = _client_commands(
            simulation, model, served, template, options["clients"], Path(folder)
        )
        told = with_seed(model_options, options["seed"])
        commands = [[*command, *client_arguments(replace(told, threads=0))] for command in commands]
        threads_each = _threads(model_options.threads, len(commands))
        if not commands and model_options.threads:
            os.environ |= threads_each  # i-PI evaluates the model itself
        _run(simulation, commands, threads_each, as_json)


def _refuse_for_clients(
    simulation: SimulationFile, options: set[str], context: click.Context
) -> None:
    """An option without effect would be taken for one with."""
    for name, typed in given(context, _OF_CLIENTS).items():
        if name in options:
            raise click.UsageError(
                f"{simulation.path} has no <ffsocket>, so there is no client for {typed}: the "
                "model is the one that the input names, and OMP_NUM_THREADS are its threads"
            )


def _write(
    start: Path, model: Path | None, out: Path | None, overwrite: bool, plan: dict[str, Any]
) -> Path:
    """The input for this start."""
    from md_bridge.ipi.input import write_input
    from md_bridge.ipi.plan import make_plan

    if model is None:
        raise click.UsageError(f"{start} is a structure: say --model FILE, too")
    if out is not None and out.resolve().parent != Path.cwd():
        raise click.UsageError(
            f"--out {out}: i-PI runs in the current folder, so the input must be written there"
        )
    written = write_input(
        out or Path("input.xml"), start, model, make_plan(**plan), overwrite=overwrite
    )
    for note in written.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"wrote {written.input}", err=True)
    return written.input


def _client_commands(
    simulation: SimulationFile,
    model: Path | None,
    served: tuple[str, ...],
    template: Path | None,
    clients: int,
    folder: Path,
) -> list[list[str]]:
    """Command lines of the clients that this simulation needs."""
    import ase.io

    from md_bridge.ipi.reader import services, template_atoms

    asked = {}
    for text in served:
        name, equals, kind = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expected NAME=FORCES, found {text}", param_hint="--serve")
        asked[name] = kind
    wanted = services(simulation, asked)
    if not wanted:
        return []
    if model is None:
        names = ", ".join(forcefield.name for forcefield in simulation.sockets)
        raise click.UsageError(
            f"{simulation.path} waits for clients ({names}): say --model FILE, too"
        )
    if simulation.beads is not None and clients > simulation.beads:
        raise click.BadParameter(
            f"{simulation.path} has beads: {simulation.beads}, and each client evaluates whole "
            "beads: the others would have nothing to do",
            param_hint="--clients",
        )
    atoms = template or template_atoms(simulation)
    if not isinstance(atoms, Path):
        ase.io.write(folder / "template.xyz", atoms)
        atoms = folder / "template.xyz"
    command = [sys.executable, "-m", "md_bridge", "ipi-client"]
    command += [str(model), "--template", str(atoms), "-v"]
    command += ["--sockets-prefix", simulation.sockets_prefix]
    for service in wanted:
        command += ["--serve", service]
    return [command] * clients


def _threads(threads: int, clients: int) -> dict[str, str]:
    """Variables that divide the cores among several clients."""
    if not threads and (clients < 2 or "OMP_NUM_THREADS" in os.environ):
        return {}
    cores = len(os.sched_getaffinity(0))
    return {"OMP_NUM_THREADS": str(threads or max(cores // clients, 1))}


def _run(
    simulation: SimulationFile, commands: list[list[str]], variables: dict[str, str], as_json: bool
) -> None:
    from rich.console import Console

    from md_bridge.errors import MDBridgeError
    from md_bridge.ipi.runner import RESTART, SERVER_LOG, restart_stamp, run

    before = restart_stamp()
    console = Console(stderr=True)
    total = simulation.total_steps
    try:
        with ProgressBar(console, simulation.first_step / total if total else 0.0) as bar:
            outcome = run(
                simulation,
                commands,
                lambda steps: bar.update("i-PI", steps / total, f"step {steps} of {total}"),
                stopping=lambda: console.print("stopping i-PI (Ctrl-C again kills it)"),
                environment=variables,
            )
    except MDBridgeError:
        _say_how_to_go_on(before)
        raise
    except (KeyboardInterrupt, SystemExit) as stop:
        _say_how_to_go_on(before)
        sys.exit(INTERRUPTED if isinstance(stop, KeyboardInterrupt) else stop.code)
    steps = outcome.last_step - outcome.first_step
    if as_json:
        values = {**vars(outcome), "complete": outcome.complete, "output": f"{simulation.prefix}.*"}
        click.echo(json.dumps(values))
        return
    click.echo(
        f"{steps} steps in {outcome.seconds:.1f} s; output in {simulation.prefix}.*, "
        f"what i-PI said in {SERVER_LOG}, its state in {RESTART}"
    )
    if not outcome.complete:
        _say_how_to_go_on(before)


def _say_how_to_go_on(before: int) -> None:
    """If i-PI has written a RESTART since this stamp."""
    from md_bridge.ipi.reader import read_simulation
    from md_bridge.ipi.runner import RESTART, restart_stamp

    if restart_stamp() == before:
        click.echo(f"i-PI has not written a {RESTART}: there is nothing to go on from", err=True)
        return
    state = read_simulation(RESTART)
    click.echo(
        f"stopped at step {state.first_step} of {state.total_steps}; "
        f"to go on: md-bridge ipi-run {RESTART}",
        err=True,
    )
