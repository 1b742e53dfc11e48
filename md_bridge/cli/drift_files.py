"""``md-bridge drift --from``: judge runs of any program from the files they left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from md_bridge.cli.drift_options import NOT_CONSERVED

if TYPE_CHECKING:
    from md_bridge.drift.judging.ensemble import EnsembleCheck
    from md_bridge.drift.report.files import FileRuns

FOLDER = Path("md-bridge-drift-from")
"""Where the report goes unless --out says otherwise."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_READING = ("atoms", "column", "run_number", "units", "interval", "thermostat", "dof")
# what has a meaning both for runs and for files
_COMMON = (*_READING, "files", "timestep", "tolerance", "out", "as_json")


class SpreadFrom(click.Command):
    """Lets ``--from`` take several files: ``--from a.log b.log --atoms 81``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each file that follows it."""
        spread: list[str] = []
        following = False
        for word in args:
            if word == "--from":
                following = True
                continue
            if word.startswith("-"):
                following = False
            spread += ["--from", word] if following else [word]
        if "--from" in args and "--from" not in spread:
            spread.append("--from")  # click says that a file is missing
        return super().parse_args(ctx, spread)


def reading_options(function: _Function) -> _Function:
    """The options of files."""
    options = [
        click.option(
            "--from",
            "files",
            multiple=True,
            metavar="FILE...",
            type=click.Path(exists=True, path_type=Path),
            help="Judge these in place of running anything: LAMMPS logs, properties files of i-PI, "
            "ASE trajectories (.traj, .xyz) and logs, series/*.csv of this command.",
        ),
        click.option(
            "--atoms",
            type=click.IntRange(min=1),
            help="Number of atoms of the system in the files.",
        ),
        click.option("--column", help="Column of the files that is the conserved quantity."),
        click.option(
            "--run",
            "run_number",
            type=click.IntRange(min=1),
            help="Which run, for files with several.",
        ),
        click.option("--units", help="LAMMPS unit style, for logs that do not tell."),
        click.option(
            "--interval",
            type=click.IntRange(min=1),
            help="MD steps between two frames, for trajectories that do not tell; they need "
            "--timestep too.",
        ),
        click.option(
            "--thermostat",
            metavar="K[,K...]",
            help="Temperature of the runs in the files, or of each of them: checks that they "
            "sample the canonical ensemble.",
        ),
        click.option(
            "--dof",
            type=click.IntRange(min=1),
            help="Degrees of freedom that the thermostat acts on. [default: 3N - 3; 3N where the "
            "centre of mass moves, as under fix langevin of LAMMPS without zero yes]",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def judge_files(ctx: click.Context) -> None:
    """Judge and report, and leave with the exit status that `--help` tells.

    :raises SystemExit: unless every file conserves energy
    """
    from md_bridge.drift.judging.ensemble import ValidationError
    from md_bridge.drift.records.readers import ReadError, ReadOptions
    from md_bridge.drift.report.files import check_thermostats, read_files

    values = ctx.params
    given = [name for name in ctx.params if _is_given(ctx, name)]
    for name in given:
        if name not in _COMMON:
            option = next(entry for entry in ctx.command.params if entry.name == name)
            raise click.UsageError(
                f"{option.opts[-1]} has no meaning with --from, which runs nothing: leave it out"
            )
    if values["dof"] is not None and values["thermostat"] is None:
        raise click.UsageError("--dof needs --thermostat: it says what is checked against it")
    options = ReadOptions(
        atoms=values["atoms"],
        column=values["column"],
        run=values["run_number"],
        units=values["units"],
        timestep_fs=values["timestep"] if "timestep" in given else None,
        interval=values["interval"],
    )
    checks = []
    try:
        runs = read_files(values["files"], options, values["tolerance"])
        if values["thermostat"] is not None:
            checks = check_thermostats(runs, _temperatures(values["thermostat"]), values["dof"])
    except (ReadError, ValidationError) as error:
        raise click.UsageError(str(error)) from None
    except ImportError as error:  # of physical_validation
        raise click.ClickException(str(error)) from None
    folder = values["out"] if "out" in given else FOLDER
    conserve = _report(runs, checks, folder, values["tolerance"], values["as_json"])
    if not conserve or not all(check.passed for check in checks):
        raise SystemExit(NOT_CONSERVED)


def refuse_reading_options(ctx: click.Context) -> None:
    """Options of files mean nothing to a campaign.

    :raises click.UsageError: naming the first of them
    """
    for option in ctx.command.params:
        if option.name in _READING and _is_given(ctx, option.name):
            raise click.UsageError(f"{option.opts[0]} needs --from: it says how to read files")


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) not in (
        click.core.ParameterSource.DEFAULT,
        click.core.ParameterSource.DEFAULT_MAP,
    )


def _temperatures(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"expected temperatures (K) with commas between them, found {text!r}",
            param_hint="--thermostat",
        ) from None


def _report(
    runs: FileRuns, checks: list[EnsembleCheck], folder: Path, tolerance: float, as_json: bool
) -> bool:
    from md_bridge.drift.report.files import all_conserve, report_files
    from md_bridge.drift.report.summary import summary_content
    from md_bridge.drift.report.table import runs_table

    try:
        analysis, files, settings = report_files(runs, folder, tolerance)
    except OSError as error:
        raise click.BadParameter(
            f"cannot write into {folder}: {error.strerror}", param_hint="--out"
        ) from error
    if as_json:
        content = summary_content(analysis, settings)
        content["ensemble"] = [check.as_dict() for check in checks]
        click.echo(json.dumps(content, allow_nan=False))
        return all_conserve(analysis)
    console = Console()
    for name, note in runs.notes.items():
        console.print(f"{name}: {note}", highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(runs_table(analysis, console.width))
    if checks:
        console.print()
    for check in checks:
        console.print(check.sentence, highlight=False, markup=False)
    lines = f"\nPage      {files.page}\nNumbers   {files.summary}"
    console.print(lines, highlight=False, markup=False, soft_wrap=True)
    return all_conserve(analysis)
