"""``md-bridge compile``: a model compiled for the CPU of this machine."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from md_bridge.cli.command import DEFAULT_SECTION, Command, epilog
from md_bridge.cli.models.options import (
    PYTHON_SECTION,
    dtype_option,
    given_options,
    module_options,
    trust_option,
)
from md_bridge.cli.options import json_option, option, threads_option
from md_bridge.cli.progress import ProgressBar

if TYPE_CHECKING:
    from md_bridge.compiled.agreement import Comparison

__all__ = ["compile_"]

_STATUS = {
    0: "the file is written, and computes what the model computes",
    1: "an error; a sentence says which, and nothing is written",
}


@click.command(
    "compile",
    cls=Command,
    epilog=epilog(
        r"""
        md-bridge compile model.pt -o model.pt2
        md-bridge compile trained.ckpt -o model.pt2 --dtype float64
        md-bridge compile upet:pet-mad-xs -o pet-mad.pt2 --structures cell.xyz
        md-bridge compile python:lennard_jones:argon -o lj.pt2 --elements Ar \
            --cutoff 8.5 --layers 1
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
    help="File to write, something.pt2.",
)
@dtype_option
@option(
    "--variant",
    default="",
    show_default="none",
    help="Variant of the outputs to compile; others stay TorchScript.",
)
@trust_option
@option(
    "--structures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    show_default="made up",
    help="Structures to compare both files on (any file that ASE reads).",
)
@option("--no-check", is_flag=True, help="Do not compare it with the TorchScript file.")
@threads_option(DEFAULT_SECTION)
@json_option("what was compared")
@option("--layers", type=int, section=PYTHON_SECTION, help="Message-passing layers.")
@module_options
def compile_(
    source: str,
    out: Path,
    variant: str,
    structures: Path | None,
    no_check: bool,
    threads: int,
    as_json: bool,
    elements: tuple[str, ...] | None,
    **options: Any,
) -> None:
    """Compile SOURCE for the CPU of this machine: 1.6 to 2 times faster.

    LAMMPS, i-PI and ASE take the file (.pt2) wherever they take model.pt. It runs on CPUs of this
    kind and with this version of torch only; the TorchScript file is inside, and
    `md-bridge export model.pt2 -o model.pt` takes it out.

    SOURCE is what `md-bridge export` takes: an exported file (.pt), a metatrain checkpoint (.ckpt),
    upet:NAME[@VERSION] or python:package.module:factory. PETs, students of `md-bridge distil` and
    torch modules can be compiled.
    """
    from md_bridge._core import choose_threads, set_threads
    from md_bridge.compiled import compile_model
    from md_bridge.export.model_file import read_description
    from md_bridge.structures import read_structures, spread

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    if no_check and structures is not None:
        raise click.UsageError("--structures are for the comparison, which --no-check leaves out")
    given = given_options(options, elements)
    set_threads(choose_threads(threads))
    with ProgressBar(Console(stderr=True)) as bar:
        compared = compile_model(
            source,
            out,
            given,
            variant=variant,
            structures=None if structures is None else spread(read_structures(structures), 2),
            check=not no_check,
            progress=bar.update,
        )
    if as_json:
        rows = [{**asdict(row), "ratio": row.ratio} for row in compared]
        click.echo(json.dumps({"path": str(out), "compared": rows}, allow_nan=False))
        return
    console = Console()
    if compared:
        _show(compared, console, read_description(out)["dtype"])
    console.print(f"wrote {out}", highlight=False, markup=False, soft_wrap=True)


def _show(compared: Sequence[Comparison], console: Console, dtype: str) -> None:
    table = Table("function", "TorchScript", "compiled", "faster", "forces differ by")
    for row in compared:
        table.add_row(
            row.function,
            f"{1e3 * row.torchscript_s:.1f} ms",
            f"{1e3 * row.compiled_s:.1f} ms",
            f"{row.ratio:.1f} times",
            f"{row.difference:.0e} eV/Å",
        )
    console.print(table)
    errors = [row.compiled_error for row in compared if row.compiled_error is not None]
    of_torchscript = [
        row.torchscript_error for row in compared if row.torchscript_error is not None
    ]
    if errors:
        console.print(
            "from the model in double precision, forces of the compiled one differ by up to "
            f"{max(errors):.0e} eV/Å, those of TorchScript by {max(of_torchscript):.0e} eV/Å"
        )
    elif dtype == "float32":
        console.print("the model does not compute in double precision, with which it would be "
                      "compared")  # fmt: skip
