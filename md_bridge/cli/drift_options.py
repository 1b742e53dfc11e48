"""What ``md-bridge drift`` and ``md-bridge tune`` have in common."""

from __future__ import annotations

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
