"""``md-bridge ipi-input``: an input file for i-PI that runs as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from md_bridge.cli.ipi_options import for_plan, simulation_options

EPILOG = """\b
Examples:
  md-bridge ipi-input start.xyz -m model.pt --forces mts:4 --steps 10000
  md-bridge ipi-input ice.xyz -m model.pt --forces mts:4 --ensemble npt \\
      --temperature 250 --pressure 1 --barostat flexible -o ice.xml
  md-bridge ipi-input start.xyz -m model.pt --forces mts:8 --timestep 0.25 \\
      --ensemble nvt --beads 16 --transport unix
"""


@click.command("ipi-input", epilog=EPILOG)
@click.argument("start", type=click.Path(path_type=Path))
@click.option(
    "-m", "--model", required=True, type=click.Path(path_type=Path), help="Exported model."
)
@click.option(
    "-o",
    "--out",
    default=Path("input.xml"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@click.option("--overwrite", is_flag=True, help="Write it even if it exists.")
@simulation_options
def ipi_input(start: Path, model: Path, out: Path, overwrite: bool, **options: Any) -> None:
    """Write a commented input file for i-PI that runs as it stands.

    START is a structure file with one structure (any format of ASE).
    """
    from md_bridge.engine import EngineError
    from md_bridge.errors import MDBridgeError
    from md_bridge.ipi.input import relative, service, write_input
    from md_bridge.ipi.parameters import client_arguments
    from md_bridge.ipi.plan import make_plan

    try:
        plan = make_plan(**for_plan(options))
        written = write_input(out, start, model, plan, overwrite=overwrite)
    except (EngineError, MDBridgeError) as error:
        raise click.ClickException(str(error)) from None
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
    variant = "".join(f" {word}" for word in client_arguments(plan.model_options))
    click.echo(f"  md-bridge ipi-run {out.name} --model {model_there}{variant}")
    click.echo(
        f"  i-pi {out.name} & md-bridge ipi-client {model_there} --template {start_there} "
        f"{services}{variant}"
    )
