"""``md-bridge protocol``: the tests beyond a single drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from rich.console import Console

from md_bridge.cli.command import Command, Group, epilog
from md_bridge.cli.energy.options import (
    NOT_CONSERVED,
    forces_option,
    host_option,
    length_option,
    model_and_start,
    out_option,
    require_forces,
    seed_option,
    start_options,
    timestep_option,
)
from md_bridge.cli.options import chain, json_option, model_options, with_seed
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.results import writing_into
from md_bridge.cli.signals import INTERRUPTED, signals_as_exceptions
from md_bridge.cli.tables import tell_files
from md_bridge.drift.protocols import PROTOCOLS, runner
from md_bridge.forces import parse_kinds
from md_bridge.model_options import require_use_of_inner

if TYPE_CHECKING:
    from ase import Atoms

    from md_bridge.drift.protocols.base import Progress, ProtocolRequest, ProtocolResult

__all__ = [
    "protocol",
]

_DYNAMICS: dict[str, tuple[float, str | None]] = {
    "order": (1.0, "conservative,mts:2"),
    "reverse": (0.5, "conservative,direct,mts:4"),
    "resonance": (0.5, None),
    "smoothness": (2.0, None),
    "thermostat": (10.0, "conservative,direct,mts:4"),
}
"""Protocols that run dynamics: length of each run (ps), and kinds of forces of several runs, unless
told."""
_LEADS = {
    "order": "Tell by which power of the time step the conserved quantity fluctuates: 2 is right.",
    "smoothness": "Tell by which power N of the time step the drift falls: the smoother the "
    "potential, the larger N.",
    "reverse": "Run forwards, turn the velocities round, and measure how far from START it ends.",
    "loop": "Move atoms along closed paths: conservative forces do no work.",
    "jacobian": "Measure the asymmetry of the Jacobian of the direct forces, which have no energy.",
    "resonance": "Foretell how fast multiple time stepping heats at every M, and where it "
    "resonates, from one short run with conservative forces.",
    "thermostat": "Compare the temperature of each element with that of global and local "
    "thermostats.",
}
_STATUS = {
    0: "passed",
    1: "a run failed",
    3: "not passed, or it cannot be told",
    130: "interrupted (143 terminated, 129 hung up): nothing is kept",
}
_START_SHARE = 0.2
"""Of the progress bar."""


@click.group(
    cls=Group,
    epilog=epilog(
        """
        md-bridge protocol jacobian model.pt start.xyz
        md-bridge protocol order model.pt start.xyz --forces conservative,mts:4 --ps 2
        """,
        _STATUS,
    ),
)
def protocol() -> None:
    """Test forces and dynamics beyond a single drift.

    Each protocol has options of its own: `md-bridge protocol NAME --help`.
    """


def _add(name: str) -> None:
    """The command of one protocol, with the options that mean something to it."""
    dynamics = name in _DYNAMICS
    options: list[Any] = [model_and_start]
    if dynamics:
        length, forces = _DYNAMICS[name]
        if forces is not None:
            options += [host_option(), forces_option(forces)]
        options += [
            timestep_option(),
            length_option(default=length),
            start_options(),
        ]
    else:
        options.append(seed_option())
    options += [out_option("md-bridge-drift"), json_option("the result")]
    symmetrize = name != "jacobian"
    # the others run with conservative forces, if at all
    drives = dynamics and _DYNAMICS[name][1] is not None
    options.append(
        model_options(
            symmetrize=symmetrize,
            inner=dynamics and name != "smoothness",
            correction=drives,
        )
    )
    what = "a periodic structure, whose velocities are replaced" if dynamics else "a structure"

    def perform(**values: Any) -> None:
        _perform(name, **values)

    perform.__doc__ = f"{_LEADS[name]}\n\nSTART is {what} (any format of ASE)."
    if not symmetrize:
        perform.__doc__ += " There is no --symmetrize: it looks at the model itself."
    command = click.command(
        name,
        cls=Command,
        short_help=PROTOCOLS[name],
        epilog=epilog(f"md-bridge protocol {name} model.pt start.xyz", _STATUS),
    )
    protocol.add_command(command(chain(options)(perform)))


for _name in PROTOCOLS:
    _add(_name)


def _perform(
    name: str, model: Path, model_options: Any, out: Path, as_json: bool, **values: Any
) -> None:
    """Run a protocol, tell its result, and leave with its exit status.

    :param values: options of the protocol, by the names of the fields of a plan
    """
    screen = Console(stderr=True)
    request, equilibration_ps = _request(name, model, model_options, out, values)
    with signals_as_exceptions(), ProgressBar(screen) as bar:
        try:
            result = _run(name, request, equilibration_ps, bar.update)
        except KeyboardInterrupt:
            screen.print("Interrupted: nothing is kept, the same command begins anew.")
            raise SystemExit(INTERRUPTED) from None
    _tell(result, request, as_json)
    if result.passed is not True:
        raise SystemExit(NOT_CONSERVED)


def _request(
    name: str, model: Path, options: Any, out: Path, values: dict[str, Any]
) -> tuple[ProtocolRequest, float]:
    """What to test, and how long to equilibrate the start (ps)."""
    from md_bridge.drift.protocols.base import ProtocolRequest
    from md_bridge.drift.runs.plan import CampaignPlan
    from md_bridge.engine import choose_threads

    start = Path(values.pop("start"))
    chosen = with_seed(options, values["seed"])
    common = {
        "model": model,
        "folder": out / name,
        "seed": values["seed"],
        "threads": choose_threads(options.threads),
        "model_options": chosen,
    }
    if name not in _DYNAMICS:
        return ProtocolRequest(start=_read(start, periodic=False), **common), 0.0
    # what a protocol without --forces needs
    values.setdefault("forces", parse_kinds("mts:2" if name == "resonance" else "conservative"))
    context = click.get_current_context()
    if chosen.inner and context.get_parameter_source("forces") is ParameterSource.DEFAULT:
        # nobody asks for direct forces, which the outer of two models need not have
        values["forces"] = tuple(kind for kind in values["forces"] if kind[0] != "direct")
    plan = CampaignPlan(model=model, start=start, replicas=1, model_options=chosen, **values)
    request = ProtocolRequest(
        start=_read(start, periodic=True),
        host=plan.host,
        forces=plan.forces,
        timestep_fs=plan.timestep_fs,
        length_ps=plan.length_ps,
        temperature=plan.temperature_k,
        **common,
    )
    return request, plan.equilibration_ps


def _run(
    name: str, request: ProtocolRequest, equilibration_ps: float, report: Progress
) -> ProtocolResult:
    """The result; runs of dynamics get a start with velocities first."""
    from dataclasses import replace

    from md_bridge.drift.protocols.starting import thermalised_start

    with writing_into(request.folder):
        request.folder.mkdir(parents=True, exist_ok=True)
        if name not in _DYNAMICS:
            result: ProtocolResult = runner(name)(request, report)
            return result
        kinds = [kind for kind, _ in request.forces]
        require_use_of_inner(request.model, request.model_options, kinds)
        require_forces(request.model, kinds, request.model_options, request.start)
        start = thermalised_start(
            request, equilibration_ps, lambda what, share: report(what, _START_SHARE * share)
        )
        result = runner(name)(
            replace(request, start=start),
            lambda what, share: report(what, _START_SHARE + (1 - _START_SHARE) * share),
        )
        return result


def _read(path: Path, periodic: bool) -> Atoms:
    from md_bridge.drift.runs.starts import read_periodic_structure
    from md_bridge.structures import read_structure

    return read_periodic_structure(path) if periodic else read_structure(path)


def _tell(result: ProtocolResult, request: ProtocolRequest, as_json: bool) -> None:
    from md_bridge.drift.report.protocol import as_data, protocol_table, write_protocol_report

    # first to the screen: a full disk must not take the result of a long run with it
    console = Console()
    if as_json:
        content: dict[str, Any] = as_data(result, request)
        click.echo(json.dumps(content, allow_nan=False))
    else:
        console.print(protocol_table(result))
        console.print()
        for sentence in result.sentences:
            console.print(sentence, markup=False, highlight=False)
    with writing_into(request.folder):
        files = write_protocol_report(result, request)
    if not as_json:
        tell_files(console, ("Page", files.page), ("Numbers", files.summary))
