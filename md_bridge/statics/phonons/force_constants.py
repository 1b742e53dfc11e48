"""Force constants Φ = −∂F/∂u of a supercell by finite differences, evaluated in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.crystal import Crystal

__all__ = ["count_displacements", "finite_differences", "reduced_differences"]

Array = NDArray[np.float64]
Step = Callable[[int], object]

_BATCH = 16
"""Structures between two reports of progress."""
_CLEAR = 10.0
"""The largest change of a force is to be so many times the noise of the forces."""


def finite_differences(
    evaluator: Evaluator,
    crystal: Crystal,
    displacement: float,
    *,
    one_sided: bool = False,
    noise: float = 0.0,
    on_step: Step | None = None,
) -> Array:
    """All force constants, without any use of symmetry but the lattice translations.

    Each atom of the primitive cell is moved along x, y and z, forth and back:
    Φ_{iα,jβ} ≈ −[F_iα(+δ) − F_iα(−δ)] / 2δ, off by δ² F'''/6.

    :param evaluator: of the forces
    :param crystal: n atoms in the primitive cell, N in the supercell
    :param displacement: δ, Å
    :param one_sided: compare with the undisplaced structure, −[F(+δ) − F(0)] / δ: half as many
        evaluations, and an error of first order in δ
    :param noise: of a component of the forces, eV/Å; 0: not known
    :param on_step: called with the number of structures just evaluated
    :returns: compact, [n, N, 3, 3], eV/Å²: of the force on the first and the displacement of the
        second
    :raises StaticsError: the displacement changes forces by no more than their noise
    :raises md_bridge.engine.EngineError: the model fails, or a number is not finite
    """
    moves = [(int(atom), axis) for atom in crystal.first for axis in range(3)]
    structures = [_moved(crystal.supercell, *move, displacement) for move in moves]
    if one_sided:
        structures.append(crystal.supercell)
    else:
        structures += [_moved(crystal.supercell, *move, -displacement) for move in moves]
    forces = _forces(evaluator, structures, on_step)
    changes = forces[: len(moves)] - forces[len(moves) :]  # of one_sided all minus the last one
    _require_signal(changes, displacement, noise)
    columns = -changes / (displacement * (1.0 if one_sided else 2.0))
    by_atom = columns.reshape(len(crystal.first), 3, len(crystal.supercell), 3)
    return _filled(crystal, by_atom.transpose(2, 0, 3, 1))


def reduced_differences(
    evaluator: Evaluator,
    crystal: Crystal,
    displacement: float,
    *,
    noise: float = 0.0,
    on_step: Step | None = None,
) -> Array:
    """Force constants of phonopy's own set of displacements, the least that the space group allows.

    The space group is imposed with that: what the model breaks of it does not show.

    :param evaluator: of the forces
    :param crystal: n atoms in the primitive cell, N in the supercell
    :param displacement: δ, Å; each forth and back
    :param noise: of a component of the forces, eV/Å; 0: not known
    :param on_step: called with the number of structures just evaluated
    :returns: compact, [n, N, 3, 3], eV/Å²
    :raises StaticsError: the displacement changes forces by no more than their noise
    :raises md_bridge.engine.EngineError: the model fails, or a number is not finite
    """
    phonon = crystal.phonopy
    phonon.generate_displacements(distance=displacement, is_plusminus=True)
    structures = []
    for entry in phonon.dataset["first_atoms"]:
        moved = crystal.supercell.copy()
        moved.positions[entry["number"]] += entry["displacement"]
        structures.append(moved)
    forces = _forces(evaluator, structures, on_step)
    _require_signal(forces - forces.mean(axis=0), displacement, noise)
    phonon.forces = forces
    phonon.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    # phonopy has the displaced atom first
    displaced_first = np.array(phonon.force_constants)
    phonon.dataset = None
    return _filled(crystal, displaced_first.transpose(1, 0, 3, 2))


def count_displacements(crystal: Crystal, fast: bool = False) -> int:
    """Structures that one set of force constants takes.

    :param crystal: n atoms in the primitive cell
    :param fast: those of :func:`reduced_differences`, else of :func:`finite_differences`
    """
    if not fast:
        return 6 * len(crystal.primitive)
    crystal.phonopy.generate_displacements(distance=0.01, is_plusminus=True)
    count = len(crystal.phonopy.dataset["first_atoms"])
    crystal.phonopy.dataset = None
    return count


def _moved(atoms: Atoms, atom: int, axis: int, shift: float) -> Atoms:
    moved: Atoms = atoms.copy()
    moved.positions[atom, axis] += shift
    return moved


def _forces(evaluator: Evaluator, structures: Sequence[Atoms], on_step: Step | None) -> Array:
    found: list[Array] = []
    for begin in range(0, len(structures), _BATCH):
        batch = structures[begin : begin + _BATCH]
        found += [each.forces for each in evaluator(batch)]
        if on_step is not None:
            on_step(len(batch))
    return np.array(found)


def _filled(crystal: Crystal, columns: Array) -> Array:
    """Compact force constants of those with a displaced atom of the primitive cell.

    :param columns: [N, n, 3, 3]: of the force on the first and the displacement of the second
    """
    return np.asarray(columns[crystal.opposite, crystal.home[None, :]])


def _require_signal(changes: Array, displacement: float, noise: float) -> None:
    largest = float(np.abs(changes).max())
    if largest < _CLEAR * noise:
        raise StaticsError(
            f"a displacement of {displacement:g} Å changes forces by {largest:.2g} eV/Å at most, "
            f"and their noise is {noise:.2g} eV/Å: choose a larger one, or a model in double "
            "precision"
        )
