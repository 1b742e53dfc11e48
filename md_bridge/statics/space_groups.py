"""Which space group a relaxation began with and ended in, and what broke it.

A structure has a space group as far as ``symprec``: atoms may be that far, in Å, from where an
operation takes others. :func:`plateau` tries all values from 1e-6 to 0.1 Å, :func:`change` compares
two structures as Matbench Discovery does, :func:`standardised` makes the ideal cell, and
:func:`operation_residuals` says which operations the forces on a start do not have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from md_bridge.ase import (
    SpaceGroup,
    SpaceGroupError,
    SpaceGroupType,
    find_space_group,
    project_tensor,
    project_vectors,
    space_group_type,
)
from md_bridge.engine import rotation_set
from md_bridge.extras import missing_as_sentence
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator

__all__ = [
    "CHANGES",
    "MATBENCH_SYMPRECS",
    "SYMPRECS",
    "Change",
    "OperationResiduals",
    "Plateau",
    "SymprecRun",
    "change",
    "hexagonal_problem",
    "operation_residuals",
    "plateau",
    "reading_problem",
    "standardised",
]

Array = NDArray[np.float64]

SYMPRECS: tuple[float, ...] = tuple(np.logspace(-6, -1, 51).tolist())
"""Å, ten in a decade."""
MATBENCH_SYMPRECS = (1e-5, 1e-2)
"""Å, those that Matbench Discovery's table of relaxed structures has."""
CHANGES = ("kept", "lowered", "raised", "other", "unknown")
"""The same space group; another one with fewer operations, with more, with as many; spglib cannot
read one of the two."""

_KINDS = {
    (1, 3): "1", (1, -1): "2", (1, 0): "3", (1, 1): "4", (1, 2): "6",
    (-1, -3): "-1", (-1, 1): "m", (-1, 0): "-3", (-1, -1): "-4", (-1, -2): "-6",
}  # fmt: skip
"""Hermann-Mauguin symbol of an operation by determinant and trace of its rotation: International
Tables for Crystallography A, table 1.2.2.1."""
_SAME_ROTATION = 1e-6
"""By how much an element of a rotation matrix may differ from that of the same rotation."""


@dataclass(frozen=True)
class SymprecRun:
    """Neighbouring values of symprec that find the same space group."""

    group: SpaceGroupType
    first: float
    """Å."""
    last: float
    """Å."""

    @property
    def decades(self) -> float:
        """Length of the run, log₁₀(last/first)."""
        return math.log10(self.last / self.first)

    def __str__(self) -> str:
        return f"{self.group.symbol} from {self.first:.1g} to {self.last:.1g} Å"


@dataclass(frozen=True)
class Plateau:
    """The space group of a structure over a range of symprec."""

    symprecs: tuple[float, ...]
    """Å, rising."""
    groups: tuple[SpaceGroupType | None, ...]
    """At each of them; None where spglib finds nothing."""
    runs: tuple[SymprecRun, ...]
    """Neighbours with the same space group and the same number of operations together."""

    @property
    def longest(self) -> SymprecRun | None:
        """The longest run, of equals the one with more operations; None if spglib found nothing."""
        return max(
            self.runs, key=lambda run: (round(run.decades, 6), run.group.operations), default=None
        )

    def at(self, symprec: float) -> SpaceGroupType | None:
        """The group at the value of the scan that is nearest to this one.

        :param symprec: Å
        """
        distances = np.abs(np.log(np.array(self.symprecs) / symprec))
        return self.groups[int(distances.argmin())]

    def __str__(self) -> str:
        if not self.runs:
            return "no space group"
        texts = [f"{run} ({run.decades:.1f} decades)" for run in self.runs if run.first < run.last]
        return ", ".join(texts or [str(run) for run in self.runs])


@dataclass(frozen=True)
class Change:
    """What became of a space group."""

    symprec: float
    """Å."""
    start: SpaceGroupType | None
    end: SpaceGroupType | None
    """None where spglib finds nothing."""

    @property
    def verdict(self) -> str:
        """One of :data:`CHANGES`."""
        if self.start is None or self.end is None:
            return "unknown"
        if self.start.number == self.end.number:
            return "kept"
        more = self.end.operations - self.start.operations
        return "raised" if more > 0 else "lowered" if more < 0 else "other"

    def __str__(self) -> str:
        before, after = (group.symbol if group else "none" for group in (self.start, self.end))
        return f"{before} → {after}: {self.verdict}" if before != after else f"{before}: kept"


@dataclass(frozen=True)
class OperationResiduals:
    """What of the forces on a structure of N atoms its own G operations do not have."""

    group: SpaceGroup
    kinds: tuple[str, ...]
    """Hermann-Mauguin symbol of the rotation of each operation: 6, -3, m, …; 1 for translations."""
    axes: Array
    """[G, 3]: direction of its axis, of a mirror plane its normal; zero for 1 and -1."""
    forces: Array
    """[G], eV/Å: ‖F(g x) − g F(x)‖ of each operation, root mean square over the atoms. In a crystal
    g x is the crystal with its atoms renamed, so that all follows from the forces on one."""
    stresses: Array | None
    """[G], eV/Å³: ‖σ(g x) − g σ(x) gᵀ‖; None if there is no stress."""
    forbidden_forces: Array
    """[N, 3], eV/Å: the part of the forces that the space group does not allow, which the first
    step of a relaxation follows."""
    forbidden_stress: Array | None
    """[3, 3], eV/Å³: the same of the stress, which turns and stretches the cell."""
    traceless_stress: Array | None
    """[3, 3], eV/Å³: the stress without its pressure; in a cubic crystal all of it is forbidden."""

    @property
    def largest_force(self) -> float:
        """Largest forbidden force on an atom, eV/Å."""
        return float(np.linalg.norm(self.forbidden_forces, axis=1).max())

    @property
    def worst(self) -> list[tuple[str, float]]:
        """For each kind of operation that there is, the largest residual of the forces, eV/Å; the
        largest first."""
        by_kind: dict[str, float] = {}
        for kind, size in zip(self.kinds, self.forces, strict=True):
            by_kind[kind] = max(by_kind.get(kind, 0.0), float(size))
        return sorted(by_kind.items(), key=lambda entry: -entry[1])


def plateau(atoms: Atoms, symprecs: Iterable[float] = SYMPRECS) -> Plateau:
    """The space group at each of many values of symprec, and over how many decades it is the same.

    :param atoms: N atoms, Å
    :param symprecs: Å, positive
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    rising = tuple(sorted(float(value) for value in symprecs))
    groups = tuple(_type_or_none(atoms, value) for value in rising)
    runs = []
    for _, entries in groupby(zip(rising, groups, strict=True), key=lambda entry: _key(entry[1])):
        found = list(entries)
        first, group = found[0]
        if group is not None:
            runs.append(SymprecRun(group, first, found[-1][0]))
    return Plateau(rising, groups, tuple(runs))


def change(start: Atoms, end: Atoms, symprec: float) -> Change:
    """Whether a space group was kept, as Matbench Discovery counts it (``calc_geo_opt_metrics`` of
    its geometry optimisations, with what the relaxation began with in the place of the reference):
    kept if the number of the space group is the same, else lowered or raised with the number of
    operations.

    :param start: before, Å
    :param end: the same atoms after
    :param symprec: Å; one of :data:`MATBENCH_SYMPRECS` there
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    return Change(symprec, _type_or_none(start, symprec), _type_or_none(end, symprec))


def standardised(atoms: Atoms, symprec: float = 1e-2, *, primitive: bool = False) -> Atoms:
    """The conventional or the primitive cell of a crystal, with its atoms exactly where the space
    group has them, in spglib's standard orientation (a along x, b in the xy plane).

    :param atoms: periodic in all directions, Å
    :param symprec: how far atoms may be from where an operation takes others, Å
    :param primitive: the primitive cell in place of the conventional one
    :returns: no calculator; the symbol of the space group in ``info["space_group"]``
    :raises StaticsError: the structure is open in a direction, or spglib cannot read it
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    if not all(atoms.pbc):
        raise StaticsError(
            "a standardised cell is one of a crystal that is periodic in x, y and z, found pbc "
            f"{[bool(periodic) for periodic in atoms.pbc]}"
        )
    problem = reading_problem(atoms, symprec)
    if problem is not None:
        raise StaticsError(problem)
    with missing_as_sentence("the standardised cell of a structure"):
        import spglib
    crystal: Any = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.standardize_cell(
        crystal, to_primitive=primitive, no_idealize=False, symprec=symprec
    )
    if found is None:
        raise StaticsError(
            f"spglib finds a space group with symprec {symprec:g} Å, but no standardised cell: "
            "choose a smaller symprec"
        )
    cell, places, numbers = found
    ideal = Atoms(numbers, scaled_positions=places, cell=cell, pbc=True)
    ideal.info["space_group"] = space_group_type(atoms, symprec).symbol
    return ideal


def operation_residuals(
    evaluator: Evaluator, atoms: Atoms, symprec: float = 1e-5, *, stress: bool | None = None
) -> OperationResiduals:
    """Which operations of a crystal the model's forces on it do not have: what starts to break its
    symmetry in the first step of a relaxation. One evaluation.

    :param evaluator: of the forces that are asked about
    :param atoms: N atoms, Å
    :param symprec: how far atoms may be from where an operation takes others, Å
    :param stress: whether the stress is asked about, too; None: if the structure is periodic in all
        directions
    :raises md_bridge.ase.SpaceGroupError: the operations cannot be found
    :raises md_bridge.engine.EngineError: the model fails, or has no stress
    """
    group = find_space_group(atoms, symprec)
    wanted = bool(all(atoms.pbc)) if stress is None else stress
    if wanted:
        evaluator.require_stress()
    found = evaluator([atoms], stress=wanted)[0]
    turned = np.einsum("gab,nb->gna", group.rotations, found.forces)
    gaps = np.stack([found.forces[image] for image in group.permutations]) - turned
    kinds, axes = _kinds_and_axes(group)
    stresses: Array | None = None
    forbidden: Array | None = None
    traceless: Array | None = None
    if found.stress is not None:
        moved = np.einsum("gab,bc,gdc->gad", group.rotations, found.stress, group.rotations)
        stresses = np.linalg.norm(moved - found.stress, axis=(1, 2))
        forbidden = found.stress - project_tensor(group, found.stress)
        traceless = found.stress - np.trace(found.stress) / 3.0 * np.eye(3)
    return OperationResiduals(
        group=group,
        kinds=kinds,
        axes=axes,
        forces=np.sqrt(np.square(gaps).sum(axis=2).mean(axis=1)),
        stresses=stresses,
        forbidden_forces=found.forces - project_vectors(group, found.forces),
        forbidden_stress=forbidden,
        traceless_stress=traceless,
    )


_KEEP_IT = "or keep the space group (--space-group fix or project)"


def hexagonal_problem(
    atoms: Atoms, symmetrize: str, symprec: float = 1e-5, remedy: str = _KEEP_IT
) -> str | None:
    """A sentence for a trigonal or hexagonal crystal and a set of copies that lacks its 3-fold or
    6-fold axis, so that an average over the set breaks the crystal's symmetry; None if it has it,
    if the crystal is another one, or if there is no average.

    :param atoms: the crystal, Å
    :param symmetrize: name of a set or a grid
    :param symprec: how far atoms may be from where an operation takes others, Å
    :param remedy: what one can do besides taking another set, the end of the sentence
    :raises md_bridge.engine.EngineError: there is no such set
    """
    if symmetrize == "none":
        return None
    try:
        group = find_space_group(atoms, symprec)
    except SpaceGroupError:
        return None
    if not group.is_trigonal_or_hexagonal:
        return None
    rotations, weights = rotation_set(symmetrize)
    kinds, axes = _kinds_and_axes(group)
    missing = [
        place
        for place, kind in enumerate(kinds)
        if kind.lstrip("-") in ("3", "6")
        and not _is_closed_under(rotations, weights, _proper(group.rotations[place]))
    ]
    if not missing:
        return None
    order = "6" if any(kinds[place].endswith("6") for place in missing) else "3"
    place = next(place for place in missing if kinds[place].endswith(order))
    x, y, z = axes[place] + 0.0
    return (
        f"{group.symbol} has a {order}-fold axis along ({x:.3g}, {y:.3g}, {z:.3g}), and the set "
        f"{symmetrize} has none there: what it leaves of the model's dependence on the orientation "
        "breaks the symmetry of the crystal. Put c along z and take hexagonal or hexagonal:L, "
        f"{remedy}"
    )


def reading_problem(atoms: Atoms, symprec: float = 1e-5) -> str | None:
    """A sentence for a structure that spglib cannot read; None if it can.

    :param atoms: N atoms, Å
    :param symprec: how far atoms may be from where an operation takes others, Å
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """
    try:
        space_group_type(atoms, symprec)
    except SpaceGroupError as error:
        return f"{error}{_nearest_pair(atoms, symprec)}"
    return None


def _type_or_none(atoms: Atoms, symprec: float) -> SpaceGroupType | None:
    try:
        return space_group_type(atoms, symprec)
    except SpaceGroupError:
        return None


def _key(group: SpaceGroupType | None) -> tuple[int, int]:
    return (0, 0) if group is None else (group.number, group.operations)


def _nearest_pair(atoms: Atoms, symprec: float) -> str:
    """Which two atoms coincide, where some do."""
    if len(atoms) < 2 or not np.isfinite(atoms.positions).all():
        return ""
    if np.linalg.matrix_rank(atoms.cell.array[np.array(atoms.pbc)]) < sum(atoms.pbc):
        return ""
    positions = atoms.positions
    _, distances = get_distances(positions, cell=atoms.cell, pbc=atoms.pbc)
    np.fill_diagonal(distances, np.inf)
    first, second = np.unravel_index(int(distances.argmin()), distances.shape)
    shortest = distances[first, second]
    if shortest > max(10.0 * symprec, 0.5):
        return ""
    return f". Atoms {first} and {second} (counted from 0) are {shortest:.2g} Å apart"


def _kinds_and_axes(group: SpaceGroup) -> tuple[tuple[str, ...], Array]:
    kinds, axes = [], np.zeros((len(group), 3))
    for place, rotation in enumerate(group.rotations):
        sign = 1 if np.linalg.det(rotation) > 0.0 else -1
        kind = _KINDS[sign, round(float(np.trace(rotation)))]
        kinds.append(kind)
        if kind not in ("1", "-1"):
            axes[place] = _axis(_proper(rotation))
    return tuple(kinds), axes


def _proper(rotation: Array) -> Array:
    """The rotation, of a rotation times the inversion."""
    return np.linalg.det(rotation) * rotation


def _axis(rotation: Array) -> Array:
    """Of a proper rotation, a unit vector with its first component that is not zero positive.

    (R + Rᵀ) − (tr R − 1) 1 = 2 (1 − cos φ) n nᵀ for the axis n.
    """
    outer = rotation + rotation.T - (np.trace(rotation) - 1.0) * np.eye(3)
    axis = outer[:, int(np.argmax(np.diag(outer)))]
    axis = np.where(np.abs(axis) < 1e-9 * np.abs(axis).max(), 0.0, axis)
    first = axis[np.flatnonzero(axis)[0]]
    unit: Array = axis / (math.copysign(1.0, first) * np.linalg.norm(axis))
    return unit


def _is_closed_under(rotations: Array, weights: Array, operation: Array) -> bool:
    """Whether an average over a set is the same for a structure that is turned by an operation of
    its own: the set, with its weights, times the operation is the set."""
    flat = rotations.reshape(-1, 9)
    distances, places = cKDTree(flat).query((rotations @ operation).reshape(-1, 9))
    if distances.max() > _SAME_ROTATION:
        return False
    return bool(np.allclose(weights[places], weights, rtol=1e-6))
