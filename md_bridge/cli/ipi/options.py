"""Options that describe a simulation with i-PI: of ``ipi-input``, and of ``ipi-run`` with a start.

Their names and defaults are those of :func:`md_bridge.ipi.plan.make_plan`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from md_bridge.cli.command import DEFAULT_SECTION, Option
from md_bridge.cli.options import chain, with_seed
from md_bridge.model_options import ModelOptions

__all__ = [
    "NAMES",
    "SECTION",
    "given",
    "plan_arguments",
    "simulation_options",
]

SECTION = "Simulation"
_PLAN = "md_bridge.ipi.plan:make_plan"


_BAROSTATS = ("isotropic", "flexible", "anisotropic")
_TRANSPORTS = ("ffdirect", "unix", "shm", "inet")
_THERMOSTATS = ("auto", "svr", "langevin", "pile_g", "pile_l")

# help and type of each, by the name of the argument
_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "forces": (
        "Conservative (default), direct, mts:M (M inner steps).",
        {"metavar": "KIND", "show_default": False},
    ),
    "ensemble": (
        "Ensemble: nve, nvt or npt.",
        {"type": click.Choice(["nve", "nvt", "npt"]), "metavar": "NAME"},
    ),
    "steps": ("Number of (outer) steps.", {"type": int}),
    "timestep": ("Inner time step (fs).", {"type": float}),
    "temperature": ("Temperature, also of the start (K).", {"type": float}),
    "pressure": ("Pressure, for npt (bar).", {"type": float, "show_default": "0"}),
    "beads": ("Number of beads of a path integral.", {"type": int}),
    "thermostat": (
        "Auto (default), svr, langevin, pile_g or pile_l.",
        {"type": click.Choice(_THERMOSTATS), "metavar": "NAME", "show_default": False},
    ),
    "thermostat_tau": ("Time constant of it (fs).", {"type": float, "show_default": "100"}),
    "barostat": (
        "For npt: isotropic (default), flexible, anisotropic.",
        {"type": click.Choice(_BAROSTATS), "metavar": "NAME", "show_default": False},
    ),
    "barostat_tau": ("Time constant of it (fs).", {"type": float, "show_default": "500"}),
    "transport": (
        "Way to the model: ffdirect (in i-PI's own process), or sockets: unix, shm, inet.",
        {"type": click.Choice(_TRANSPORTS), "metavar": "NAME"},
    ),
    "address": (
        "Prefix of the sockets' names; HOST:PORT for inet.",
        {"metavar": "NAME", "show_default": "mdbridge; localhost:31415"},
    ),
    "clients": ("Number of clients for the beads.", {"type": click.IntRange(min=1)}),
    "stride": (
        "Steps between lines of properties; frames are 10 times as rare, checkpoints 100 times.",
        {"type": int},
    ),
    "seed": ("Seed of all random numbers.", {"type": click.IntRange(min=0)}),
}

NAMES = tuple(_OPTIONS)
"""Of the options, and of the arguments of ``make_plan``."""


def simulation_options(visible: tuple[str, ...] = NAMES) -> Callable[[Any], Any]:
    """The options of a simulation.

    :param visible: those that the help of this command shows; the help of ``ipi-input`` has all
    """
    return chain(
        click.option(
            f"--{name.replace('_', '-')}",
            cls=Option,
            of=_PLAN,
            section=SECTION if visible == NAMES else DEFAULT_SECTION,
            hidden=name not in visible,
            help=text,
            **attributes,
        )
        for name, (text, attributes) in _OPTIONS.items()
    )


def plan_arguments(options: Mapping[str, Any], model_options: ModelOptions) -> dict[str, Any]:
    """What ``make_plan`` takes, from the options of a command."""
    chosen = with_seed(model_options, options["seed"])
    return {**{name: options[name] for name in NAMES}, "model_options": chosen}


def given(ctx: click.Context, names: tuple[str, ...] = NAMES) -> dict[str, str]:
    """Those of some options that the user typed: what was typed, by the name of the argument."""
    return {
        parameter.name: parameter.opts[-1]
        for parameter in ctx.command.params
        if parameter.name in names
        and ctx.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    }
