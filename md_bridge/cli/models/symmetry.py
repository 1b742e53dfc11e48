"""``md-bridge symmetry``: how much of the symmetry of space has a model learned?"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import out_option
from md_bridge.cli.models.options import CHECKS_FAILED
from md_bridge.cli.options import Words, json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import tell_result
from md_bridge.model_options import ModelOptions

__all__ = ["symmetry"]

_REQUEST = "md_bridge.symmetry.models.request:SymmetryRequest"
_STATUS = {
    0: "measured",
    3: "not converged, layers too, or averages leave something unexpected",
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge symmetry model.pt structures.xyz
        md-bridge symmetry model.pt start.xyz --quantity conservative_forces --double
        md-bridge symmetry model.pt start.xyz --lmax 4 --layers "gnn_layers.*"
        md-bridge symmetry python:my_network:points --layers "*"
        """,
        _STATUS,
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("structures", required=False, type=click.Path(path_type=Path))
@option(
    "--quantity",
    type=Words(str, "names"),
    metavar="NAME,...",
    show_default="all there are",
    help="Only these: energy, atomic_energies, direct_forces, conservative_stress, ….",
)
@option("--lmax", of=_REQUEST, type=click.IntRange(min=1), help="Largest angular momentum.")
@option(
    "--degree",
    type=click.IntRange(min=2),
    show_default="2 lmax",
    help="Degree of the quadrature over orientations.",
)
@option(
    "--layers",
    of=_REQUEST,
    metavar="PATTERN",
    show_default=False,
    help="Layers of a PET to look into, up to λ = 4: 'gnn_layers.*'; '*': all.",
)
@option("--proper", is_flag=True, help="Rotations only: half the copies, nothing on mirror images.")
@option("--double", is_flag=True, help="Convert the model to double precision.")
@option(
    "--tolerance",
    of=_REQUEST,
    type=click.FloatRange(min=0, min_open=True),
    metavar="meV/Å",
    help="What an average may leave of a component of the forces.",
)
@option(
    "--orientations",
    of=_REQUEST,
    type=click.IntRange(min=0),
    help="Random ones at which averages are made; 0: none.",
)
@option(
    "--most",
    default=2,
    type=click.IntRange(min=1),
    help="Number of structures, spread evenly over the file.",
)
@option(
    "--atoms-per-forward",
    of=_REQUEST,
    type=click.IntRange(min=0),
    show_default=False,
    help="Atoms that go through the model together.",
)
@out_option("md-bridge-symmetry")
@json_option("the summary")
@model_options(symmetrize=False)
def symmetry(
    model: Path,
    structures: Path | None,
    quantity: tuple[str, ...] | None,
    most: int,
    out: Path,
    as_json: bool,
    model_options: ModelOptions,
    **numbers: Any,
) -> None:
    """Measure how what MODEL says changes when STRUCTURES (any file that ASE reads) are turned.

    For each quantity: its error by angular momentum and parity, by element and in the worst atom,
    and what averages over 24 to 120 copies (symmetrize) will leave of it. Liquids and crystals,
    slabs and molecules are all turned as a whole, with their cells.

    MODEL may also be python:package.module:factory, which gives an ASE calculator; or without
    STRUCTURES a function on points of any kind (md_bridge.symmetry.FunctionOnPoints).
    """
    from md_bridge.structures import read_structures, spread
    from md_bridge.symmetry.models.functions import measure_function
    from md_bridge.symmetry.models.measure import measure_model
    from md_bridge.symmetry.models.request import SymmetryRequest
    from md_bridge.symmetry.report.result import as_result, settings_of

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    kind, _, target = str(model).partition(":")
    is_function = kind == "python" and structures is None
    if structures is None and not is_function:
        raise click.UsageError("name STRUCTURES that are to be turned")
    known = [] if structures is None else read_structures(structures)
    places = spread(range(len(known)), most)
    request = SymmetryRequest(
        model=model,
        structures=tuple(known[place] for place in places),
        places=tuple(places),
        quantities=quantity or (),
        model_options=model_options,
        **numbers,
    )
    with ProgressBar(Console(stderr=True)) as bar:
        bar.update("loading the model")
        if is_function:
            found = measure_function(target, request, bar.update)
        else:
            found = measure_model(request, bar.update)
    result = as_result(found)
    tell_result(result, settings_of(found), out, as_json)
    if result.passed is not True:
        raise SystemExit(CHECKS_FAILED)
