"""``md-bridge relax``: where does a model put the atoms at rest, with which forces?"""

from __future__ import annotations

import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import RESUMES, out_option
from md_bridge.cli.options import Model, Numbers, Words, json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import tell_result, writing_into
from md_bridge.model_options import ModelOptions

__all__ = ["relax"]

_SETTINGS = "md_bridge.statics.relaxing.settings:RelaxSettings"
_REQUEST = "md_bridge.statics.relaxing.request:RelaxRequest"
_NOT_AT_REST = 3
_STATUS = {
    0: "all structures came to rest",
    _NOT_AT_REST: "some did not; the best structure of each is kept",
    **RESUMES,
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge relax model.pt start.xyz --cell full
        md-bridge relax model.pt starts.db --forces direct,conservative --preset matbench
        md-bridge relax model.pt crystals/ --symmetrize none,octahedral --double
        md-bridge relax model.pt start.xyz --forces direct-then-conservative,conservative
        """,
        _STATUS,
    ),
)
@click.argument("model", type=Model())
@click.argument(
    "starts",
    metavar="START...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@option(
    "--forces",
    default="conservative",
    type=Words(str, "kinds of forces"),
    metavar="KIND,...",
    help="Of conservative, direct, direct-then-conservative.",
)
@option(
    "--symmetrize",
    default="none",
    type=Words(str, "sets of copies"),
    metavar="SET,...",
    help="Averages over copies: none, octahedral, lebedev:6, ….",
)
@option(
    "--space-group",
    of=_SETTINGS,
    metavar="WORD",
    help="Of the start: free, fix, or project forces on it.",
)
@option("--cell", of=_SETTINGS, metavar="WORD", help="Relax fixed, iso, full, or slab (in-plane).")
@option("--pressure", "pressure_GPa", of=_SETTINGS, type=float, metavar="GPa", help="On the cell.")
@option(
    "--optimizer", of=_SETTINGS, metavar="NAME", help="One of fire, lbfgs, bfgs; auto: by forces."
)
@option("--fmax", of=_SETTINGS, type=float, metavar="eV/Å", help="Largest force at rest.")
@option("--steps", of=_SETTINGS, type=int, help="After which a structure is given up.")
@option(
    "--preset",
    metavar="NAME",
    help="Settings of matbench, phonon or cookbook; explicit ones win.",
)
@option(
    "--symprec",
    of=_REQUEST,
    type=Numbers("lengths"),
    metavar="Å,...",
    help="At which space groups are told.",
)
@option("--double", is_flag=True, help="Convert the model to double precision.")
@option("--host", of=_REQUEST, metavar="HOST", help="Moves the atoms: ase or lammps.")
@option("--fixed-point", is_flag=True, help="Compare where direct forces vanish with H⁻¹ F.")
@option("--trajectory", of=_REQUEST, metavar="FORMAT", help="Of the paths: extxyz, traj, none.")
@out_option("md-bridge-relax", "Folder for everything; the same command in it goes on.")
@json_option("the summary")
@model_options(symmetrize=False)
def relax(
    model: Path,
    starts: tuple[Path, ...],
    forces: tuple[str, ...],
    symmetrize: tuple[str, ...],
    preset: str | None,
    out: Path,
    as_json: bool,
    model_options: ModelOptions,
    **values: Any,
) -> None:
    """Relax structures with MODEL, from START: files that ASE reads, its databases, folders.

    Commas in --forces and --symmetrize make rows that begin at the same starts and are compared:
    evaluations and time, space groups kept, work that is no difference of energies, distances.
    """
    from md_bridge.statics.relaxing.api import relax as relax_all
    from md_bridge.statics.relaxing.request import KINDS, RelaxRequest
    from md_bridge.statics.relaxing.settings import RelaxSettings, settings_of_preset
    from md_bridge.statics.report.relaxation import as_result, settings_of
    from md_bridge.statics.report.relaxation_structures import write_structures
    from md_bridge.statics.rows import make_rows
    from md_bridge.statics.starts import read_starts

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    context = click.get_current_context()
    settings = {field.name: values.pop(field.name) for field in fields(RelaxSettings)}
    given = {
        name: value
        for name, value in settings.items()
        if preset is None or context.get_parameter_source(name) != ParameterSource.DEFAULT
    }
    passed_over: list[str] = []
    read = tuple(read_starts(starts, passed_over))
    request = RelaxRequest(
        model=model,
        starts=read,
        passed_over=tuple(passed_over),
        rows=tuple(make_rows(forces, symmetrize, KINDS)),
        settings=settings_of_preset(preset, given),
        folder=out,
        model_options=model_options,
        **values,
    )
    with writing_into(out):
        with ProgressBar(Console(stderr=True)) as bar:
            bar.update("loading the model")

            def show(words: str, share: float) -> None:
                stage, _, detail = words.partition(": ")
                bar.update(stage, share, detail)

            found = relax_all(request, show)
        files = write_structures(found, out)
    result = as_result(found)
    written = [("Relaxed", files.relaxed)]
    if files.standardised is not None:
        written.append(("Standard", files.standardised))
    tell_result(result, settings_of(found), out, as_json, *written)
    if result.passed is not True:
        raise SystemExit(_NOT_AT_REST)
