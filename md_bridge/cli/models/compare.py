"""``md-bridge compare``: which of several models to trust."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import (
    RESUMES,
    host_option,
    length_option,
    out_option,
    seed_option,
    timestep_option,
)
from md_bridge.cli.models.options import CHECKS_FAILED
from md_bridge.cli.options import (
    Numbers,
    Words,
    extensions_option,
    input_options,
    json_option,
    option,
    threads_option,
)
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import tell_result, writing_into
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.model_options import ModelOptions

__all__ = ["compare"]

_REQUEST = "md_bridge.compare.request:CompareRequest"
_MODEL = "md_bridge.model_options:ModelOptions"
_FAILED = 1
_FLAGS = ("drift", "tune", "smoothness", "symmetry", "relax", "phonons")
_STATUS = {
    0: "every model passes all that can be failed",
    1: "an error, or a measure failed; a sentence says which",
    3: "a model does not pass a verdict, or it cannot be told",
    **RESUMES,
}
_FILE = click.Path(path_type=Path)


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge compare a.pt b.pt --labelled test.xyz --start start.xyz
        md-bridge compare a.pt b.pt2 --start start.xyz --drift --ps 5 --replicas 2
        md-bridge compare old=a.pt new=python:my_models:make --crystal si.cif --phonons
        md-bridge compare a.pt b.pt --start start.xyz --measures lambda,tune,cost
        """,
        _STATUS,
    ),
)
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]MODEL...")
@option("--labelled", type=_FILE, metavar="FILE", help="Structures with labels.")
@option("--start", type=_FILE, metavar="FILE", help="A structure of your dynamics.")
@option(
    "--crystal",
    type=_FILE,
    metavar="FILE",
    show_default="the start",
    help="To relax, for phonons.",
)
@option(
    "--measures",
    of=_REQUEST,
    type=Words(str, "names of measures"),
    metavar="NAME,...",
    show_default=False,
    help="Only these; errors, lambda and cost have no flag.",
)
@option("--drift", is_flag=True, help="NVE dynamics, too.")
@option("--tune", is_flag=True, help="The largest M of multiple time stepping, too.")
@option("--smoothness", is_flag=True, help="How the drift falls with the time step, too.")
@option("--symmetry", is_flag=True, help="Symmetry errors by sector, too.")
@option("--relax", is_flag=True, help="Relaxation, too.")
@option("--phonons", is_flag=True, help="Phonons, too.")
@option("--shift", is_flag=True, help="Fit energies of elements to the labels.")
@option("--energy-key", of=_REQUEST, help="Name of the label of the energy.")
@option("--force-key", of=_REQUEST, help="Name of the label of the forces.")
@option("--stress-key", of=_REQUEST, help="Name of the label of the stress.")
@host_option(_REQUEST)
@timestep_option(_REQUEST)
@length_option(_REQUEST, "Length of runs of --drift")
@option("--tune-ps", of=_REQUEST, type=float, help="Of the first ones of tune (ps).")
@option("--smoothness-ps", of=_REQUEST, type=float, help="Of smoothness (ps).")
@option("--temperature", "temperature_k", of=_REQUEST, type=float, help="Of starts (K).")
@option("--replicas", of=_REQUEST, type=int, help="Independent starts.")
@option("--equilibrate", "equilibration_ps", of=_REQUEST, type=float, help="Before (ps).")
@option("--tolerance", of=_REQUEST, type=float, help="Of the drift (meV/atom/ps).")
@seed_option(_REQUEST)
@option("--max-m", "most", of=_REQUEST, type=int, help="Largest M of tune.")
@option("--lmax", of=_REQUEST, type=int, help="Largest angular momentum.")
@option("--cell", of=_REQUEST, metavar="WORD", help="Relax fixed, iso, full, or slab.")
@option("--fmax", of=_REQUEST, type=float, metavar="eV/Å", help="Largest force at rest.")
@option(
    "--supercell",
    type=Numbers("three whole numbers"),
    metavar="A,B,C",
    show_default="15 Å wide",
    help="Of phonons.",
)
@out_option("md-bridge-compare", "Folder for everything; the same command goes on.")
@json_option("the summary")
@option("--device", of=_MODEL, section="Model", help="Device: cpu, cuda or cuda:N.")
@extensions_option()
@input_options
@threads_option()
def compare(
    models: tuple[str, ...],
    measures: tuple[str, ...],
    supercell: tuple[float, ...] | None,
    device: str,
    extensions: str,
    charge: float | None,
    spin_multiplicity: float | None,
    threads: int,
    out: Path,
    as_json: bool,
    **values: Any,
) -> None:
    """Compare MODELs on the same structures: errors, conservation, symmetry, statics, cost.

    A MODEL is an exported file (.pt), a compiled one (.pt2), or python:package.module:factory of an
    ASE calculator. Errors on LABELLED, λ and the cost at START are always measured. One table and
    one page say which model passes what, and which is best in what.
    """
    from md_bridge.compare.api import compare as compare_models
    from md_bridge.compare.report.result import as_result, settings_of
    from md_bridge.compare.request import CompareRequest, with_flags

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    flags = [name for name in _FLAGS if values.pop(name)]
    structures = {name: values[name] for name in ("labelled", "start", "crystal")}
    request = CompareRequest(
        models=models,
        measures=with_flags([name for name in measures if name], flags, structures),
        supercell=supercell,  # type: ignore[arg-type]  # whether they are whole it says
        model_options=ModelOptions(
            device=device,
            extensions=extensions,
            charge=charge,
            spin_multiplicity=spin_multiplicity,
            threads=threads,
        ),
        **values,
    )
    screen = Console(stderr=True)
    try:
        with signals_as_exceptions(), writing_into(out), ProgressBar(screen) as bar:

            def show(words: str, share: float) -> None:
                stage, _, detail = words.partition(": ")
                bar.update(f"{stage}:" if detail else stage, share, detail)

            comparison = compare_models(request, out, progress=show)
    except KeyboardInterrupt:
        screen.print("Interrupted: the same command goes on with what is missing.")
        raise SystemExit(INTERRUPTED) from None
    tell_result(as_result(comparison), settings_of(comparison), out, as_json)
    if comparison.failures:
        raise SystemExit(_FAILED)
    if comparison.passed is not True:
        raise SystemExit(CHECKS_FAILED)
