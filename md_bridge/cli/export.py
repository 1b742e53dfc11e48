"""``md-bridge export``: a trained model becomes a file that LAMMPS, i-PI and ASE run."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

EPILOG = """\b
Examples:
  md-bridge export trained.ckpt -o model.pt
  md-bridge export upet:pet-mad-s -o pet-mad.pt
  md-bridge export old.pt -o new.pt --keep energy/pbe --metadata about.json
  md-bridge export short.pt -o right.pt --interaction-range 12
  md-bridge export python:lennard_jones:argon -o lj.pt --elements Ar \\
      --cutoff 8.5 --layers 1 --dtype float64
"""


@click.command(epilog=EPILOG)
@click.argument("source")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, something.pt.",
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Default: as trained.")
@click.option(
    "--keep", "outputs", multiple=True, help="Output (with variant) to keep; repeat. Default: all."
)
@click.option(
    "--device", "devices", multiple=True, help="Device it may run on, best first; repeat."
)
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file: name, description, authors, references, extra.",
)
@click.option("--trust", is_flag=True, help="Load a checkpoint even if that runs code in it.")
@click.option("--strict", is_flag=True, help="Write nothing if a check fails (exit code 3).")
@click.option("--elements", help="For python: sources. Elements it knows: O,H.")
@click.option("--cutoff", type=float, help="For python: sources. Cutoff of the pair list.")
@click.option(
    "--layers",
    type=int,
    help="Message-passing layers: python: sources need it; a file may declare too few.",
)
@click.option(
    "--interaction-range",
    type=float,
    help="For files that declare too short a one (the check of locality says so), in Å.",
)
@click.option("--length-unit", help="For python: sources. Default: angstrom.")
@click.option("--energy-unit", help="For python: sources. Default: eV.")
@click.option(
    "--structures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check on these (any file ASE reads), and guess M. Default: structures are made up.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON, and no table.")
def export(
    source: str,
    out: Path,
    dtype: str | None,
    outputs: tuple[str, ...],
    devices: tuple[str, ...],
    metadata: Path | None,
    trust: bool,
    strict: bool,
    elements: str | None,
    cutoff: float | None,
    layers: int | None,
    interaction_range: float | None,
    length_unit: str | None,
    energy_unit: str | None,
    structures: Path | None,
    as_json: bool,
) -> None:
    """Export SOURCE to a file that LAMMPS, i-PI and ASE run, and check it.

    SOURCE is a metatrain checkpoint (.ckpt), an exported file (.pt, saved again with other metadata
    or fewer outputs), upet:NAME[@VERSION] (a published model) or python:package.module:factory (a
    function that returns a torch module).
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
    from md_bridge.export.files import check_destination, errors_of_writing, save_atomically
    from md_bridge.export.sources import build_model
    from md_bridge.structures import read_structures, spread

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    console = Console(stderr=as_json)
    options = {
        "dtype": dtype,
        "outputs": outputs,
        "devices": devices,
        "interaction_range": interaction_range,
        "layers": layers,
        "trust": trust,
        "elements": [symbol.strip() for symbol in elements.split(",")] if elements else None,
        "cutoff": cutoff,
        "length_unit": length_unit,
        "energy_unit": energy_unit,
    }
    given = {
        name: value
        for name, value in options.items()
        if value not in (None, ()) and value is not False
    }
    try:
        check_destination(out)
        with console.status("building the model"):
            model = build_model(source, given, read_metadata(metadata))
            chosen = None if structures is None else spread(read_structures(structures), 2)
        with errors_of_writing(out):
            temporary = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.stem}-")
        with temporary as folder:
            written = save_atomically(model, Path(folder) / out.name)
            with console.status("checking") as status:
                checks = list(
                    iterate_checks(
                        written,
                        chosen,
                        eager=None if Path(source).suffix == ".pt" else model,
                        progress=lambda name: status.update(f"checking: {name}"),
                    )
                )
            keep = not (strict and failed(checks))
            if keep:
                with errors_of_writing(out):
                    os.replace(written, out)
    except ExportError as error:
        raise click.ClickException(str(error)) from None

    if as_json:
        report = {"path": str(out) if keep else None, "checks": as_data(checks)}
        click.echo(json.dumps(report, allow_nan=False))
    else:
        print_checks(console, checks)
    if not keep:
        click.echo(f"Error: {len(failed(checks))} check(s) failed; {out} is not written", err=True)
        raise SystemExit(CHECKS_FAILED)
    if not as_json:
        print_variants(console, out, None)
        console.print(f"wrote {out}", highlight=False)


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
