"""Where the two forces of multiple time stepping come from: two calculators, or the engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from numpy.typing import NDArray

from md_bridge.ase.calculator import MDBridgeCalculator, ParameterError
from md_bridge.engine import (
    FusedForces,
    open_inner,
    require_teacher_variant,
    structure_from_ase,
)
from md_bridge.model_options import ModelOptions

__all__ = ["ForceLevels", "force_levels"]

Array = NDArray[np.float64]
Inner = BaseCalculator | str | os.PathLike[str] | None


class ForceLevels(Protocol):
    """Inner and outer forces at a structure, [N, 3], eV/Å; nothing is evaluated twice."""

    def inner(self, atoms: Atoms, outer_follows: bool = False) -> Array:
        """The inner forces.

        :param atoms: where
        :param outer_follows: the outer ones will be asked for at the same positions
        """

    def outer(self, atoms: Atoms) -> Array:
        """The outer forces; afterwards the calculator of the atoms knows its results here.

        :param atoms: where
        """

    def serves(self, atoms: Atoms) -> bool:
        """Whether these are still the forces of these atoms, whose calculator may have changed.

        :param atoms: those of the dynamics
        """


class _TwoCalculators:
    """The calculator of the atoms outside, any other one inside.

    :param inner: of the inner forces
    """

    def __init__(self, inner: BaseCalculator) -> None:
        self._inner = inner

    def inner(self, atoms: Atoms, outer_follows: bool = False) -> Array:
        """See :class:`ForceLevels`."""
        return _with_potentials(atoms, np.array(self._inner.get_forces(atoms), dtype=float))

    def outer(self, atoms: Atoms) -> Array:
        """See :class:`ForceLevels`."""
        return np.array(atoms.get_forces(md=True), dtype=float)

    def serves(self, atoms: Atoms) -> bool:
        """See :class:`ForceLevels`."""
        return not _is_direct(atoms.calc)


def _opened(inner: str | os.PathLike[str], outer: Mapping[str, Any]) -> MDBridgeCalculator:
    """The cheapest forces of an inner model.

    :param outer: parameters of the outer calculator: charge and spin multiplicity are those of both
    """
    shared = ("variant", "charge", "spin_multiplicity")
    options = ModelOptions(
        inner=os.fspath(inner), **{name: outer[name] for name in shared if name in outer}
    )
    engine, kind = open_inner(options)  # which holds the model until the calculator has it
    inputs = {name: getattr(options, name) for name in engine.model.inputs}
    return MDBridgeCalculator(inner, forces=kind, **inputs)


class _OneEngine:
    """One or two models of MD Bridge, with one pair list; of one, both kinds in one forward pass.

    :param outer: of the atoms
    :param inner: of the inner forces; None: the direct forces of ``outer``
    :raises md_bridge.engine.ModelError: a model lacks its forces
    """

    def __init__(self, outer: MDBridgeCalculator, inner: MDBridgeCalculator | None) -> None:
        self._calculator, self._inner_calculator = outer, inner
        self._engine = outer.engine
        self._inner_engine = outer.engine if inner is None else inner.engine
        self._kind = "direct" if inner is None else inner.parameters["forces"]
        if inner is not None:
            require_teacher_variant(inner.engine, outer.parameters["variant"])
        self._fused = FusedForces(
            self._engine,
            outer.parameters["skin"],
            inner=self._inner_engine,
            inner_forces=self._kind,
        )

    def inner(self, atoms: Atoms, outer_follows: bool = False) -> Array:
        """See :class:`ForceLevels`."""
        evaluation = self._fused.inner([structure_from_ase(atoms)], outer_follows)[0]
        return _with_potentials(atoms, np.array(getattr(evaluation, f"{self._kind}_forces")))

    def outer(self, atoms: Atoms) -> Array:
        """See :class:`ForceLevels`."""
        evaluation = self._fused.outer([structure_from_ase(atoms)])[0]
        self._calculator.remember(atoms, evaluation)
        return _with_potentials(atoms, np.array(evaluation.conservative_forces))

    def serves(self, atoms: Atoms) -> bool:
        """See :class:`ForceLevels`."""
        inner = self._inner_calculator
        return (
            atoms.calc is self._calculator
            and self._calculator.engine is self._engine
            and (inner is None or inner.engine is self._inner_engine)
        )


def force_levels(atoms: Atoms, inner: Inner) -> ForceLevels:
    """Where the forces of these atoms come from.

    :param atoms: with a calculator, which gives the outer forces
    :param inner: of the inner forces: a calculator, the path of an exported model, or None for the
        direct forces of the atoms' own model
    :raises ParameterError: the atoms have no calculator, one whose forces are not conservative, or
        none that has both kinds of forces
    :raises md_bridge.engine.ModelError: a model lacks its forces
    """
    outer = atoms.calc
    if outer is None:
        raise ParameterError("the atoms have no calculator, which gives the outer forces: set one")
    if _is_direct(outer):
        # whatever is inside, nothing would conserve energy
        raise ParameterError(
            "the outer forces of multiple time stepping are the conservative ones, found a "
            "calculator with forces='direct': leave that out; the direct forces of its model are "
            "the inner ones"
        )
    if isinstance(inner, str | os.PathLike):
        inner = _opened(inner, outer.parameters if isinstance(outer, MDBridgeCalculator) else {})
    if isinstance(outer, MDBridgeCalculator) and (
        inner is None or isinstance(inner, MDBridgeCalculator)
    ):
        return _OneEngine(outer, inner)
    if inner is None:
        raise ParameterError(
            "multiple time stepping needs inner forces: give inner=, a calculator or an exported "
            f"model, or use MDBridgeCalculator; found a {type(outer).__name__} alone"
        )
    if not hasattr(inner, "get_forces"):
        raise ParameterError(
            f"inner must be a calculator or the path of an exported model, found {inner!r}"
        )
    return _TwoCalculators(inner)


def _is_direct(calculator: BaseCalculator) -> bool:
    """Whether the forces of a calculator are known to have no energy."""
    ours = isinstance(calculator, MDBridgeCalculator)
    return ours and calculator.parameters["forces"] != "conservative"


def _with_potentials(atoms: Atoms, forces: Array) -> Array:
    """Add what ASE adds in dynamics: constraints that are potentials (Hookean, ExternalForce)."""
    for constraint in atoms.constraints:
        if hasattr(constraint, "redistribute_forces_md"):
            constraint.redistribute_forces_md(atoms, forces)
        if hasattr(constraint, "adjust_potential_energy"):
            constraint.adjust_forces(atoms, forces)
    return forces
