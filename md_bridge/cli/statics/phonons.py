"""``md-bridge phonons``: how a crystal vibrates, with each kind of forces and each correction."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import out_option
from md_bridge.cli.models.options import CHECKS_FAILED
from md_bridge.cli.options import Numbers, Words, json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import tell_result, writing_into
from md_bridge.model_options import ModelOptions

__all__ = ["phonons"]

_REQUEST = "md_bridge.statics.phonons.settings:PhononRequest"
_NAMES = Words(str, "names")
_STATUS = {0: "computed", 3: "a row failed, or atoms did not come to rest (--relax, --elastic)"}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge phonons model.pt cell.xyz
        md-bridge phonons model.pt cell.xyz --forces conservative,direct --fc raw,symfc
        md-bridge phonons model.pt cell.xyz --supercell 3,3,3 --scan 0.001:0.3
        """,
        _STATUS,
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("cell", type=click.Path(path_type=Path))
@option(
    "--forces",
    of=_REQUEST,
    type=_NAMES,
    metavar="KIND,...",
    help="Conservative, direct.",
)
@option(
    "--symmetrize",
    of=_REQUEST,
    type=_NAMES,
    metavar="SET,...",
    help="None, octahedral, ….",
)
@option(
    "--fc",
    "corrections",
    of=_REQUEST,
    type=_NAMES,
    metavar="NAME,...",
    help="Corrections: raw, permutation, asr, space-group, symfc.",
)
@option(
    "--supercell",
    type=Numbers("three whole numbers"),
    metavar="A,B,C",
    show_default="as --length needs",
    help="Multiples of the cell.",
)
@option("--length", of=_REQUEST, type=float, metavar="Å", help="Least width of the supercell.")
@option(
    "--displacements",
    "displacement",
    of=_REQUEST,
    type=float,
    metavar="Å",
    help="Of the finite differences.",
)
@option("--scan", of=_REQUEST, metavar="A:B", show_default=False, help="Scan: 0.001:0.3.")
@option("--fast", is_flag=True, help="The fewest displacements that symmetry allows.")
@option("--path", of=_REQUEST, metavar="FILE", help="Path of the bands; auto: seekpath's.")
@option("--mesh", of=_REQUEST, type=int, help="Wave vectors along each axis.")
@option("--temperature", of=_REQUEST, type=float, metavar="K", help="Of F, S and C_V.")
@option("--symprec", of=_REQUEST, type=float, metavar="Å", help="For space group and path.")
@option("--relax", is_flag=True, help="Bring the atoms to rest first, in the given cell.")
@option("--elastic", is_flag=True, help="Elastic constants, too.")
@option("--host", of=_REQUEST, metavar="HOST", help="Phonopy, lammps, i-pi or autograd.")
@option("--double", is_flag=True, help="Convert the model to double precision.")
@out_option("md-bridge-phonons")
@json_option("the summary")
@model_options(symmetrize=False)
def phonons(
    model: Path,
    cell: Path,
    supercell: tuple[float, ...] | None,
    out: Path,
    as_json: bool,
    model_options: ModelOptions,
    **settings: Any,
) -> None:
    """Compute the phonons of the crystal CELL (any file that ASE reads), the last one in it.

    All kinds of forces, sets and corrections are compared on one structure and one path: what
    breaks which symmetry of the force constants, bands, densities of states, thermal functions,
    modes that grow because forces have no potential.
    """
    from md_bridge.statics.phonons.api import measure_phonons
    from md_bridge.statics.phonons.settings import PhononRequest
    from md_bridge.statics.report.phonons import as_result, settings_of, write_files
    from md_bridge.structures import read_structure

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    request = PhononRequest(
        model=model,
        atoms=read_structure(cell),
        supercell=supercell,  # type: ignore[arg-type]  # whether they are whole it says
        model_options=model_options,
        **settings,
    )
    with ProgressBar(Console(stderr=True)) as bar:
        bar.update("loading the model")
        report = measure_phonons(request, bar.update)
    result = as_result(report)
    tell_result(result, settings_of(report), out, as_json, ("Bands", out / "bands.json"))
    with writing_into(out):
        write_files(report, result, out)
    if result.passed is not True:
        raise SystemExit(CHECKS_FAILED)
