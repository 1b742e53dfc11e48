"""What a report says about model, system and machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms

from md_bridge.drift.runs.versions import installed_versions
from md_bridge.model_names import is_python_model
from md_bridge.model_options import ModelOptions

__all__ = [
    "RunSettings",
    "describe_model",
    "describe_system",
    "surroundings",
]


@dataclass(frozen=True)
class RunSettings:
    """What all runs share; printed on the page and in ``summary.json``."""

    model: str
    system: str
    """In words, e.g. ``27 H2O, 81 atoms, cubic cell of 9.31 Å``."""
    atom_count: int
    timestep_fs: float
    """Inner step (fs)."""
    length_ps: float
    """Of each run; of the shortest, where ``longest_ps`` is given."""
    threads: int
    machine: str
    load: float
    """Busy cores before the start: wall times are only worth something if this is near 0."""
    versions: dict[str, str] = field(default_factory=dict)
    longest_ps: float | None = None
    """Length of the longest run (ps), where lengths differ."""
    temperature_k: float | None = None
    """Of the thermostat that made the starts; None if a start was given with its velocities."""
    equilibration_ps: float | None = None
    replicas: int = 1
    seed: int | None = None
    planned_runs: int | None = None
    """Those asked for, complete or not; None if the runs given are all."""
    preset: str = ""
    """The published protocol that the settings are of; empty: none."""
    minimise_fmax: float = 0.0
    """To which the starts were minimised first (eV/Å); 0: they were not."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What was read from each file, for runs that were not made here; the rest then means nothing
    but the versions."""


def describe_model(model: Path, options: ModelOptions | None = None) -> str:
    """Name, cutoff and precision of an exported model, in words; and of an inner model.

    :param model: path of the exported model
    :param options: how it is evaluated; None: as it is
    :raises EngineError: if it cannot be loaded
    """
    from md_bridge.engine import model_info

    options = options or ModelOptions()

    def described(path: Path, variant: str, symmetrize: str) -> str:
        info = model_info(path, options.device, options.extensions)
        chosen = f", variant {variant}" if variant else ""
        if symmetrize != "none":
            chosen += f", symmetrized: {symmetrize}"
        facts = str(path) if is_python_model(path) else f"cutoff {info.cutoff:g} Å, {info.dtype}"
        return f"{info.name or path.name} ({facts}{chosen})"

    averaged = options.symmetrize
    if options.direct_symmetrize:
        averaged += f", direct forces: {options.direct_symmetrize}"
    text = described(model, options.variant, averaged)
    if options.inner:
        inner = described(Path(options.inner), options.inner_variant, options.inner_symmetrize)
        text += f"; inner forces: {inner}"
    return text


def describe_system(atoms: Atoms) -> str:
    """Formula and size, in words.

    :param atoms: with a cell, Å
    :raises ValueError: the cell has no volume
    """
    formula = atoms.get_chemical_formula()
    return f"{formula}, {len(atoms)} atoms in {atoms.get_volume():.0f} Å³"


def surroundings() -> dict[str, Any]:
    """``machine``, ``load`` and ``versions`` of a run's settings."""
    return {"machine": _machine(), "load": os.getloadavg()[0], "versions": installed_versions()}


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    return f"{cores} core{'s' if cores > 1 else ''}, {_processor()}, {platform.system()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
