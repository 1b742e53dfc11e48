"""Force constants from programs and methods that are not ours: LAMMPS, i-PI, autograd.

Each gives Φ_{iα,jβ} = −∂F_{iα}/∂u_{jβ} of one supercell, as it is: neither symmetrised nor with a
sum rule imposed. Whatever differs between them and our own finite differences is somebody's error.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.rows import Row
from md_bridge.text import nearest

__all__ = ["HOSTS", "OnRow", "host_force_constants", "require_host_can"]

HOSTS = ("lammps", "i-pi", "autograd")
"""Where force constants come from other than from finite differences with the engine."""

OnRow = Callable[[int, int], None]
"""Called with the rows of Φ that are done, and all there are."""


def host_force_constants(
    host: str,
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    supercell: Atoms,
    displacement: float,
    on_row: OnRow | None = None,
) -> NDArray[np.float64]:
    """Force constants of a supercell, by a host.

    :param host: one of :data:`HOSTS`
    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: whose forces are differentiated, ``conservative`` or ``direct``
    :param supercell: N atoms, periodic in all directions, Å
    :param displacement: of the central differences, Å; autograd needs none
    :param on_row: told of the progress
    :returns: [3N, 3N], eV/Å², in the order and the orientation of the supercell
    :raises ArgumentError: there is no such host, or it refuses the row's forces
    :raises md_bridge.statics.errors.StaticsError: the supercell or the displacement cannot be
    :raises md_bridge.processes.RunError: the program fails
    """
    require_host_can(host, row)
    if host == "lammps":
        from md_bridge.statics.phonons.hosts.lammps import force_constants
    elif host == "i-pi":
        from md_bridge.statics.phonons.hosts.ipi import force_constants
    else:
        from md_bridge.statics.phonons.hosts.autograd import force_constants
    return force_constants(model, options, row, supercell, displacement, on_row)


def require_host_can(host: str, row: Row) -> None:
    """Refuse a row before any work is done.

    :param host: one of :data:`HOSTS`
    :param row: whose forces are differentiated
    :raises ArgumentError: there is no such host, or it refuses the row's forces
    """
    if host not in HOSTS:
        near = nearest(host, HOSTS)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(HOSTS)}"
        raise ArgumentError("host", f"found {host!r}: {hint}")
    if host == "lammps" and row.forces == "direct":
        raise ArgumentError(
            "host",
            "lammps differentiates conservative forces only, since whoever reads its dynamical "
            "matrix takes it for that of an energy (pair_style mdbridge refuses dynamical_matrix "
            "with forces direct): choose the host phonopy, i-pi or autograd for direct forces",
        )
