"""``md-bridge check``: does a model keep the promises that dynamics rely on?"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import click
from rich.console import Console

EPILOG = """\b
Examples:
  md-bridge check model.pt
  md-bridge check model.pt my-structures.xyz --strict
"""


@click.command(epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("structures", required=False, type=click.Path(path_type=Path))
@click.option(
    "--most",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Structures to check on, spread evenly over the file.",
)
@click.option("--variant", help="Variant of the outputs to check: pbe for energy/pbe.")
@click.option("--strict", is_flag=True, help="Exit with code 3 if a check fails.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON, and no table.")
def check(
    model: Path,
    structures: Path | None,
    most: int,
    variant: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Check MODEL: forces and stress against finite differences, invariances, range, smoothness.

    STRUCTURES is any file that ASE reads; without it, structures are made up from the elements that
    the model knows. With it, direct and conservative forces are compared too.
    """
    from md_bridge.cli.check_table import (
        CHECKS_FAILED,
        as_data,
        failed,
        print_checks,
        print_variants,
    )
    from md_bridge.export.checks.checks import iterate_checks
    from md_bridge.export.errors import ExportError
    from md_bridge.structures import read_structures, spread

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    console = Console(stderr=as_json)
    try:
        chosen = None if structures is None else spread(read_structures(structures), most)
        with console.status("loading the model") as status:
            checks = list(
                iterate_checks(
                    model,
                    chosen,
                    variant=variant,
                    progress=lambda name: status.update(f"checking: {name}"),
                )
            )
    except ExportError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"path": str(model), "checks": as_data(checks)}, allow_nan=False))
    else:
        print_checks(console, checks)
        print_variants(console, model, variant)
    if strict and failed(checks):
        raise SystemExit(CHECKS_FAILED)
