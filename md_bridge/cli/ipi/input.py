"""``md-bridge ipi-input``: an input file for i-PI that runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.ipi.options import plan_arguments, simulation_options
from md_bridge.cli.options import model_options, option
from md_bridge.model_options import ModelOptions

__all__ = [
    "ipi_input",
]


@click.command(
    "ipi-input",
    cls=Command,
    epilog=epilog(
        r"""
        md-bridge ipi-input start.xyz -m model.pt --forces mts:4 --steps 10000
        md-bridge ipi-input ice.xyz -m model.pt --forces mts:4 --ensemble npt \
            --temperature 250 --pressure 1 --barostat flexible -o ice.xml
        md-bridge ipi-input start.xyz -m model.pt --forces mts:8 --timestep 0.25 \
            --ensemble nvt --beads 16 --transport unix
        """
    ),
)
@click.argument("start", type=click.Path(path_type=Path))
@option("-m", "--model", required=True, type=click.Path(path_type=Path), help="Exported model.")
@option(
    "-o",
    "--out",
    default="input.xml",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@option("--overwrite", is_flag=True, help="Write it even if it exists.")
@simulation_options()
@model_options(inner=True, correction=True)
def ipi_input(
    start: Path,
    model: Path,
    out: Path,
    overwrite: bool,
    model_options: ModelOptions,
    **options: Any,
) -> None:
    """Write a commented input file for i-PI that runs as it stands.

    START is a structure file with one structure (any format of ASE).
    """
    from md_bridge.ipi.input import relative, service, write_input
    from md_bridge.ipi.parameters import client_arguments
    from md_bridge.ipi.plan import make_plan

    plan = make_plan(**plan_arguments(options, model_options))
    written = write_input(out, start, model, plan, overwrite=overwrite)
    for note in written.notes:
        click.echo(f"note: {note}", err=True)
    folder = "" if out.parent == Path() else f" in {out.parent}"
    click.echo(f"wrote {out}; run it{folder} with one of")
    if plan.transport == "ffdirect":
        click.echo(f"  i-pi {out.name}")
        click.echo(f"  md-bridge ipi-run {out.name}")
        return
    services = " ".join(f"--serve {service(plan, kind)}" for kind in plan.kinds)
    model_there, start_there = relative(model, out), relative(written.start, out)
    more = "".join(
        f" {word}" for word in client_arguments(plan.model_options.relative_to(out.parent))
    )
    click.echo(f"  md-bridge ipi-run {out.name} --model {model_there}{more}")
    click.echo(
        f"  i-pi {out.name} & md-bridge ipi-client {model_there} --template {start_there} "
        f"{services}{more}"
    )
