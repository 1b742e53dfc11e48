"""``md-bridge drift``: does a model's dynamics conserve energy?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.energy.options import (
    RESUMES,
    campaign_folder_options,
    forces_option,
    host_option,
    length_option,
    model_and_start,
    preset_option,
    require_forces,
    stall_option,
    start_options,
    timestep_option,
    tolerance_option,
)
from md_bridge.cli.options import json_option, model_options, option, with_seed
from md_bridge.model_options import ModelOptions, require_use_of_inner

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "drift",
]

_STATUS = {
    0: "every kind of forces asked for (but direct alone) conserves energy",
    1: "a run failed",
    2: "bad options, or a folder that holds runs with other settings",
    3: "something drifts, or the runs are too short to tell",
    **RESUMES,
}


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge drift model.pt start.xyz
        md-bridge drift model.pt start.xyz --forces mts:2,mts:4 --ps 20 --host i-pi
        md-bridge drift model.pt start.xyz --forces conservative --replicas 1 --json
        md-bridge drift model.pt copper.xyz --preset tm23
        """,
        _STATUS,
    ),
)
@model_and_start
@preset_option()
@host_option()
@forces_option()
@timestep_option()
@length_option()
@start_options(replicas="Independent starts; each kind of forces runs from every one.")
@option(
    "--keep-velocities",
    is_flag=True,
    help="Run once from START with its velocities.",
)
@tolerance_option("md_bridge.drift.judging.verdict:drift_statistics")
@stall_option()
@campaign_folder_options("md-bridge-drift")
@json_option("the summary")
@model_options(inner=True, correction=True)
def drift(
    model: Path,
    start: Path,
    preset: str | None,
    tolerance: float,
    out: Path,
    from_scratch: bool,
    as_json: bool,
    model_options: ModelOptions,
    **plan: Any,
) -> None:
    """Run NVE with MODEL and tell whether it conserves energy.

    START is a periodic structure (any format of ASE); its velocities are replaced: for every
    replica a thermostat under conservative forces makes a start, and each kind of forces runs NVE
    from it. Ends with a table, a page, and the series as CSV. Ctrl-C keeps the runs that are done.
    """
    context = click.get_current_context()
    if not 0 < tolerance < float("inf"):
        raise click.BadParameter(
            f"must be positive and finite, found {tolerance:g}", param_hint="--tolerance"
        )
    if plan["keep_velocities"]:
        _refuse_thermostat_options(context)
        plan |= {"replicas": 1, "equilibration_ps": 0.0}
    from md_bridge.cli.energy.campaign import run_campaign
    from md_bridge.drift.runs.campaign import Campaign
    from md_bridge.drift.runs.plan import DEFAULT_FORCES_OF_TWO, CampaignPlan
    from md_bridge.drift.runs.starts import read_periodic_structure
    from md_bridge.forces import parse_kinds

    options = with_seed(model_options, plan["seed"])
    structure = read_periodic_structure(start)
    if preset is not None:
        plan = _with_preset(context, preset, structure, plan)
    elif options.inner and context.get_parameter_source("forces") is ParameterSource.DEFAULT:
        plan["forces"] = parse_kinds(DEFAULT_FORCES_OF_TWO)
    campaign_plan = CampaignPlan(model=model, start=start, model_options=options, **plan)
    kinds = [kind for kind, _ in campaign_plan.forces]
    require_use_of_inner(model, options, kinds)
    require_forces(model, kinds, options, structure)
    campaign = Campaign(campaign_plan, out, from_scratch)
    run_campaign(campaign, model_options.threads, tolerance, as_json)


def _with_preset(
    context: click.Context, preset: str, structure: Atoms, plan: dict[str, Any]
) -> dict[str, Any]:
    """The settings of a published protocol; what was typed wins."""
    from md_bridge.drift.presets import preset_settings

    typed = {
        name: value
        for name, value in plan.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return {**plan, **preset_settings(preset, structure, **typed)}


def _refuse_thermostat_options(context: click.Context) -> None:
    """Options of starts that are made mean nothing to one that is kept."""
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in ("replicas", "equilibration_ps", "temperature_k", "seed"):
            continue
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"{parameter.opts[0]} means nothing with --keep-velocities: leave one of them out"
            )
