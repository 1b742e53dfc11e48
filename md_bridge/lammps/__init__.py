"""``pair_style mdbridge`` in the stock LAMMPS of this environment.

A plain ``lmp`` finds the pair style by itself: its start-up code asks :func:`plugin_directory`.
From Python, :func:`run_lmp` starts it as a program and :func:`new_lammps` as a library::

    from md_bridge.lammps import new_lammps
    lmp = new_lammps(["-log", "none"])
    lmp.file("in.water")

Nothing heavy is imported here: every ``lmp`` of the environment imports this module at its start.
"""

from md_bridge.lammps.plugin import plugin_directory
from md_bridge.lammps.runner import environment, lmp_command, new_lammps, preload_mpi, run_lmp

__all__ = ["environment", "lmp_command", "new_lammps", "plugin_directory", "preload_mpi", "run_lmp"]
