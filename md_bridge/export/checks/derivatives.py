"""Conservative forces and stress against finite differences of the energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ase
import numpy as np

from md_bridge.export.checks.differences import worst
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import Predictor

__all__ = ["check_forces", "check_stress"]


def check_forces(runner: Predictor, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Conservative forces are minus the derivative of the energy, along random displacements.

    :param runner: the model
    :param structures: to check on
    :param seed: of the displacements
    """
    generator = np.random.default_rng(seed)
    step = 1e-5 if runner.is_double else 1e-2  # Å
    error = 0.0
    for atoms in structures:
        (prediction,) = runner.evaluate([atoms], direct=False)
        assert prediction.forces is not None
        directions = [generator.standard_normal((len(atoms), 3)) for _ in range(4)]
        error = worst(
            error,
            _error_of_gradient(
                runner, atoms, -prediction.forces, _displaced, directions, step, 1e-3
            ),
        )
    return judge(
        "forces = -dE/dx",
        error,
        "",
        1e-4 if runner.is_double else 5e-2,
        "error of the conservative forces against finite differences, relative to their size. If "
        "it fails, a part of the energy is detached from the positions, or the energy jumps",
    )


def check_stress(runner: Predictor, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Conservative stress is the derivative of the energy with respect to the strain, over V.

    :param runner: the model
    :param structures: to check on; those that are not periodic in all directions are passed over
    :param seed: of the strains
    """
    name = "stress = dE/dstrain / V"
    if not any(atoms.pbc.all() for atoms in structures):
        why = "not checked: no structure is periodic in all directions"
        return Check(name, None, float("nan"), "", None, why)
    generator = np.random.default_rng(seed)
    step = 1e-6 if runner.is_double else 2e-3
    error = 0.0
    for atoms in structures:
        if not atoms.pbc.all():
            continue
        (prediction,) = runner.evaluate([atoms], direct=False)
        assert prediction.stress is not None
        strains = [generator.uniform(-1, 1, (3, 3)) for _ in range(3)]
        symmetric = [0.5 * (strain + strain.T) for strain in strains]
        volume = atoms.get_volume()
        error = worst(
            error,
            _error_of_gradient(
                runner,
                atoms,
                volume * prediction.stress,
                _strained,
                symmetric,
                step,
                1e-4 * volume,
            ),
        )
    return judge(
        name,
        error,
        "",
        1e-4 if runner.is_double else 5e-2,
        "error of the conservative stress against finite differences, relative to its size. If it "
        "fails, a part of the energy is detached from the cell, or the energy jumps",
    )


def _displaced(atoms: ase.Atoms, displacement: np.ndarray) -> ase.Atoms:
    copy = atoms.copy()
    copy.positions += displacement
    return copy


def _strained(atoms: ase.Atoms, strain: np.ndarray) -> ase.Atoms:
    copy = atoms.copy()
    copy.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
    return copy


def _error_of_gradient(
    runner: Predictor,
    atoms: ase.Atoms,
    gradient: np.ndarray,
    move: Callable[[ase.Atoms, np.ndarray], ase.Atoms],
    directions: Sequence[np.ndarray],
    step: float,
    smallest: float,
) -> float:
    """Largest error of a gradient along some directions, by central differences of the energy.

    :param move: the structure after a change
    :param directions: of the changes, of the shape of the gradient
    :returns: relative to the size of the gradient, which is what a sum of independent terms has;
        taken as ``smallest`` at least
    """
    size = max(float(np.linalg.norm(gradient)), smallest)
    errors = [0.0]
    for direction in directions:
        up, down = (runner.energy(move(atoms, sign * step * direction)) for sign in (1, -1))
        errors.append(abs((up - down) / (2 * step) - np.sum(gradient * direction)) / size)
    return worst(*errors)
