"""Options that the commands about energy share; their defaults are those of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.options import EXISTING_FILE, Model, chain, option
from md_bridge.drift.presets import PRESETS
from md_bridge.forces import Kind, forces_text, parse_kinds
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "NOT_CONSERVED",
    "PLAN",
    "RESUMES",
    "STOPPED",
    "Decorator",
    "Host",
    "Kinds",
    "campaign_folder_options",
    "forces_option",
    "host_option",
    "length_option",
    "model_and_start",
    "out_option",
    "preset_option",
    "require_forces",
    "seed_option",
    "stall_option",
    "start_options",
    "timestep_option",
    "tolerance_option",
]

Decorator = Callable[[Any], Any]

PLAN = "md_bridge.drift.runs.plan:CampaignPlan"
NOT_CONSERVED = 3
"""Exit status where something drifts, or cannot be told."""
STOPPED = {130: "interrupted (143 terminated, 129 hung up)"}
"""What a command says of the exit statuses of signals."""
RESUMES = {130: f"{STOPPED[130]}: the same command goes on"}
"""The same of a command that keeps what is done."""


class Host(click.Choice[str]):
    """The program that moves the atoms, by its name in the library."""

    def __init__(self) -> None:
        super().__init__(["lammps", "i-pi"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """``ipi`` is ``i-pi``, too."""
        return super().convert("i-pi" if value == "ipi" else value, param, ctx)


def model_and_start(function: Any) -> Any:
    """The arguments MODEL and START."""
    arguments = (
        click.argument("model", type=Model()),
        click.argument("start", type=EXISTING_FILE),
    )
    return chain(arguments)(function)


def host_option(of: str = PLAN) -> Decorator:
    """``--host``."""
    return option("--host", of=of, type=Host(), help="Program that runs the dynamics.")


def start_options(of: str = PLAN, replicas: str = "") -> Decorator:
    """How starts are made: ``--temperature``, ``--replicas``, ``--equilibrate``, ``--seed``.

    :param replicas: help of ``--replicas``; empty: there is one start, and no such option
    """
    several = option("--replicas", of=of, type=click.IntRange(min=1), help=replicas)
    return chain(
        [
            option(
                "--temperature",
                "temperature_k",
                of=of,
                type=float,
                help="Temperature of the starts (K).",
            ),
            *([several] if replicas else []),
            option(
                "--equilibrate",
                "equilibration_ps",
                of=of,
                type=float,
                help="Length of the thermostatted run before each start (ps); 0: new velocities "
                "only.",
            ),
            seed_option(of),
        ]
    )


def seed_option(of: str = PLAN) -> Decorator:
    """``--seed``."""
    return option("--seed", of=of, type=click.IntRange(min=1), help="Seed of all random numbers.")


def preset_option() -> Decorator:
    """``--preset``."""
    return option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        metavar="NAME",
        help=f"Settings of {', '.join(list(PRESETS)[:-1])} or {list(PRESETS)[-1]}.",
    )


def stall_option(of: str = PLAN) -> Decorator:
    """``--stall-minutes``."""
    return option(
        "--stall-minutes",
        of=of,
        type=float,
        help="Time without a step or a word after which a run has hung, and failed (min).",
    )


def timestep_option(of: str = PLAN) -> Decorator:
    """``--timestep``."""
    return option("--timestep", "timestep_fs", of=of, type=float, help="Inner time step (fs).")


def length_option(of: str = PLAN, what: str = "Length of each run", **default: Any) -> Decorator:
    """``--ps``."""
    source = {} if default else {"of": of}
    return option("--ps", "length_ps", type=float, help=f"{what} (ps).", **source, **default)


class Kinds(click.ParamType):
    """Kinds of forces with commas between them."""

    name = "kinds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Kind, ...]:
        """As the library has them.

        :raises ArgumentError: an unknown kind, or one that is given twice
        """
        return parse_kinds(value) if isinstance(value, str) else value

    def shown(self, value: Any) -> str:
        """As a user types them."""
        return forces_text(value)


def forces_option(default: str | None = None) -> Decorator:
    """``--forces``.

    :param default: None: that of a campaign
    """
    source = {"of": PLAN} if default is None else {"default": default}
    return option(
        "--forces",
        type=Kinds(),
        metavar="KINDS",
        help="Kinds of forces: conservative, direct, mts:M (M inner steps in an outer step).",
        **source,
    )


def tolerance_option(of: str) -> Decorator:
    """``--tolerance``."""
    return option(
        "--tolerance", of=of, type=float, help="Drift that counts as conserved (meV/atom/ps)."
    )


def out_option(folder: str, what: str = "Folder for everything.") -> Decorator:
    """``--out``.

    :param folder: default
    :param what: help
    """
    path = click.Path(file_okay=False, path_type=Path)
    return option("--out", default=folder, type=path, help=what)


def campaign_folder_options(folder: str) -> Decorator:
    """``--out`` and ``--from-scratch`` of a command that goes on where it stopped."""
    what = "Folder for everything; the same command in it does what is missing."
    scratch = option("--from-scratch", is_flag=True, help="Throw away the runs in that folder.")
    return chain([out_option(folder, what), scratch])


def require_forces(
    model: Path, kinds: Iterable[str], options: ModelOptions, start: Atoms | None = None
) -> None:
    """Refuse at once a model, or an inner one, that cannot give the forces that are asked for.

    :param kinds: ``conservative``, ``direct`` or ``mts``
    :param start: with the elements that the models must know
    :raises EngineError: it cannot be loaded, or lacks an output or an element
    """
    from md_bridge.engine import Engine, Wanted, open_inner

    of_itself = {"direct"} if options.inner else {"direct", "mts"}
    engine = Engine(model, **options.engine_keywords())
    engine.require(Wanted(conservative_forces=True, direct_forces=bool(of_itself & set(kinds))))
    engines = [engine]
    if options.inner:
        engines.append(open_inner(options)[0])
    if start is not None:
        for each in engines:
            each.require_types(start.numbers.tolist())
