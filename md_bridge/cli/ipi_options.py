"""Options that describe a simulation with i-PI; of ``ipi-input``, and of ``ipi-run`` with a start.

Their defaults are those of :func:`md_bridge.ipi.plan.make_plan`: an option that was not given is
not passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--forces",
        metavar="KIND",
        help="conservative, direct or mts:M (multiple time stepping with M inner steps).  "
        "[default: conservative]",
    ),
    click.option("--ensemble", type=click.Choice(["nve", "nvt", "npt"]), help="[default: nve]"),
    click.option("--steps", type=int, help="Steps of i-PI (outer ones).  [default: 1000]"),
    click.option(
        "--timestep",
        type=float,
        help="Inner time step, fs; i-PI's own is M times as long.  [default: 0.5]",
    ),
    click.option(
        "--temperature",
        type=float,
        help="Of the ensemble, and of the velocities at the start, K.  [default: 300]",
    ),
    click.option("--pressure", type=float, help="bar, for npt.  [default: 0]"),
    click.option("--beads", type=int, help="Beads of a path integral.  [default: 1, classical]"),
    click.option(
        "--thermostat",
        type=click.Choice(["auto", "svr", "langevin", "pile_g", "pile_l"]),
        help="auto: svr, for several beads pile_g; with direct forces alone their local kin, "
        "langevin and pile_l.  [default: auto]",
    ),
    click.option("--thermostat-tau", type=float, help="Time constant, fs.  [default: 100]"),
    click.option(
        "--barostat",
        type=click.Choice(["isotropic", "flexible", "anisotropic"]),
        help="[default: isotropic]",
    ),
    click.option("--barostat-tau", type=float, help="Time constant, fs.  [default: 500]"),
    click.option(
        "--transport",
        type=click.Choice(["ffdirect", "unix", "shm", "inet"]),
        help="ffdirect: the model runs in i-PI's process; else a client answers over sockets.  "
        "[default: ffdirect]",
    ),
    click.option(
        "--address",
        help="Begin of the names of the sockets; for inet HOST:PORT.  [default: mdbridge, "
        "localhost:31415]",
    ),
    click.option(
        "--clients",
        type=click.IntRange(min=1),
        help="Clients among which beads are divided, with sockets.  [default: 1]",
    ),
    click.option(
        "--stride",
        type=int,
        help="Steps between lines of properties; between frames ten times as many, between "
        "checkpoints a hundred times.  [default: 10]",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Of all random numbers.  [default: 1]"),
    click.option("-V", "--variant", help="Of the model's outputs, where it has several."),
)
NAMES = (
    "forces",
    "ensemble",
    "steps",
    "timestep",
    "temperature",
    "pressure",
    "beads",
    "thermostat",
    "thermostat_tau",
    "barostat",
    "barostat_tau",
    "transport",
    "address",
    "clients",
    "stride",
    "seed",
    "variant",
)


def simulation_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that the user gave."""
    return {name: options[name] for name in NAMES if options[name] is not None}


def for_plan(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the user gave, as :func:`md_bridge.ipi.plan.make_plan` takes them."""
    from md_bridge.model_options import ModelOptions

    values = given(options)
    return {**values, "model_options": ModelOptions(variant=values.pop("variant", ""))}
