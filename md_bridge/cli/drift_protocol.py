"""``md-bridge drift --protocol``: the tests beyond a single drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from md_bridge.cli.drift_options import NOT_CONSERVED, require_forces
from md_bridge.cli.interruptions import INTERRUPTED, signals_as_exceptions
from md_bridge.drift.protocols import PROTOCOLS, runner

if TYPE_CHECKING:
    from ase import Atoms

    from md_bridge.drift.protocols.base import Progress as Report
    from md_bridge.drift.protocols.base import ProtocolResult, Request

# What --ps and --forces are where they are not given; the others run no dynamics.
_DYNAMICS = {
    "order": (1.0, "conservative,mts:2"),
    "reverse": (0.5, "conservative,direct,mts:4"),
    "thermostat": (10.0, "conservative,direct,mts:4"),
}
NAMES = tuple(PROTOCOLS)
HELP = (
    "nve: drift of the conserved quantity; "
    + "; ".join(f"{name}: {what}" for name, what in PROTOCOLS.items())
    + ". Without --ps and --forces: "
    + ", ".join(f"{name} {ps:g} ps of {forces}" for name, (ps, forces) in _DYNAMICS.items())
    + ". loop and jacobian look at START as it is."
)
# Options that mean nothing to any protocol, and those that only dynamics has.
_NEVER = {
    "replicas": "--replicas",
    "tolerance": "--tolerance",
    "from_scratch": "--from-scratch",
    "keep_velocities": "--keep-velocities",
}
_DYNAMICS_ONLY = {
    "engine": "--engine",
    "forces": "--forces",
    "timestep": "--timestep",
    "length": "--ps",
    "temperature": "--temperature",
    "equilibrate": "--equilibrate",
}
# Share of the progress bar that the start gets.
_START_SHARE = 0.2


def perform(context: click.Context, engine: str) -> None:
    """Run the protocol that the options of ``md-bridge drift`` ask for, and leave with its status.

    :param engine: ``lammps`` or ``i-pi``
    """
    options = context.params
    protocol, as_json = str(options["protocol"]), bool(options["as_json"])
    screen = Console(stderr=True)
    request, equilibration = _request(context, engine)
    with (
        signals_as_exceptions(),
        Progress(
            TextColumn("{task.description:34}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=screen,
        ) as bar,
    ):
        task = bar.add_task("starting", total=1.0)

        def report(what: str, share: float) -> None:
            bar.update(task, completed=share, description=what)

        try:
            result = _run(protocol, request, equilibration, report)
        except KeyboardInterrupt:
            screen.print("Interrupted: nothing is kept, the same command begins anew.")
            raise SystemExit(INTERRUPTED) from None
    _tell(result, request, as_json)
    if result.passed is not True:
        raise SystemExit(NOT_CONSERVED)


def _run(
    protocol: str, request: Request, equilibration_ps: float, report: Report
) -> ProtocolResult:
    from dataclasses import replace

    from md_bridge.drift.runs.dynamics import RunError
    from md_bridge.engine import EngineError
    from md_bridge.export.errors import ExportError

    try:
        request.folder.mkdir(parents=True, exist_ok=True)
        if protocol not in _DYNAMICS:
            result: ProtocolResult = runner(protocol)(request, report)
            return result
        require_forces(request.model, (kind for kind, _ in request.forces), request.variant)
        start = _thermalised(
            request, equilibration_ps, lambda what, share: report(what, _START_SHARE * share)
        )
        result = runner(protocol)(
            replace(request, start=start),
            lambda what, share: report(what, _START_SHARE + (1 - _START_SHARE) * share),
        )
        return result
    except (RunError, EngineError, ExportError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(_cannot_write(request, error)) from None


def _cannot_write(request: Request, error: OSError) -> str:
    return (
        f"cannot write into {request.folder}: {error.strerror or error}; choose another folder "
        "with --out"
    )


def _request(context: click.Context, engine: str) -> tuple[Request, float]:
    """What to test, and how long to equilibrate the start (ps).

    :raises click.UsageError: an option that cannot be
    """
    from md_bridge.drift.protocols.base import Request
    from md_bridge.drift.runs.plan import CampaignPlan, parse_forces
    from md_bridge.engine import choose_threads

    options = context.params
    protocol = options["protocol"]
    _refuse_meaningless(context, protocol)
    length, forces = options["length"], options["forces"]
    default_length, default_forces = _DYNAMICS.get(protocol, (length, forces))
    if context.get_parameter_source("length") is ParameterSource.DEFAULT:
        length = default_length
    if context.get_parameter_source("forces") is ParameterSource.DEFAULT:
        forces = default_forces
    model, start = Path(options["model"]), Path(options["start"])
    try:
        kinds = parse_forces(forces)
        plan = CampaignPlan(
            model,
            start,
            engine,
            kinds,
            options["timestep"],
            length,
            options["temperature"],
            1,
            options["equilibrate"],
            options["seed"],
        )
        atoms = _read(start, periodic=protocol in _DYNAMICS)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    request = Request(
        model=model,
        start=atoms,
        folder=Path(options["out"]) / protocol,
        engine=engine,
        forces=plan.forces,
        timestep_fs=plan.timestep_fs,
        length_ps=plan.length_ps,
        temperature=plan.temperature_k,
        seed=plan.seed,
        threads=choose_threads(0),
        variant=str(options["variant"]),
    )
    return request, plan.equilibration_ps


def _refuse_meaningless(context: click.Context, protocol: str) -> None:
    """An option that would do nothing is a mistake of whoever gave it."""
    meaningless = dict(_NEVER) if protocol in _DYNAMICS else {**_NEVER, **_DYNAMICS_ONLY}
    for name, option in meaningless.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} means nothing to --protocol {protocol}: leave it out")


def _read(path: Path, periodic: bool) -> Atoms:
    from md_bridge.drift.runs.starts import read_structure
    from md_bridge.export.errors import ExportError
    from md_bridge.export.structures import read_structures

    if periodic:
        return read_structure(path)
    try:
        return read_structures(path)[-1]
    except ExportError as error:
        raise ValueError(str(error)) from None


def _thermalised(request: Request, equilibration_ps: float, report: Report) -> Atoms:
    """The start with velocities of its own, as every replica of a campaign has them."""
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.drift.runs.starts import thermalise, write_start
    from md_bridge.engine import set_threads

    set_threads(request.threads)
    steps = round(1000 * equilibration_ps / request.timestep_fs)
    start = thermalise(
        request.start,
        MDBridgeCalculator(request.model, variant=request.variant),
        request.temperature,
        request.timestep_fs,
        steps,
        request.seed,
        lambda done: report("thermalise", done / steps),
    )
    write_start(start, request.folder / "start.xyz")
    return start


def _tell(result: ProtocolResult, request: Request, as_json: bool) -> None:
    from md_bridge.drift.report.protocol import as_data, terminal_table, write_report

    # first to the screen: a full disk must not take the result of a long run with it
    console = Console()
    if as_json:
        content: dict[str, Any] = as_data(result, request)
        click.echo(json.dumps(content, allow_nan=False))
    else:
        console.print(terminal_table(result))
        console.print()
        for sentence in result.sentences:
            console.print(sentence, markup=False, highlight=False)
    try:
        files = write_report(result, request)
    except OSError as error:
        raise click.ClickException(_cannot_write(request, error)) from None
    if not as_json:
        console.print(f"\nPage      {files.page}\nNumbers   {files.summary}", highlight=False)
