"""What ``md-bridge drift`` and ``md-bridge tune`` have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ENGINES = {"lammps": "lammps", "ipi": "i-pi", "i-pi": "i-pi"}
"""What --engine takes, and what the library calls it."""
NOT_CONSERVED = 3
"""Exit status where something drifts, or cannot be told."""


def require_forces(model: Path, kinds: Iterable[str], variant: str) -> None:
    """Refuse at once a model that cannot give the forces that are asked for.

    :param kinds: ``conservative``, ``direct`` or ``mts``
    :param variant: of the model's outputs
    :raises EngineError: it cannot be loaded, or lacks an output
    """
    from md_bridge.engine import Engine, Wanted

    direct = any(kind != "conservative" for kind in kinds)
    engine = Engine(model, variant=variant)
    engine.require(Wanted(conservative_forces=True, direct_forces=direct))


_OPTIONS = {
    "timestep_fs": "--timestep",
    "timesteps_fs": "--timesteps",
    "length_ps": "--ps",
    "longest_ps": "--longest-ps",
    "temperature_k": "--temperature",
    "equilibration_ps": "--equilibrate",
    "keep_velocities": "--keep-velocities",
    "most": "--max-m",
}


def in_options(error: Exception) -> str:
    """The message of an error that speaks of arguments, in the words of the command line."""
    argument = getattr(error, "argument", "")
    names = {**_OPTIONS, argument: _OPTIONS.get(argument, f"--{argument.replace('_', '-')}")}
    message = str(error)
    for name, option in names.items():
        if name and (name == argument or "_" in name):
            message = re.sub(rf"\b{name}\b", option, message)
    return message
