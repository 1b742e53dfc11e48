"""``md-bridge ipi-run``: i-PI and its clients together."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.interruptions import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.ipi_options import for_plan, given, simulation_options

if TYPE_CHECKING:
    from md_bridge.ipi.reader import SimulationFile

EPILOG = """\b
Examples:
  md-bridge ipi-run input.xml
  md-bridge ipi-run RESTART
  md-bridge ipi-run sockets.xml -m model.pt --clients 2
  md-bridge ipi-run start.xyz -m model.pt --forces mts:4 --ensemble nvt --steps 5000

Exit status: 0 at the end, 1 after an error, 130 when interrupted (143 terminated, 129 hung up).
"""


@click.command("ipi-run", epilog=EPILOG)
@click.argument("input_file", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    help="Exported model, for clients or for an input that is written.",
)
@click.option(
    "-s",
    "--serve",
    "served",
    multiple=True,
    metavar="NAME=FORCES",
    help="Which forces a client gives the <ffsocket> NAME: conservative or direct. Not needed for "
    "forcefields that are named so, or for a single one with conservative forces.",
)
@click.option(
    "-t",
    "--template",
    type=click.Path(path_type=Path),
    help="Structure file for the clients.  [default: what the input starts from]",
)
@click.option("--device", default="auto", show_default=True, help="Of the clients.")
@click.option(
    "--threads",
    default=0,
    type=click.IntRange(min=0),
    help="Of each client; default OMP_NUM_THREADS, or the cores divided by the clients.",
)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Input to write."
)
@click.option("--overwrite", is_flag=True, help="Write it even if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
@simulation_options
def ipi_run(
    input_file: Path,
    model: Path | None,
    served: tuple[str, ...],
    template: Path | None,
    device: str,
    threads: int,
    out: Path | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run i-PI, and the clients that it needs, with a progress bar.

    INPUT is an input file of i-PI, the file RESTART that an earlier run has left, or a structure:
    then an input is written first (see `md-bridge ipi-input`), with the options from --forces on.
    Everything happens in the current folder, as with `i-pi INPUT`.

    Ctrl-C stops i-PI; its file RESTART goes on after the last step that was completed.
    """
    from md_bridge.engine import EngineError
    from md_bridge.errors import MDBridgeError
    from md_bridge.ipi.reader import is_simulation, read_simulation

    with contextlib.ExitStack() as stack:
        stack.enter_context(signals_as_exceptions())
        try:
            is_start = not is_simulation(input_file)
            if is_start:
                input_file = _write(input_file, model, out, overwrite, options)
            elif set(given(options)) - {"clients", "variant"} or out:
                raise click.UsageError(
                    f"{input_file} is an input already: options from --forces on, and --out, are "
                    "for a start such as start.xyz"
                )
            simulation = read_simulation(input_file)
            if not simulation.sockets:
                for_clients = {"--template": template, "--serve": served, "--threads": threads}
                for_clients |= {"--clients": options["clients"]}
                for_clients |= {"--device": device != "auto"}
                for_clients |= (
                    {} if is_start else {"--model": model, "--variant": options["variant"]}
                )
                _refuse_for_clients(simulation, for_clients)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            commands = _client_commands(
                simulation, model, served, template, device, options["clients"] or 1, Path(folder)
            )
            if options["variant"]:
                commands = [[*command, "--variant", options["variant"]] for command in commands]
            threads_each = _threads(threads, len(commands))
            _run(simulation, commands, threads_each, as_json)
        except (EngineError, MDBridgeError) as error:
            raise click.ClickException(str(error)) from None


def _refuse_for_clients(simulation: SimulationFile, options: dict[str, Any]) -> None:
    """An option without effect would be taken for one with."""
    given_ones = [name for name, value in options.items() if value]
    if given_ones:
        raise click.UsageError(
            f"{simulation.path} has no <ffsocket>, so there is no client for {given_ones[0]}: the "
            "model is the one that the input names, and OMP_NUM_THREADS are its threads"
        )


def _write(
    start: Path, model: Path | None, out: Path | None, overwrite: bool, options: dict[str, Any]
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
        out or Path("input.xml"), start, model, make_plan(**for_plan(options)), overwrite=overwrite
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
    device: str,
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
            raise click.BadParameter(f"expected NAME=FORCES, got {text}", param_hint="--serve")
        asked[name] = kind
    wanted = services(simulation, asked)
    if not wanted:
        return []
    if model is None:
        names = ", ".join(forcefield.name for forcefield in simulation.sockets)
        raise click.UsageError(
            f"{simulation.path} waits for clients ({names}): say --model FILE, too"
        )
    atoms = template or template_atoms(simulation)
    if not isinstance(atoms, Path):
        ase.io.write(folder / "template.xyz", atoms)
        atoms = folder / "template.xyz"
    command = [sys.executable, "-c", "from md_bridge.cli import main; main()", "ipi-client"]
    command += [str(model), "--template", str(atoms), "--device", device, "-v"]
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
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from md_bridge.engine import EngineError
    from md_bridge.errors import MDBridgeError
    from md_bridge.ipi.runner import RESTART, SERVER_LOG, restart_stamp, run

    columns = (
        TextColumn("i-PI step"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    before = restart_stamp()
    try:
        console = Console(stderr=True)
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            task = bar.add_task("", total=simulation.total_steps, completed=simulation.first_step)
            outcome = run(
                simulation,
                commands,
                lambda steps: bar.update(task, completed=steps),
                stopping=lambda: console.print("stopping i-PI (Ctrl-C again kills it)"),
                environment=variables,
            )
    except (EngineError, MDBridgeError):
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
