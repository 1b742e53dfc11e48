"""One structure that an optimizer of ASE moves, with forces that come from outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from md_bridge.statics.evaluator import Forces
from md_bridge.statics.relaxing.lbfgs import GuardedLBFGS
from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.relaxing.settings import RelaxSettings, free_strains

__all__ = ["LARGEST_GROWTH", "Moving", "Symmetry", "explosion"]

Array = NDArray[np.float64]

LARGEST_GROWTH = 2.0
"""Of the volume, by which it is multiplied or divided: a cell that changes more has exploded."""

_PATIENCE = 5
"""Steps of a walk on direct forces in which the energy does not fall below the lowest so far."""
_WORTH = 2.0
"""A walk goes on where direct forces are so many times as large as what they are off by."""
_SAME_ENERGY = 1e-6
"""eV for each atom: of points of a walk that are no farther apart the last one is the best."""
_OPTIMIZERS: dict[str, Callable[..., Any]] = {"fire": FIRE, "lbfgs": GuardedLBFGS, "bfgs": BFGS}


def explosion(growth: float) -> str:
    """Why a relaxation stops whose cell has grown or shrunk by so much; empty if it goes on.

    :param growth: its volume in terms of that of the start
    """
    if 1.0 / LARGEST_GROWTH < growth < LARGEST_GROWTH:
        return ""
    return (
        f"its volume is {growth:.2f} times that of the start, the cell explodes: relax it at a "
        "fixed cell first, or begin nearer to the minimum"
    )


class Symmetry(Protocol):
    """What a relaxation does to the space group of a start, see
    :func:`md_bridge.statics.constraints.make_symmetry`."""

    def prepare(self, atoms: Atoms) -> None:
        """Change the start before its first evaluation.

        :param atoms: the start, changed in place
        """

    def forces(self, atoms: Atoms, forces: Array) -> Array:
        """What is left of forces.

        :param atoms: where they act, N atoms
        :param forces: [N, 3], eV/Å
        :returns: [N, 3], eV/Å
        """

    def stress(self, atoms: Atoms, stress: Array) -> Array:
        """What is left of a stress.

        :param atoms: of the same structure
        :param stress: [3, 3], eV/Å³
        :returns: [3, 3], eV/Å³
        """

    def after_step(self, atoms: Atoms) -> None:
        """Mend the structure after a step of the optimiser.

        :param atoms: the structure after the step, changed in place
        """


@dataclass(frozen=True)
class _Point:
    """Where a structure was, in the coordinates of the optimizer, and what drives it there."""

    x: Array
    force: Array
    value: float
    """Energy plus pressure times volume, eV."""
    atoms: Atoms
    found: Forces
    largest_force: float
    """On an atom that is not held, eV/Å."""
    work: float = 0.0
    """Done on the way from the start, eV."""

    @property
    def gradient(self) -> float:
        """The largest of its forces, which fmax is about."""
        return _largest(self.force)


class Moving:
    """A structure on its way to where its forces vanish.

    :param atoms: where it begins, Å; its constraints of ASE hold
    :param settings: how it moves
    :param kind: of the forces: ``direct`` or ``conservative``
    :param walks: it moves on direct forces until they stop helping, and then on those of ``kind``
    :param symmetry: what its space group leaves of forces and stress; None: all
    :param keep_frames: whether the path is kept
    :raises md_bridge.statics.errors.StaticsError: its cell cannot be relaxed like that
    """

    def __init__(
        self,
        atoms: Atoms,
        settings: RelaxSettings,
        kind: str,
        *,
        walks: bool = False,
        symmetry: Symmetry | None = None,
        keep_frames: bool = False,
    ) -> None:
        self.start = atoms.copy()
        self.atoms = atoms.copy()
        if symmetry is not None:
            symmetry.prepare(self.atoms)
        self.kind = "direct" if walks else kind
        """Of the forces that it needs now."""
        self.final_kind = kind
        """Of those that vanish at the end."""
        self.status = ""
        """Of its end, as soon as there is one."""
        self._settings = settings
        self._symmetry = symmetry
        self._reason = ""
        self._steps = 0
        self._evaluations: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._target: Any = _target(self.atoms, settings)
        # a walk ends before it would need what FIRE is good at
        self._method = settings.optimizer_for("conservative" if walks else kind)
        self._optimizer = _OPTIMIZERS[self._method](self._target, logfile=None)
        self._difference: float | None = None
        self._lowest: _Point | None = None
        self._since_lowest = 0
        self._turning = self._below_difference = False
        self._first: _Point | None = None
        self._last: _Point | None = None
        self._best: _Point | None = None
        self._values: list[float] = []
        self._gradients: list[float] = []
        self._kinds: list[str] = []
        self._frames: list[Atoms] | None = [] if keep_frames else None

    @property
    def wants_difference(self) -> bool:
        """Whether it needs forces of its final kind, too, before it begins to walk."""
        return self.kind != self.final_kind and self._difference is None

    def count(self, kind: str, seconds: float) -> None:
        """Add an evaluation.

        :param kind: of the forces
        :param seconds: that it took
        """
        self._evaluations[kind] = self._evaluations.get(kind, 0) + 1
        self._seconds[kind] = self._seconds.get(kind, 0.0) + seconds

    def compare(self, direct: Forces, conservative: Forces) -> None:
        """Learn how far the two kinds are apart here, below which direct forces say nothing.

        :param direct: at the structure as it is
        :param conservative: the same
        """
        here, there = self._point(direct), self._point(conservative)
        self._difference = _largest(here.force - there.force)

    def take(self, found: Forces) -> None:
        """Forces at the structure as it is: whether it has arrived, and what the work was.

        :param found: of the kind that it needs now
        """
        point = self._point(found)
        if self._turning and self._walk_goes_on(point):
            return
        if self._turning:
            point = self._hand_over(point)
        elif self._last is not None:
            mean = 0.5 * (point.force + self._last.force)
            point = replace(point, work=self._last.work + float(mean @ (point.x - self._last.x)))
        self._first = self._first or point
        self._last = point
        self._values.append(point.value)
        self._gradients.append(point.gradient)
        self._kinds.append(self.kind)
        if self._frames is not None:
            frame = self.atoms.copy()
            frame.calc = self.atoms.calc
            self._frames.append(frame)
        if self.kind != self.final_kind:
            self._follow_walk(point)
            return
        if self._best is None or point.gradient < self._best.gradient:
            self._best = point
        if point.gradient < self._settings.fmax:
            self.status = "converged"
        elif self._steps >= self._settings.steps:
            self.status = "not converged"
            self._reason = (
                f"after {self._steps} steps its largest force is {self._best.gradient:.2g} eV/Å, "
                f"not below {self._settings.fmax:g} eV/Å"
            )

    def move(self) -> None:
        """One step of the optimizer; none right after a walk. A structure that explodes stops."""
        if self._turning:
            return
        self._steps += 1
        try:
            with np.errstate(all="ignore"):
                self._optimizer.step()
                if self._symmetry is not None:
                    self._symmetry.after_step(self.atoms)
            finite = np.isfinite(self.atoms.positions).all() and np.isfinite(self.atoms.cell).all()
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            self.stop(f"the optimizer cannot make a step ({error})")
            return
        if not finite:
            self.stop("its positions are not finite any more: the forces grow without bounds")
        elif self._settings.moves_cell:
            reason = explosion(self.atoms.cell.volume / self.start.cell.volume)
            if reason:
                self.stop(reason)

    def stop(self, reason: str) -> None:
        """End without a minimum.

        :param reason: in words
        """
        self.status, self._reason = "stopped", reason

    def result(self) -> Relaxation:
        """What became of it."""
        best = self._best or self._last
        values: dict[str, Any]
        if best is None or self._first is None or self._last is None:  # it failed at the start
            nothing = float("nan")
            values = {"end": self.start.copy(), "start_energy": nothing, "energy": nothing}
            values |= {"gradient": nothing, "largest_force": nothing}
        else:
            values = {
                "end": best.atoms,
                "start_energy": self._first.found.energy,
                "energy": best.found.energy,
                "gradient": best.gradient,
                "largest_force": best.largest_force,
                "stress": best.found.stress,
                "work": self._last.work,
                "change": self._last.value - self._first.value,
                "difference": math.nan if self._difference is None else self._difference,
                "rise": self._last.value - min(self._values),
            }
        return Relaxation(
            start=self.start,
            status=self.status,
            steps=self._steps,
            evaluations=dict(self._evaluations),
            seconds=dict(self._seconds),
            pressure=self._settings.pressure if self._settings.moves_cell else 0.0,
            reason=self._reason,
            energies=np.array(self._values),
            gradients=np.array(self._gradients),
            kinds=tuple(self._kinds),
            frames=tuple(self._frames or ()),
            **values,
        )

    def _point(self, found: Forces) -> _Point:
        """Forces as the optimizer sees them, with what the space group leaves of them."""
        forces, stress = found.forces, found.stress
        if self._symmetry is not None:
            forces = self._symmetry.forces(self.atoms, forces)
            if stress is not None:
                stress = self._symmetry.stress(self.atoms, stress)
        self.atoms.calc = SinglePointCalculator(
            self.atoms,
            energy=found.energy,
            free_energy=found.energy,
            forces=forces,
            stress=None if stress is None else full_3x3_to_voigt_6_stress(stress),
        )
        return _Point(
            x=self._target.get_positions().ravel().copy(),
            force=self._target.get_forces().ravel(),
            value=float(self._target.get_potential_energy(force_consistent=True)),
            atoms=self.atoms.copy(),
            found=Forces(found.energy, forces, stress),
            largest_force=_largest(self.atoms.get_forces()),
        )

    def _follow_walk(self, point: _Point) -> None:
        """End a walk that does not help any more, at the lowest point of it."""
        assert self._difference is not None
        if self._lowest is None or point.value < self._lowest.value:
            self._lowest, self._since_lowest = point, 0
        else:
            self._since_lowest += 1
        helps = point.gradient > max(self._settings.fmax, self._difference)
        # of all steps one at least is for the other kind
        if helps and self._since_lowest < _PATIENCE and self._steps < self._settings.steps - 1:
            return
        self.kind, self._turning = self.final_kind, True
        self._below_difference = self._settings.fmax < point.gradient <= self._difference
        if point.value < self._lowest.value + _SAME_ENERGY * len(self.atoms):
            self._lowest = point
        self._target.set_positions(self._lowest.x.reshape(-1, 3))

    def _walk_goes_on(self, point: _Point) -> bool:
        """Whether direct forces are good enough where they were left because of their difference
        from the others at the start: nearer to the minimum they differ by less, as a rule.

        :param point: where the walk ended, with forces of the final kind
        """
        if not self._below_difference or self._lowest is None or self._lowest is not self._last:
            return False
        self._difference = _largest(self._lowest.force - point.force)
        if self._lowest.gradient < _WORTH * self._difference:
            return False
        self._point(self._lowest.found)  # the optimizer is given these again
        self.kind, self._turning = "direct", False
        return True

    def _hand_over(self, point: _Point) -> _Point:
        """Begin anew with an optimizer that knows nothing of direct forces.

        What a quasi-Newton method has learned of the curvature on the walk does harm: direct forces
        have no symmetric second derivatives.

        :param point: the lowest of the walk, with forces of the final kind
        """
        self._turning = False
        assert self._lowest is not None
        self._optimizer = _OPTIMIZERS[self._method](self._target, logfile=None)
        return replace(point, work=self._lowest.work)


def _target(atoms: Atoms, settings: RelaxSettings) -> Any:
    """What an optimizer of ASE moves: the atoms, or they and their cell."""
    if not settings.moves_cell:
        return atoms
    free = free_strains(atoms, settings.cell)
    return FrechetCellFilter(
        atoms,
        mask=free.astype(float),
        hydrostatic_strain=settings.cell == "iso",
        scalar_pressure=settings.pressure,
    )


def _largest(vectors: Array) -> float:
    """Length of the longest."""
    return float(np.linalg.norm(vectors.reshape(-1, 3), axis=1).max())
