"""``md-bridge ipi-client``: answer i-PI over its sockets."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

import click


@click.command("ipi-client")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-t",
    "--template",
    required=True,
    type=click.Path(path_type=Path),
    help="Structure file with the atoms in i-PI's order (any format of ASE).",
)
@click.option(
    "-s",
    "--serve",
    "services",
    required=True,
    multiple=True,
    metavar="ADDRESS[=FORCES]",
    help="Where a forcefield of i-PI listens: unix:NAME, shm:NAME or HOST:PORT; and which forces "
    "it gets: conservative (default) or direct. May be given several times: one copy of the model "
    "answers all.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("-V", "--variant", default="", help="Variant of the model's outputs.")
@click.option("--direct-variant", default="", help="Variant of the direct forces, if another one.")
@click.option("--uncertainty-variant", default="", help="Variant of the uncertainty, likewise.")
@click.option("--extensions", default="", help="Directory of compiled TorchScript extensions.")
@click.option("--skin", default=1.0, show_default=True, help="Skin of the pair lists, Å.")
@click.option(
    "--stress",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "none"]),
    help="Virial that comes with direct forces: auto takes the model's direct stress; none is "
    "zero, for runs in which nothing depends on the pressure.",
)
@click.option("--force-extras", is_flag=True, help="Hand both kinds of forces to i-PI as extras.")
@click.option("--uncertainty", is_flag=True, help="Hand the energy uncertainty to i-PI as extras.")
@click.option(
    "--symmetrize",
    default="none",
    show_default=True,
    help="Average over rotated copies: octahedral or icosahedral, each also with /inversion, or "
    "random (one random orientation for each structure).",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of --symmetrize random.")
@click.option(
    "--threads",
    default=0,
    type=click.IntRange(min=0),
    help="Threads; default OMP_NUM_THREADS, or all free cores.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.0),
    help="Seconds to wait for i-PI to open its sockets.",
)
@click.option(
    "--sockets-prefix",
    default="/tmp/ipi_",
    show_default=True,
    help="What i-PI puts before the name of a unix socket (its option -S).",
)
@click.option("-v", "--verbose", is_flag=True, help="Say what happens.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
def ipi_client(
    model: Path,
    template: Path,
    services: tuple[str, ...],
    timeout: float,
    sockets_prefix: str,
    threads: int,
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer i-PI over its sockets with the forces of MODEL, until i-PI ends.

    Start it together with i-PI, in any order:

    \b
      i-pi input.xml &
      md-bridge ipi-client model.pt --template start.xyz --serve unix:water

    With multiple time stepping, one client serves both forcefields:

    \b
      md-bridge ipi-client model.pt --template start.xyz \\
          --serve unix:cons=conservative --serve unix:direct=direct

    Exit status: 0 when i-PI said EXIT, 1 after an error, 130 or 143 when interrupted.
    """
    from md_bridge.engine import EngineError
    from md_bridge.ipi.client import Client
    from md_bridge.ipi.session import SessionOptions, open_session, summary, summary_line
    from md_bridge.model_options import ModelOptions

    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        names = {field.name for field in fields(ModelOptions)} & set(options)
        model_options = ModelOptions(threads=threads, **{name: options.pop(name) for name in names})
        session = open_session(SessionOptions(template, model, model_options, **options))
        client = Client(
            session,
            services,
            timeout=timeout,
            sockets_prefix=sockets_prefix,
            log=_say if verbose else None,
        )
        client.run()
    except EngineError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGTERM, before)
    if verbose:
        _say(summary_line(session))
    if as_json:
        click.echo(json.dumps(summary(session)))


def _say(line: str) -> None:
    click.echo(f"md-bridge ipi-client: {line}", err=True)


def _terminate(signum: int, frame: FrameType | None) -> None:
    _say("terminated")
    sys.exit(128 + signum)
