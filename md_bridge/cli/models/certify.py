"""``md-bridge certify``: does a model file behave in this installation?"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.markup import escape

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import (
    length_option,
    out_option,
    seed_option,
    timestep_option,
    tolerance_option,
)
from md_bridge.cli.models.options import CHECKS_FAILED
from md_bridge.cli.options import Words, json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import writing_into
from md_bridge.cli.tables import tell_files, widen_for
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.certify.certificate import Certificate

__all__ = ["certify"]

_REQUEST = "md_bridge.certify.request:CertifyRequest"
_STATUS = {
    0: "every check that could be made is passed",
    3: "a check failed, or runs are too short to tell",
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge certify model.pt start.xyz
        md-bridge certify model.pt start.xyz --quick
        md-bridge certify upet:pet-mad-s start.xyz --mts 1,4 --ps 2
        md-bridge certify model.pt start.xyz --only precision,hosts
        """,
        _STATUS,
    ),
)
@click.argument("model")
@click.argument("starts", nargs=-1, metavar="[START]...", type=click.Path(path_type=Path))
@option("--quick", is_flag=True, help="A first look: runs of 0.1 ps, M up to 4, 2 ranks.")
@option(
    "--only",
    of=_REQUEST,
    type=Words(str, "names"),
    metavar="NAME,...",
    show_default="all",
    help="Only these checks: derivatives, precision, order, range, smoothness, direct, ranks, "
    "hosts, nve, speed.",
)
@option(
    "--mts",
    "multiplicities",
    of=_REQUEST,
    type=Words(int, "whole numbers"),
    metavar="M,...",
    help="M of the runs at constant energy; 1: conservative forces.",
)
@option(
    "--ranks",
    of=_REQUEST,
    type=Words(int, "whole numbers"),
    metavar="N,...",
    help="Numbers of MPI ranks that are compared with one.",
)
@timestep_option(_REQUEST)
@length_option(_REQUEST, "Length of each run at constant energy")
@option("--temperature", "temperature_k", of=_REQUEST, type=float, help="Of the runs (K).")
@option(
    "--equilibrate",
    "equilibration_ps",
    of=_REQUEST,
    type=click.FloatRange(min=0),
    help="Length of the thermostatted run before them (ps).",
)
@tolerance_option(_REQUEST)
@seed_option(_REQUEST)
@out_option("md-bridge-certify")
@json_option("the certificate")
@model_options(symmetrize=False, inner=True, correction=True)
def certify(
    model: str,
    starts: tuple[Path, ...],
    quick: bool,
    out: Path,
    as_json: bool,
    model_options: ModelOptions,
    **settings: Any,
) -> None:
    """Check whether MODEL behaves in this installation, and make a page to file with a paper.

    MODEL is an exported file (.pt, .pt2); upet:NAME[@VERSION], a published one; or
    python:package.module:factory of an ASE calculator. Each START is a structure of your dynamics
    (any format of ASE), the last of its file; runs begin at the first that is periodic. Without
    one, structures are made up, and no dynamics are run.
    """
    from md_bridge.certify.api import certify as make
    from md_bridge.certify.request import QUICK, CertifyRequest
    from md_bridge.certify.source import model_file

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    context = click.get_current_context()
    if quick:
        for name, value in QUICK.items():
            if context.get_parameter_source(name) is ParameterSource.DEFAULT:
                settings[name] = value
    with ProgressBar(Console(stderr=True)) as bar:
        bar.update("finding the model")
        path = model_file(model, out)
        request = CertifyRequest(path, tuple(starts), model_options=model_options, **settings)
        certificate = make(request, out, source=model, progress=bar.update)
    _tell(certificate, out, as_json)
    if certificate.passed is not True:
        raise SystemExit(CHECKS_FAILED)


def _tell(certificate: Certificate, out: Path, as_json: bool) -> None:
    """To the screen first: a full disk must not take the result of long runs with it."""
    from md_bridge.certify.findings import Outcome
    from md_bridge.certify.report.write import certificate_table, write_certificate

    console = Console()
    if as_json:
        click.echo(json.dumps(certificate.as_dict(), allow_nan=False))
    else:
        table = certificate_table(certificate)
        widen_for(console, table)
        console.print(table)
        for outcome in (Outcome.FAILED, Outcome.UNDECIDED, Outcome.SKIPPED):
            for finding in certificate.named(outcome):
                console.print(
                    f"[bold]{escape(finding.name)}[/]: {escape(finding.sentence)}", highlight=False
                )
        console.print()
        console.print(certificate.headline, highlight=False, markup=False)
    with writing_into(out):
        files = write_certificate(certificate, out)
    if not as_json:
        tell_files(console, ("Page", files.page), ("Numbers", files.numbers))
