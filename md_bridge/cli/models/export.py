"""``md-bridge export``: a trained model becomes a file that LAMMPS, i-PI and ASE run."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from md_bridge.cli.command import DEFAULT_SECTION, Command, epilog
from md_bridge.cli.models.options import (
    PYTHON_SECTION,
    dtype_option,
    given_options,
    leave_if_failed,
    lenient_option,
    module_options,
    trust_option,
)
from md_bridge.cli.options import json_option, option, threads_option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.tables import as_data, print_checks, print_variants
from md_bridge.model_options import ModelOptions

__all__ = [
    "export",
    "read_metadata",
]

_STATUS = {
    0: "the file is written, and every check is passed (or --lenient)",
    1: "an error; a sentence says which, and nothing is written",
    3: "the file is written, but a check failed: look before you run it",
}


@click.command(
    cls=Command,
    epilog=epilog(
        r"""
        md-bridge export trained.ckpt -o model.pt
        md-bridge export upet:pet-mad-s@1.5.0 -o pet-mad.pt
        md-bridge export old.pt -o new.pt --keep energy/pbe --metadata about.json
        md-bridge export short.pt -o right.pt --interaction-range 12
        md-bridge export python:lennard_jones:argon -o lj.pt --elements Ar \
            --cutoff 8.5 --layers 1 --dtype float64 --lenient
        """,
        _STATUS,
    ),
)
@click.argument("source")
@option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, something.pt.",
)
@dtype_option
@option(
    "--keep",
    "outputs",
    multiple=True,
    metavar="OUTPUT",
    show_default="all",
    help="Output (with variant) to keep; repeat.",
)
@option(
    "--device",
    "devices",
    multiple=True,
    show_default="those of SOURCE",
    help="Device that the file may run on, best first; repeat.",
)
@option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="JSON",
    help="File with name, description, authors, references, extra.",
)
@trust_option
@option(
    "--interaction-range",
    type=float,
    help="Right one (Å), for files that declare too short a one (the check of locality says so).",
)
@option(
    "--structures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="made up",
    help="Structures to check on (any file that ASE reads), and to guess M from.",
)
@option("--no-check", is_flag=True, help="Write the file, but do not check it.")
@option(
    "--extensions",
    "collected",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the compiled TorchScript extensions that the model needs, replaced; hosts "
    "take it as extensions.",
)
@lenient_option
@threads_option(DEFAULT_SECTION)
@json_option("the checks")
@option(
    "--layers",
    type=int,
    section=PYTHON_SECTION,
    help="Message-passing layers; also for files that declare too few.",
)
@module_options
def export(
    source: str,
    out: Path,
    metadata: Path | None,
    elements: tuple[str, ...] | None,
    structures: Path | None,
    no_check: bool,
    collected: Path | None,
    lenient: bool,
    threads: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Export SOURCE to a file that LAMMPS, i-PI and ASE run, and check it.

    SOURCE is a metatrain checkpoint (.ckpt), an exported file (.pt, saved again with other metadata
    or fewer outputs), upet:NAME[@VERSION] (a published model) or python:package.module:factory (a
    function that returns a torch module).
    """
    from md_bridge.export.checks.checks import iterate_checks
    from md_bridge.export.files import check_destination, errors_of_writing, save_atomically
    from md_bridge.export.sources import build_model
    from md_bridge.structures import read_structures, spread

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    if no_check and structures is not None:
        raise click.UsageError("--structures are for the checks, which --no-check leaves out")
    given = given_options(options, elements)
    check_destination(out)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(ProgressBar(Console(stderr=True)))
        bar.update("building the model")
        model = build_model(source, given, read_metadata(metadata))
        chosen = None if structures is None else spread(read_structures(structures), 2)
        with errors_of_writing(out):
            temporary = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-")
        folder = stack.enter_context(temporary)
        written = save_atomically(model, Path(folder) / out.name, collected)
        found = iterate_checks(
            written,
            chosen,
            eager=None if Path(source).suffix in (".pt", ".pt2") else model,
            model_options=ModelOptions(threads=threads),
            progress=lambda name: bar.update(f"checking: {name}"),
        )
        checks = [] if no_check else list(found)
        with errors_of_writing(out):
            os.replace(written, out)
    console = Console()
    if as_json:
        report = {"path": str(out), "checks": as_data(checks)}
        click.echo(json.dumps(report, allow_nan=False))
    else:
        if not no_check:
            print_checks(console, checks)
        print_variants(console, out, ModelOptions())
        console.print(f"wrote {out}", highlight=False, markup=False, soft_wrap=True)
    if not lenient:
        leave_if_failed(checks)


def read_metadata(path: Path | None) -> dict[str, Any] | None:
    """The JSON object in ``path``; None without a path."""
    from md_bridge.export.errors import ExportError

    if path is None:
        return None
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(f"'{path}' is not JSON: {error}") from error
    if not isinstance(contents, dict):
        raise ExportError(
            f'\'{path}\' should hold a JSON object such as {{"name": "…"}}, found a '
            f"{type(contents).__name__}"
        )
    return contents
