"""``md-bridge check``: does a model keep the promises that dynamics rely on?"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.models.options import leave_if_failed, lenient_option
from md_bridge.cli.options import json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.tables import as_data, print_checks, print_variants
from md_bridge.model_options import ModelOptions, require_use_of_inner

__all__ = [
    "check",
]

_STATUS = {0: "every check is passed, or --lenient", 3: "a check failed"}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge check model.pt
        md-bridge check model.pt my-structures.xyz --most 5
        md-bridge check model.pt my-structures.xyz --inner small.pt
        """,
        _STATUS,
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("structures", required=False, type=click.Path(path_type=Path))
@option(
    "--most",
    default=2,
    type=click.IntRange(min=1),
    help="Number of structures to check on, spread evenly over the file.",
)
@lenient_option
@json_option("the checks")
@model_options(symmetrize=False, inner=True)
def check(
    model: Path,
    structures: Path | None,
    most: int,
    lenient: bool,
    as_json: bool,
    model_options: ModelOptions,
) -> None:
    """Check MODEL: forces and stress against finite differences, invariances, range, smoothness.

    STRUCTURES is any file that ASE reads; without it, structures are made up from the elements that
    the model knows. With it, direct and conservative forces are compared too. There is no
    --symmetrize: it looks at the model itself. Of two models (--inner), it compares their forces on
    STRUCTURES, measures what both cost, and guesses M. MODEL may be python:package.module:factory.
    """
    from md_bridge.export.checks.checks import iterate_checks
    from md_bridge.export.checks.two_models import compare_models
    from md_bridge.structures import read_structures, spread

    if model_options.inner and structures is None:
        raise click.UsageError(
            "--inner compares two models on STRUCTURES of your dynamics: name them"
        )
    require_use_of_inner(model, model_options, ["mts"])
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    chosen = None if structures is None else spread(read_structures(structures), most)
    with ProgressBar(Console(stderr=True)) as bar:
        bar.update("loading the model")
        found = iterate_checks(
            model,
            chosen,
            model_options=model_options,
            progress=lambda name: bar.update(f"checking: {name}"),
        )
        checks = list(found)
        comparison = None
        if model_options.inner:
            assert chosen is not None
            comparison = compare_models(
                model, chosen, model_options, lambda what: bar.update(f"comparing: {what}")
            )
            checks += comparison.checks()
    console = Console()
    if as_json:
        content: dict[str, Any] = {"path": str(model), "checks": as_data(checks)}
        if comparison is not None:
            content["inner"] = {"path": model_options.inner, **comparison.as_dict()}
        click.echo(json.dumps(content, allow_nan=False))
    else:
        print_checks(console, checks)
        print_variants(console, model, model_options)
    if not lenient:
        leave_if_failed(checks)
