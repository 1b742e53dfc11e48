"""``md-bridge drift``: does a model's dynamics conserve energy?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from md_bridge.cli import drift_files, drift_protocol
from md_bridge.cli.drift_options import ENGINES, EXISTING_FILE, in_options, require_forces

EPILOG = """\b
Examples:
  md-bridge drift model.pt start.xyz
  md-bridge drift model.pt start.xyz --forces mts:2,mts:4 --ps 20 --engine ipi
  md-bridge drift model.pt start.xyz --forces conservative --replicas 1 --json
  md-bridge drift --from log.lammps simulation.out --atoms 81
  md-bridge drift model.pt start.xyz --protocol jacobian

\b
Exit status:
  0    every kind of forces asked for conserves energy; direct ones alone do not count
  1    a run failed
  2    bad options, or a folder that holds runs with other settings
  3    something drifts, or the runs are too short to tell
  130  interrupted (143 terminated, 129 hung up): the same command goes on, except that a
       protocol other than nve begins anew
"""


@click.command(cls=drift_files.SpreadFrom, epilog=EPILOG)
@click.argument("model", type=EXISTING_FILE, required=False)
@click.argument("start", type=EXISTING_FILE, required=False)
@click.option(
    "--protocol",
    type=click.Choice(["nve", *drift_protocol.NAMES]),
    default="nve",
    show_default=True,
    help=drift_protocol.HELP,
)
@click.option(
    "--engine",
    type=click.Choice(["lammps", "ipi", "i-pi"]),
    default="lammps",
    show_default=True,
    help="Program that runs NVE.",
)
@click.option(
    "--forces",
    default="conservative,direct,mts:2,mts:4,mts:8",
    show_default=True,
    help="Kinds of forces: conservative, direct, mts:M with M inner steps in an outer step.",
)
@click.option("--timestep", default=0.5, show_default=True, help="Inner step, fs.")
@click.option("--ps", "length", default=10.0, show_default=True, help="Length of each run, ps.")
@click.option("--temperature", default=300.0, show_default=True, help="Of the starts, K.")
@click.option(
    "--replicas",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="Independent starts; each kind of forces runs from every one.",
)
@click.option(
    "--equilibrate",
    default=1.0,
    show_default=True,
    help="Length of the thermostatted run that makes each start, ps; 0 draws new velocities only.",
)
@click.option(
    "--keep-velocities",
    is_flag=True,
    help="Run from START as it is, with its velocities (but for those of the centre of mass): one "
    "replica, no thermostat.",
)
@click.option("--variant", default="", help="Of the model's outputs, where it has several.")
@click.option(
    "--tolerance", default=0.1, show_default=True, help="Drift that conserves, meV/atom/ps."
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=1), help="Of the starts."
)
@click.option(
    "--out",
    default="md-bridge-drift",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for everything. The same command in the same folder does what is missing.",
)
@click.option("--from-scratch", is_flag=True, help="Throw away the runs that the folder holds.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, and no table.")
@drift_files.reading_options
def drift(
    model: Path | None,
    start: Path | None,
    protocol: str,
    engine: str,
    forces: str,
    timestep: float,
    length: float,
    temperature: float,
    replicas: int,
    equilibrate: float,
    keep_velocities: bool,
    variant: str,
    tolerance: float,
    seed: int,
    out: Path,
    from_scratch: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Run NVE with MODEL and tell whether it conserves energy.

    START is a periodic structure (any format of ASE); its velocities are replaced: for every
    replica a thermostat under conservative forces makes a start, and each kind of forces runs NVE
    from it (--keep-velocities: from START as it is). Ends with a table, a page, and the series as
    CSV. Ctrl-C keeps the runs that are done.
    """
    context = click.get_current_context()
    for option, value in (("--tolerance", tolerance), ("--timestep", timestep)):
        if not 0 < value < float("inf"):
            raise click.BadParameter(
                f"must be positive and finite, found {value:g}", param_hint=option
            )
    if reading["files"]:
        drift_files.judge_files(context)
        return
    drift_files.refuse_reading_options(context)
    if model is None or start is None:
        missing = "MODEL" if model is None else "START"
        raise click.UsageError(f"Missing argument '{missing}' (or name files with --from).")
    if protocol != "nve":
        drift_protocol.perform(context, ENGINES[engine])
        return
    from md_bridge.cli.drift_campaign import run_campaign
    from md_bridge.drift.runs.campaign import Campaign, CampaignError
    from md_bridge.drift.runs.plan import CampaignPlan
    from md_bridge.engine import EngineError
    from md_bridge.forces import parse_kinds
    from md_bridge.model_options import ModelOptions

    try:
        kinds = parse_kinds(forces)
    except ValueError as error:
        raise click.BadParameter(
            str(error).removeprefix("forces "), param_hint="--forces"
        ) from None
    if keep_velocities:
        _refuse_thermostat_options(context)
        replicas, equilibrate = 1, 0.0
    try:
        plan = CampaignPlan(
            model,
            start,
            ENGINES[engine],
            kinds,
            timestep,
            length,
            temperature,
            replicas,
            equilibrate,
            seed,
            keep_velocities,
            ModelOptions(variant=variant),
        )
        require_forces(model, (kind for kind, _ in kinds), variant)
        campaign = Campaign(plan, out, from_scratch)
    except (ValueError, CampaignError) as error:
        raise click.UsageError(in_options(error)) from None
    except EngineError as error:
        raise click.ClickException(str(error)) from None
    run_campaign(campaign, tolerance, as_json)


def _refuse_thermostat_options(context: click.Context) -> None:
    """Options of starts that are made mean nothing to one that is kept."""
    for name in ("replicas", "equilibrate", "temperature", "seed"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name} means nothing with --keep-velocities: leave one of them out"
            )
