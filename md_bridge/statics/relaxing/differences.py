"""How far relaxed structures are apart, and what one kind of forces says where another vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import minimize_rotation_and_translation
from numpy.typing import NDArray

from md_bridge.statics.evaluator import Evaluator

__all__ = [
    "MOST_ATOMS",
    "CrossedForces",
    "Distance",
    "FixedPoint",
    "crossed_forces",
    "displacements",
    "distance",
    "fixed_point",
]

Array = NDArray[np.float64]

MOST_ATOMS = 64
"""Of a structure whose second derivatives are affordable: 6 evaluations for each."""

_FLAT_MODE = 1e-6
"""Of the largest eigenvalue of second derivatives: what is less is a shift of the whole."""


@dataclass(frozen=True)
class Distance:
    """Between two structures of the same atoms in the same order."""

    rmsd: float
    """Å, after the best shift; of molecules and clusters after the best rotation, too."""
    cell: float
    """The largest change of a length in the crystal, %; without regard to rotations."""
    energy: float = float("nan")
    """Of the second minus the first, meV for each atom, if both are of the same surface."""


@dataclass(frozen=True)
class CrossedForces:
    """What forces of one kind are where those of another kind vanish."""

    forces: str
    """Their kind."""
    vanishing: str
    """The kind of those that vanish."""
    rms: float
    """Of the forces on atoms, over all structures, eV/Å; on those that are held there is none."""
    largest: float
    """On an atom, eV/Å."""


@dataclass(frozen=True)
class FixedPoint:
    """Where direct forces vanish, against what second derivatives of the energy foretell of it."""

    predicted: float
    """Root mean square of Δx = H⁻¹ F_direct at the conservative minimum, Å."""
    found: float
    """The same of what was found, Å."""
    left: float
    """The same of their difference, Å."""


def displacements(first: Atoms, second: Atoms) -> Array:
    """From one structure to another, after the best shift, [N, 3], Å.

    Atoms are compared by their coordinates along the cell vectors, so that a strain or a rotation
    of the cell is not seen; across boundaries the shorter way counts. Molecules and clusters are
    turned onto each other.

    :param first: N atoms, Å
    :param second: the same atoms in the same order
    """
    if not first.pbc.any():
        turned = second.copy()
        minimize_rotation_and_translation(first, turned)
        moved = turned.positions - first.positions
        return np.asarray(moved - moved.mean(axis=0))
    cells = [atoms.cell.complete() for atoms in (first, second)]
    places = [
        cell.scaled_positions(atoms.positions)
        for cell, atoms in zip(cells, (first, second), strict=True)
    ]
    moved = places[1] - places[0]
    moved -= moved[0]
    moved[:, first.pbc] -= np.round(moved[:, first.pbc])
    return np.asarray((moved - moved.mean(axis=0)) @ cells[0].array)


def distance(first: Atoms, second: Atoms, energies: tuple[float, float] | None = None) -> Distance:
    """How far two structures are apart.

    :param first: N atoms, Å
    :param second: the same atoms in the same order
    :param energies: of both on the same surface, eV
    """
    moved = displacements(first, second)
    cell = 0.0
    if first.pbc.any():
        lengths = [atoms.cell.complete().array for atoms in (first, second)]
        strain = np.linalg.svd(np.linalg.solve(*lengths), compute_uv=False) - 1.0
        cell = 100.0 * float(np.abs(strain).max())
    energy = float("nan")
    if energies is not None:
        energy = 1e3 * (energies[1] - energies[0]) / len(first)
    return Distance(float(np.sqrt((moved**2).sum(axis=1).mean())), cell, energy)


def crossed_forces(
    evaluator: Evaluator, structures: Sequence[Atoms], vanishing: str
) -> CrossedForces:
    """Evaluate one kind of forces where another vanishes.

    :param evaluator: of the forces
    :param structures: where the others vanish, at least one
    :param vanishing: the kind of those
    :raises md_bridge.engine.EngineError: the model fails
    """
    free = []
    for atoms, found in zip(structures, evaluator(structures), strict=True):
        left = found.forces.copy()
        for constraint in atoms.constraints:
            constraint.adjust_forces(atoms, left)
        free.append(left)
    forces = np.concatenate(free)
    lengths = np.linalg.norm(forces, axis=1)
    return CrossedForces(
        forces=evaluator.row.forces,
        vanishing=vanishing,
        rms=float(np.sqrt((forces**2).mean())),
        largest=float(lengths.max()),
    )


def fixed_point(
    conservative: Evaluator,
    direct: Evaluator,
    minimum: Atoms,
    found: Atoms,
    displacement: float = 0.01,
) -> FixedPoint:
    """Compare where direct forces vanish with the linear estimate Δx = H⁻¹ F_direct.

    H are the second derivatives of the energy at its minimum, by central differences of the
    conservative forces; shifts of the whole structure are left out.

    :param conservative: forces
    :param direct: forces
    :param minimum: of the energy, N atoms, at most :data:`MOST_ATOMS`, Å
    :param found: where the direct forces vanish, with the same cell
    :param displacement: of an atom along x, y or z, Å
    :raises md_bridge.engine.EngineError: the model fails
    """
    size = 3 * len(minimum)
    moved = []
    for step in np.concatenate([np.eye(size), -np.eye(size)]) * displacement:
        copy = minimum.copy()
        copy.set_constraint()
        copy.positions += step.reshape(-1, 3)
        moved.append(copy)
    forces = np.array([one.forces.ravel() for one in conservative(moved)])
    hessian = -(forces[:size] - forces[size:]) / (2.0 * displacement)
    inverse = np.linalg.pinv(0.5 * (hessian + hessian.T), rcond=_FLAT_MODE, hermitian=True)
    predicted = (inverse @ direct([minimum])[0].forces.ravel()).reshape(-1, 3)
    predicted -= predicted.mean(axis=0)
    actual = displacements(minimum, found)

    def size_of(vectors: Array) -> float:
        return float(np.sqrt((vectors**2).sum(axis=1).mean()))

    return FixedPoint(size_of(predicted), size_of(actual), size_of(predicted - actual))
