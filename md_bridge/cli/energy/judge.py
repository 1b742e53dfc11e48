"""``md-bridge judge``: runs of any program, from the files they left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import NOT_CONSERVED, out_option, tolerance_option
from md_bridge.cli.options import Numbers, json_option, option
from md_bridge.cli.tables import tell_files

if TYPE_CHECKING:
    from md_bridge.drift.judging.ensemble import EnsembleCheck
    from md_bridge.drift.report.files import FileRuns

__all__ = [
    "judge",
]

_STATUS = {
    0: "every run conserves energy, and is canonical where it should be",
    1: "a file cannot be read, or not without more options",
    2: "bad options, or a run or column that a file does not have",
    3: "something drifts, or a run is too short to tell",
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge judge log.lammps
        md-bridge judge log.lammps simulation.out --atoms 81
        md-bridge judge cold.log hot.log --thermostat 300,330
        """,
        _STATUS,
    ),
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILES...",
    type=click.Path(exists=True, path_type=Path),
)
@option("--atoms", type=click.IntRange(min=1), help="Number of atoms of the system.")
@option("--column", help="Column that is the conserved quantity.")
@option("--run", type=click.IntRange(min=1), help="Which run, for files with several.")
@option("--units", help="LAMMPS unit style, for logs that do not tell.")
@option("--timestep", "timestep_fs", type=float, help="MD time step (fs), likewise.")
@option(
    "--interval",
    type=click.IntRange(min=1),
    help="MD steps between two frames of a trajectory; it needs --timestep, too.",
)
@option(
    "--thermostat",
    "temperatures",
    metavar="K[,K...]",
    type=Numbers("temperatures (K)"),
    help="Temperature of the runs, or of each: checks that they sample the canonical ensemble.",
)
@option(
    "--dof",
    "degrees_of_freedom",
    type=click.IntRange(min=1),
    show_default="3N - 3; 3N if the centre of mass moves",
    help="Degrees of freedom that the thermostat acts on.",
)
@tolerance_option("md_bridge.drift.report.files:read_files")
@out_option("md-bridge-judge", "Folder for the report.")
@json_option("the summary")
def judge(
    files: tuple[Path, ...],
    temperatures: tuple[float, ...] | None,
    degrees_of_freedom: int | None,
    tolerance: float,
    out: Path,
    as_json: bool,
    **reading: Any,
) -> None:
    """Judge whether runs that you have conserve energy; nothing is run.

    FILES are LAMMPS logs, properties files of i-PI, ASE trajectories (.traj, .xyz) and logs, or
    series/*.csv of this package. Ends with a table, a page, and the series as CSV.
    """
    from md_bridge.drift.records.readers import ReadOptions
    from md_bridge.drift.report.files import check_thermostats, read_files

    for name, value in (("--tolerance", tolerance), ("--timestep", reading["timestep_fs"])):
        if value is not None and not 0 < value < float("inf"):
            raise click.BadParameter(
                f"must be positive and finite, found {value:g}", param_hint=name
            )
    if degrees_of_freedom is not None and temperatures is None:
        raise click.UsageError("--dof needs --thermostat: it says what is checked against it")
    runs = read_files(files, ReadOptions(**reading), tolerance)
    checks = []
    if temperatures is not None:
        try:
            checks = check_thermostats(runs, temperatures, degrees_of_freedom)
        except ImportError as error:  # of physical_validation
            raise click.ClickException(str(error)) from None
    conserve = _report(runs, checks, out, tolerance, as_json)
    if not conserve or not all(check.passed for check in checks):
        raise SystemExit(NOT_CONSERVED)


def _report(
    runs: FileRuns, checks: list[EnsembleCheck], folder: Path, tolerance: float, as_json: bool
) -> bool:
    """Write the report; whether all runs conserve energy."""
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
    tell_files(console, ("Page", files.page), ("Numbers", files.summary))
    return all_conserve(analysis)
