"""Force constants by reverse differentiation of the model: no displacement, no error of it."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.drift.protocols.differentiable import DifferentiableForces
from md_bridge.drift.protocols.jacobian import full_jacobian
from md_bridge.engine import rotation_set
from md_bridge.model_options import ModelOptions
from md_bridge.statics.phonons.hosts import OnRow
from md_bridge.statics.phonons.hosts.cells import check_request, turned_back
from md_bridge.statics.rows import Row, require_fixed_set

__all__ = ["force_constants"]

Array = NDArray[np.float64]

_NO_STEP = 0.01
"""Å: any displacement that can be, where none is needed."""


def force_constants(
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    supercell: Atoms,
    displacement: float = _NO_STEP,
    on_row: OnRow | None = None,
) -> Array:
    """Φ of a supercell: the Hessian of the energy, or minus the Jacobian of the direct forces.

    In double precision where the model can be converted. For a row that is averaged over copies,
    Φ is the mean of theirs, turned back: F̄(x) = Σ w Rᵀ F(Rx) gives Φ̄ = Σ w Rᵀ Φ(Rx) R.

    :param model: path of the model
    :param options: how it is loaded; its ``symmetrize`` gives way to the row's
    :param row: whose forces are differentiated
    :param supercell: N atoms, periodic in all directions, Å
    :param displacement: not used
    :param on_row: told of the progress, a row of each copy
    :returns: [3N, 3N], eV/Å²
    :raises StaticsError: the supercell cannot be
    :raises md_bridge.export.errors.ExportError: the model has no forces of the row's kind
    :raises md_bridge.errors.ArgumentError: the row's copies are random
    """
    check_request(supercell, displacement)
    require_fixed_set(row.symmetrize)
    copies, weights = np.eye(3)[None], np.ones(1)
    if row.symmetrize != "none":
        copies, weights = rotation_set(row.symmetrize)
    chosen = replace(options.without_inner(), symmetrize="none", direct_symmetrize="")
    forces = DifferentiableForces(model, supercell, row.forces, options=chosen)
    size = forces.size
    mean = np.zeros((size, size))
    for number, (rotation, weight) in enumerate(zip(copies, weights, strict=True)):
        turned = supercell.copy()
        turned.set_cell(supercell.cell.array @ rotation.T)
        turned.set_positions(supercell.positions @ rotation.T)

        def told(_: str, share: float, before: int = number) -> None:
            if on_row is not None:
                on_row(before * size + round(share * size) + 1, len(copies) * size)

        mean -= weight * turned_back(full_jacobian(forces.at(turned), told), rotation)
    return mean
