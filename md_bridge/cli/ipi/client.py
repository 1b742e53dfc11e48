"""``md-bridge ipi-client``: answer i-PI over its sockets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.options import model_options, option
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.model_options import ModelOptions

__all__ = [
    "ipi_client",
]

_SESSION = "md_bridge.ipi.session:SessionOptions"
_CLIENT = "md_bridge.ipi.client:Client"

_STATUS = {
    0: "i-PI said EXIT",
    1: "an error: i-PI went away, the model failed, …",
    130: "interrupted (143 terminated, 129 hung up)",
}


@click.command(
    "ipi-client",
    cls=Command,
    epilog=epilog(
        r"""
        i-pi input.xml & md-bridge ipi-client model.pt --template start.xyz --serve unix:water
        md-bridge ipi-client model.pt --template start.xyz \
            --serve unix:cons=conservative --serve unix:direct=direct
        """,
        _STATUS,
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@option(
    "-t",
    "--template",
    required=True,
    type=click.Path(path_type=Path),
    help="Structure file with the atoms in i-PI's order (any format of ASE).",
)
@option(
    "-s",
    "--serve",
    "services",
    required=True,
    multiple=True,
    metavar="ADDRESS[=FORCES]",
    help="A forcefield's address (unix:NAME, shm:NAME or HOST:PORT) and forces: conservative "
    "(default) or direct. May be repeated.",
)
@option(
    "--stress",
    of=_SESSION,
    type=click.Choice(["auto", "none"]),
    help="Virial with direct forces: the model's direct stress (auto), or zero (none) where "
    "nothing depends on it.",
)
@option("--force-extras", is_flag=True, help="Both kinds of forces as extras for i-PI.")
@option("--uncertainty", is_flag=True, help="Uncertainty of the energy as extras.")
@option("--committee", is_flag=True, help="Energies of the committee as extras.")
@option("--spread", is_flag=True, help="Standard deviations over rotated copies as extras.")
@option("--skin", of=_SESSION, type=float, help="Skin of the pair lists (Å).")
@option(
    "--timeout",
    of=_CLIENT,
    type=click.FloatRange(min=0.0),
    help="Time to wait for i-PI to open its sockets (s).",
)
@option("--sockets-prefix", of=_CLIENT, help="Prefix of i-PI's unix sockets (its option -S).")
@option("-v", "--verbose", is_flag=True, help="Say what happens.")
@option("--json", "as_json", is_flag=True, help="Print a summary as JSON at the end.")
@model_options(seed=True, uncertainty=True, inner=True, correction=True)
def ipi_client(
    model: Path,
    template: Path,
    services: tuple[str, ...],
    timeout: float,
    sockets_prefix: str,
    verbose: bool,
    as_json: bool,
    model_options: ModelOptions,
    **options: Any,
) -> None:
    """Answer i-PI over its sockets with the forces of MODEL, until i-PI ends.

    Start it together with i-PI, in any order. With multiple time stepping, one client serves both
    forcefields: one copy of the model answers all. Of two models, the direct forcefield gets the
    forces of the inner one.
    """
    from md_bridge.ipi.client import Client
    from md_bridge.ipi.session import SessionOptions, open_session, summary, summary_line
    from md_bridge.ipi.template import describe_template

    if not model.exists() and set(",;") & set(str(model)):
        raise click.BadParameter(
            f"{model} names several files, and this client answers with one model. For a committee "
            "over sockets start i-PI's own client with our driver: i-pi-driver-py -m custom -P "
            "PATH (of md-bridge ipi-driver) -o 'model=a.pt;b.pt,template=start.xyz'; or give each "
            "model a client and a forcefield within <ffcommittee>",
            param_hint="MODEL",
        )
    try:
        with signals_as_exceptions():
            session = open_session(SessionOptions(template, model, model_options, **options))
            if verbose:
                _say(f"{', '.join(services)}: {describe_template(template)}")
            client = Client(
                session,
                services,
                timeout=timeout,
                sockets_prefix=sockets_prefix,
                log=_say if verbose else None,
            )
            client.run()
    except KeyboardInterrupt:
        _say("interrupted")
        raise SystemExit(INTERRUPTED) from None
    except SystemExit:
        _say("terminated")
        raise
    if verbose:
        _say(summary_line(session))
    if as_json:
        click.echo(json.dumps(summary(session)))


def _say(line: str) -> None:
    click.echo(f"md-bridge ipi-client: {line}", err=True)
