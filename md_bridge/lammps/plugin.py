"""Where the LAMMPS plugin is. Every ``lmp`` of the environment asks at its start: stay cheap."""

from __future__ import annotations

import contextlib
import os
import sys

from md_bridge import _paths, _versions
from md_bridge.lammps.mpi import preload_mpi

__all__ = ["plugin_directory", "plugin_folder"]

_MISMATCH = "MDBRIDGE_BUILD_MISMATCH"


def plugin_directory() -> str:
    """Return the folder that LAMMPS looks for plugins in (entry point group ``lammps.plugins``).

    Also loads MPI, which ``lammps.lammps()`` needs and this process may not find.
    """
    # no MPI is for LAMMPS to report: an exception here would break every `lmp` of the environment
    with contextlib.suppress(ImportError, OSError):
        preload_mpi()
    return plugin_folder()


def plugin_folder() -> str:
    """The folder of the plugin, for a LAMMPS in a process of its own.

    Also tells the plugin, by an environment variable, if it was compiled against other packages
    than the installed ones, so that ``pair_style mdbridge`` says so instead of failing to load.
    """
    sentence = _versions.mismatch()
    if sentence is None:
        os.environ.pop(_MISMATCH, None)
    else:
        os.environ[_MISMATCH] = sentence
    try:
        return str(_paths.compiled("plugins/mdbridgeplugin.so").parent)
    except FileNotFoundError as error:
        print(f"md-bridge: pair_style mdbridge is not available: {error}", file=sys.stderr)
        return str(_paths.DATA.parent / "plugins")
