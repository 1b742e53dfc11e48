"""``md-bridge bench``: speed beside the alternatives, on this machine."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.options import EXISTING_FILE, Words, json_option, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files

if TYPE_CHECKING:
    from md_bridge.bench import Results
    from md_bridge.bench.tables import TextTable

__all__ = ["bench"]

_FILE_WIDTH = 160
_SETTINGS = "md_bridge.bench.api:BenchSettings"


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge bench --quick
        md-bridge bench --groups ase,lammps --models bundled --sizes 81,648
        md-bridge bench --groups memory --steps 20000 --minutes 60 --resume
        md-bridge bench --models my.pt --start my.xyz --inner my-student.pt
        md-bridge bench --models my.pt,python:my_model.py:make --start my.xyz
        """,
        {INTERRUPTED: "interrupted; the same command goes on from there"},
    ),
)
@option("--groups", type=Words(str, "names"), metavar="A,B", show_default=False,
        help="Of ase, lammps, ipi, ranks, symmetry, busy, scaling, memory; else all.")  # fmt: skip
@option("--models", type=Words(str, "names"), metavar="A,B", show_default=False,
        help="Of bundled, xs (a PET of XS size), paths, python:…; else the first two.")  # fmt: skip
@option("--sizes", type=Words(int, "sizes"), metavar="N,N", show_default=False,
        help="Numbers of atoms; else 81,192,648.")  # fmt: skip
@option("--scaling-sizes", type=Words(int, "sizes"), metavar="N,N", show_default=False,
        help="Those of the group scaling, up to 20000 say; else up to 5184.")  # fmt: skip
@option("--m", "multiplicities", type=Words(int, "numbers"), metavar="M,M", show_default=False,
        help="Inner steps in an outer one; else 2,4,8,16.")  # fmt: skip
@option("--minutes", type=click.FloatRange(min=0, min_open=True), show_default=False,
        help="Time for all; what does not fit is said. Else 20.")  # fmt: skip
@option("--resume", is_flag=True, help="Keep what the folder has, and measure what it lacks.")
@option("--compile/--no-compile", "compile_models", default=None, show_default=False,
        help="Compile models that were not before: minutes more; else yes.")  # fmt: skip
@option("--rounds", type=click.IntRange(min=1), show_default=False, help="Turns of each; else 5.")
@option("--turn", "turn_s", type=click.FloatRange(min=0, min_open=True), show_default=False,
        help="Seconds of a turn; else 1.")  # fmt: skip
@option("--steps", type=click.IntRange(min=10), show_default=False,
        help="Steps of the group memory, 20000 say; else 1000.")  # fmt: skip
@option("--quick", is_flag=True, help="Two minutes: the bundled model, 81 atoms, --no-compile.")
@option("--start", type=EXISTING_FILE, help="Periodic structure to copy, in place of water.")
@option("--inner", type=EXISTING_FILE, help="Small model for the inner steps.")
@option("--timestep", "timestep_fs", of=_SETTINGS, type=float, metavar="FS",
        help="Inner step, fs.")  # fmt: skip
@option("--threads", of=_SETTINGS, type=click.IntRange(min=1), help="Threads of each program.")
@option("--device", of=_SETTINGS, help="Device: cpu, cuda, cuda:N; auto is CUDA if any.")
@option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("md-bridge-bench"),
        help="Folder for results, pictures and models.")  # fmt: skip
@json_option("the results")
def bench(quick: bool, resume: bool, out: Path, as_json: bool, **asked: Any) -> None:
    """Measure speed beside the alternatives, with the same weights, on this machine.

    ASE: our calculator, metatomic's and pet-kokkos's. i-PI: our driver and its own. LAMMPS:
    the network alone, single forces, multiple time stepping against its bound. All that is
    compared takes turns; times are medians, ratios are formed within a round. Every group
    has its share of the time; with less time there are fewer rounds, rows and sizes.
    """
    from md_bridge import bench as library

    # what is not given is the library's, or that of --quick
    values = {name: value for name, value in asked.items() if value is not None}
    for name in ("start", "inner"):
        if name in values:
            values[name] = str(values[name].resolve())
    settings = library.BenchSettings(**{**(library.quick() if quick else {}), **values})
    assert set(values) <= {field.name for field in fields(settings)}
    screen = Console(stderr=True)
    with signals_as_exceptions(), ProgressBar(screen) as bar:
        results = library.run_benchmark(settings, out, bar.update, resume)
    _report(results, out, as_json)


def _report(results: Results, out: Path, as_json: bool) -> None:
    from md_bridge.bench.plots import plot_results
    from md_bridge.bench.results import FILE_NAME
    from md_bridge.bench.tables import reasons, table_of

    pictures = plot_results(results, out)
    if as_json:
        click.echo(json.dumps(results.as_dict(), allow_nan=False))
        return
    console = Console()
    if not console.is_terminal:  # nothing needs to be cut for a file
        console.width = _FILE_WIDTH
    for panel in results.panels:
        _print(table_of(panel), console)
    for sentence in reasons(results.panels):
        console.print(f"Not measured: {sentence}", markup=False, highlight=False)
    tell_files(
        console,
        ("Numbers", out / FILE_NAME),
        *((f"Picture ({name})", path) for name, path in pictures.items()),
    )


def _print(text: TextTable, console: Console) -> None:
    """A table with its notes; the title and notes alone where nothing was measured."""
    if text.rows:
        table = Table(title=text.title, title_justify="left")
        for number, header in enumerate(text.headers):
            table.add_column(header, justify="left" if number == 0 else "right", overflow="fold")
        for cells in text.rows:
            table.add_row(*cells)
        console.print(table)
    elif text.notes:
        console.print(text.title, markup=False, highlight=False)
    for note in text.notes:
        console.print(note, markup=False, highlight=False)
