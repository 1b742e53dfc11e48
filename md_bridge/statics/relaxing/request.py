"""What is relaxed, with which forces; and all that was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from md_bridge.errors import ArgumentError
from md_bridge.forces import CONSERVATIVE, DIRECT, FORCES
from md_bridge.model_options import ModelOptions
from md_bridge.statics.relaxing.differences import CrossedForces, Distance, FixedPoint
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.rows import Row
from md_bridge.statics.space_groups import CHANGES, Change, OperationResiduals, Plateau
from md_bridge.statics.starts import Start
from md_bridge.text import nearest

__all__ = [
    "DIRECT_THEN_CONSERVATIVE",
    "HOSTS",
    "KINDS",
    "TRAJECTORIES",
    "RelaxRequest",
    "Relaxations",
    "SymmetryChange",
]

DIRECT_THEN_CONSERVATIVE = "direct-then-conservative"
KINDS = (*FORCES, DIRECT_THEN_CONSERVATIVE)
"""Of forces that relax a structure; the last one walks on direct ones and ends on the gradient."""
HOSTS = ("ase", "lammps")
"""What moves the atoms."""
TRAJECTORIES = ("extxyz", "traj", "none")
"""In which format of ASE the path of each structure is written."""


@dataclass(frozen=True)
class RelaxRequest:
    """All starts are relaxed with all rows.

    :raises ArgumentError: something makes no sense, or does not go together
    """

    model: Path
    """Exported model, compiled or not."""
    starts: tuple[Start, ...]
    """At least one."""
    rows: tuple[Row, ...]
    """Forces of :data:`KINDS`, as :func:`md_bridge.statics.rows.make_rows` makes them."""
    settings: RelaxSettings = field(default_factory=RelaxSettings)
    symprec: tuple[float, ...] = (1e-5, 1e-2)
    """Å, at which space groups of start and end are compared; the first one also finds that which
    is kept."""
    double: bool = False
    """Convert the model to double precision."""
    host: str = "ase"
    """One of :data:`HOSTS`."""
    fixed_point: bool = False
    """Compare where direct forces vanish with what second derivatives foretell."""
    passed_over: tuple[str, ...] = ()
    """Files among the starts' that hold no structure, which is told."""
    folder: Path | None = None
    """Gets what is kept, and the trajectories; None: nothing is written."""
    trajectory: str = "extxyz"
    """One of :data:`TRAJECTORIES`."""
    model_options: ModelOptions = field(default_factory=ModelOptions)

    def __post_init__(self) -> None:
        for argument, known in (("host", HOSTS), ("trajectory", TRAJECTORIES)):
            value = getattr(self, argument)
            if value not in known:
                near = nearest(value, known)
                hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
                raise ArgumentError(argument, f"found {value!r}: {hint}")
        if not self.symprec or not all(0 < each < 1 for each in self.symprec):
            raise ArgumentError(
                "symprec",
                "must be lengths between 0 and 1 Å, found "
                f"{','.join(f'{each:g}' for each in self.symprec)}",
            )
        if self.fixed_point and self.settings.moves_cell:
            raise ArgumentError(
                "fixed_point",
                "is about atoms alone: choose the cell fixed, or leave it out; found the cell "
                f"{self.settings.cell}",
            )
        if self.fixed_point and not {DIRECT, CONSERVATIVE} <= {row.forces for row in self.rows}:
            raise ArgumentError(
                "fixed_point", "compares direct and conservative forces: ask for both"
            )

    @property
    def reference(self) -> Row:
        """The row that others are compared with: the first conservative one, if there is one."""
        return next((row for row in self.rows if row.forces == CONSERVATIVE), self.rows[0])

    def partner(self, row: Row, forces: str) -> Row | None:
        """The row of other forces with the same average, if it was asked for.

        :param row: one of them
        :param forces: of the other one
        """
        other = Row(forces, row.symmetrize)
        return other if other in self.rows else None


@dataclass(frozen=True)
class SymmetryChange:
    """The space group before and after."""

    start: Plateau
    end: Plateau
    changes: tuple[Change, ...]
    """At each symprec of the request."""


@dataclass(frozen=True)
class Relaxations:
    """All that was found; tuples have an entry for each start, in order."""

    request: RelaxRequest
    precision: str
    """Of the model as it was used."""
    noise: Mapping[Row, float]
    """Of the forces on an atom, the largest of all starts, eV/Å."""
    relaxed: Mapping[Row, tuple[Relaxation, ...]]
    symmetry: Mapping[Row, tuple[SymmetryChange, ...]]
    distances: Mapping[Row, tuple[Distance, ...]]
    """From the end of the reference row."""
    crossed: Mapping[str, tuple[CrossedForces, ...]]
    """By the average."""
    fixed_points: Mapping[str, tuple[FixedPoint | None, ...]]
    """By the average; None for what was too large, did not converge, or has atoms that are held."""
    start_residuals: Mapping[Row, OperationResiduals | None]
    """Of the first start; None if spglib cannot read it, or the model fails on it."""
    warnings: tuple[str, ...]
    """Sentences about starts and averages, and what the model fails on."""
    kept: int
    """Results that were there already."""
    made_again: int = 0
    """Results that were there, but without the path that is wanted now."""

    def seconds(self, row: Row) -> float:
        """Of all evaluations of a row.

        :param row: one of the request
        """
        return sum(sum(each.seconds.values()) for each in self.relaxed[row])

    def evaluations(self, row: Row) -> dict[str, int]:
        """Of a row, by the kind of forces.

        :param row: one of the request
        """
        total: dict[str, int] = {}
        for each in self.relaxed[row]:
            for kind, count in each.evaluations.items():
                total[kind] = total.get(kind, 0) + count
        return total

    def verdicts(self, row: Row, place: int) -> dict[str, int]:
        """How many space groups were kept, lowered, raised, …; unknown are those of structures that
        were stopped.

        :param row: one of the request
        :param place: of the symprec in the request
        """
        found = [each.changes[place].verdict for each in self.symmetry[row]]
        return {name: found.count(name) for name in CHANGES}

    def converged(self, row: Row) -> int:
        """How many structures came to rest.

        :param row: one of the request
        """
        return sum(each.converged for each in self.relaxed[row])
