"""``md-bridge distil``: a small student of a large model, for the inner steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.options import (
    EXISTING_FILE,
    Numbers,
    json_option,
    model_options,
    option,
    with_seed,
)
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.distil.api import Distilled
    from md_bridge.distil.request import DistilRequest

__all__ = ["distil"]

_REQUEST = "md_bridge.distil.request:DistilRequest"
_STATUS = {
    0: "the student is written",
    1: "an error; what was made so far is kept",
    2: "bad options, or a folder that was begun with other settings",
    130: "interrupted (143 terminated, 129 hung up): the same command goes on",
}


@click.command(
    cls=Command,
    epilog=epilog(
        r"""
        md-bridge distil model.pt start.xyz -o inner.pt
        md-bridge distil model.pt water.xyz ice.xyz -o inner.pt --temperature 250,400
        md-bridge distil python:teacher.py:calculator si.cif -o inner.pt --hours 2
        md-bridge distil model.pt hot.xyz -o better.pt --from inner.pt --temperature 900
        """,
        _STATUS,
    ),
)
@click.argument("teacher")
@click.argument("starts", nargs=-1, required=True, type=EXISTING_FILE, metavar="START...")
@option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Student to write, something.pt.",
)
@option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="something.distil",
    help="Folder for frames, checkpoint and page.",
)
@option(
    "--temperature",
    "temperatures_k",
    of=_REQUEST,
    type=Numbers("temperatures"),
    metavar="K[,K...]",
    help="Temperatures of the dynamics.",
)
@option(
    "--hours",
    of=_REQUEST,
    type=float,
    show_default="1",
    help="Time for frames and training; the search for M comes on top.",
)
@option(
    "--frames", of=_REQUEST, type=int, help="Frames to label, in place of a share of the hours."
)
@option("--steps", of=_REQUEST, type=int, help="Training steps, in place of the rest of them.")
@option(
    "--timestep",
    "timestep_fs",
    of=_REQUEST,
    type=float,
    metavar="FS",
    show_default="by the lightest element",
    help="Time step.",
)
@option(
    "--from",
    "from_student",
    type=EXISTING_FILE,
    metavar="STUDENT",
    help="Earlier student to go on from, with its frames.",
)
@option(
    "--cutoff",
    of=_REQUEST,
    type=float,
    metavar="Å",
    show_default="by the density",
    help="Cutoff of the student.",
)
@option("--seed", of=_REQUEST, type=click.IntRange(min=1), help="Seed of all random numbers.")
@option("--no-tune", is_flag=True, help="Do not measure the largest M in the end.")
@json_option("the result")
@model_options()
def distil(
    teacher: str,
    starts: tuple[Path, ...],
    no_tune: bool,
    as_json: bool,
    model_options: ModelOptions,
    **values: Any,
) -> None:
    """Make a small student of TEACHER, a cheap model for the inner steps of two.

    The teacher runs short dynamics from each START (a file of one or more structures, periodic or
    not); the student learns its conservative forces on these frames. TEACHER is an exported file,
    or python:package.module:factory (or python:file.py:factory) of a function that returns an ASE
    calculator. Use the student as `inner` with TEACHER outside.
    """
    from md_bridge.distil.api import perform
    from md_bridge.distil.request import DistilRequest

    screen = Console(stderr=True)
    source = teacher if teacher.startswith("python:") else Path(teacher)
    request = DistilRequest(
        source,
        starts,
        tune=not no_tune,
        model_options=with_seed(model_options, values["seed"]),
        **values,
    )
    try:
        with signals_as_exceptions(), ProgressBar(screen) as bar:
            result = perform(request, bar.update)
    except KeyboardInterrupt:
        screen.print("Interrupted: the same command goes on.")
        raise SystemExit(INTERRUPTED) from None
    _report(result, request, as_json)


def _report(result: Distilled, request: DistilRequest, as_json: bool) -> None:
    from md_bridge.distil.report.tables import errors_table, sentences
    from md_bridge.distil.report.write import write_report

    files = write_report(result, request)
    if as_json:
        click.echo(files.numbers.read_text(encoding="utf-8").strip())
        return
    console = Console()
    console.print(errors_table(result))
    console.print()
    for sentence in [*sentences(result), *result.tuning.sentences]:
        console.print(sentence, highlight=False, markup=False)
    inputs = [("Inputs", path) for path in result.tuning.inputs]
    tell_files(
        console,
        ("Student", result.path),
        *inputs,
        ("Page", files.page),
        ("Numbers", files.numbers),
    )
