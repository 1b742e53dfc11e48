"""A model's quantities as a function of turned copies of a structure, for ``analyse``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from md_bridge.engine import Engine, Pairs, Structure, structure_from_ase
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.models.quantities import Quantity, wanted_of

__all__ = ["Copies", "copies_per_call", "require_free_space"]

_MARGIN = 0.01
"""Å. The pair list is that of the structure itself; the displacements that measure the rounding are
smaller than this by far."""
_ATOMS_PER_CALL = 4096
_MOST_COPIES = 48
_SHIFT = np.array([0.9, -1.7, 2.3])
_MOVED = (1.0, 1e-5)
"""What the energy of an atom may change by when all atoms are moved: meV, and relative to it."""


class Copies:
    """The quantities of copies of one structure.

    All copies have the pair list of the structure, so that no copy differs from another by a pair
    at the cutoff, and none has to look for its pairs.

    :param engine: of the model
    :param atoms: the structure
    :param quantities: what is wanted of each copy
    :raises MDBridgeError: the structure does not fit the model
    """

    def __init__(self, engine: Engine, atoms: Atoms, quantities: Sequence[Quantity]) -> None:
        self._engine, self._quantities = engine, quantities
        self._wanted = wanted_of(quantities)
        self.structure = structure_from_ase(atoms)
        self._periodic = np.asarray(self.structure.periodic)
        self._labels = _pairs_of(self.structure, engine.info.cutoff)
        self._pairs: list[Pairs] = []

    @property
    def points(self) -> tuple[np.ndarray, ...]:
        """What turns: positions and, where there are any, the periodic lattice vectors."""
        if not self._periodic.any():
            return (self.structure.positions,)
        return self.structure.positions, self.structure.cell[self._periodic]

    def __call__(
        self, positions: np.ndarray, vectors: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """The quantities of copies, by name, [copies, ...].

        :param positions: [copies, atoms, 3], Å
        :param vectors: periodic lattice vectors, [copies, vectors, 3], Å
        """
        copies = []
        for place, own in enumerate(positions):
            cell = np.zeros((3, 3))
            if vectors is not None:
                cell[self._periodic] = vectors[place]
            copies.append(Structure(self.structure.types, own, cell, self.structure.periodic))
        while len(self._pairs) < len(copies):
            self._pairs.append(_provided(self._labels))
        results = self._engine.evaluate(copies, self._pairs[: len(copies)], **self._wanted)
        return {
            quantity.name: np.array(
                [
                    quantity.read(result, len(copy), copy.volume)
                    for result, copy in zip(results, copies, strict=True)
                ]
            )
            for quantity in self._quantities
        }

    def evaluate_once(self) -> None:
        """One evaluation of the structure as it is."""
        self(*(array[None] for array in self.points))


def require_free_space(engine: Engine, structure: Structure) -> None:
    """Refuse a model in which the place of the structure counts, as in a field of its own.

    :param engine: of the model
    :param structure: to be moved
    :raises SymmetryError: the energy changes with the place
    """
    moved = Structure(
        structure.types, structure.positions + _SHIFT, structure.cell, structure.periodic
    )
    energies = [1e3 * each.energy / len(structure) for each in engine.evaluate([structure, moved])]
    change = abs(energies[1] - energies[0])
    absolute, relative = _MOVED
    if change > absolute + relative * abs(energies[0]):
        raise SymmetryError(
            f"the energy changes by {change:.3g} meV/atom when the whole structure is moved by "
            f"{np.linalg.norm(_SHIFT):.1f} Å: the model knows a place or a field outside the "
            "structure, and turning the structure alone says nothing of what it has learned. "
            "Measure a model without it"
        )


def copies_per_call(atoms: int, atoms_per_forward: int) -> int:
    """How many copies go to the engine at once, which puts them into forward passes itself.

    :param atoms: of the structure
    :param atoms_per_forward: as for :class:`~md_bridge.engine.Engine`
    """
    together = 4 * atoms_per_forward or _ATOMS_PER_CALL
    return min(max(together // max(atoms, 1), 1), _MOST_COPIES)


def _pairs_of(structure: Structure, cutoff: float) -> np.ndarray:
    """Labels of all pairs within the cutoff and a margin, [pairs, 5]."""
    pairs = Pairs(_MARGIN)
    pairs.update(structure, cutoff)
    labels, _ = pairs.select(structure, cutoff + _MARGIN)
    return np.asarray(labels)


def _provided(labels: np.ndarray) -> Pairs:
    pairs = Pairs(0.0)
    pairs.provide(labels)
    return pairs
