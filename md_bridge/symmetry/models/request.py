"""What to measure of a model, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.symmetry.group.averaging import sets_of
from md_bridge.symmetry.group.grids import O3Grid, o3_grid
from md_bridge.symmetry.layers.layer_map import LayerMap
from md_bridge.symmetry.models.averages import Average
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.results.response import Response

__all__ = ["Cost", "ElementError", "ModelSymmetry", "SymmetryRequest", "WorstAtom"]


@dataclass(frozen=True)
class SymmetryRequest:
    """What to measure, and how thoroughly.

    :raises ArgumentError: the degree does not resolve lmax, or a number makes no sense
    """

    model: Path
    """Exported model, compiled or not."""
    structures: tuple[Atoms, ...]
    """At least one."""
    places: tuple[int, ...] = ()
    """Number of each structure in its file, counted from 0; empty: 0, 1, 2, …"""
    quantities: tuple[str, ...] = ()
    """Names of :data:`md_bridge.symmetry.models.quantities.QUANTITIES`; empty: all there are."""
    lmax: int = 8
    """The largest angular momentum that is told apart."""
    degree: int | None = None
    """Of the quadrature; None: twice lmax, the least that resolves it."""
    proper: bool = False
    """Rotations only: half the evaluations, and nothing about mirror images."""
    double: bool = False
    """Convert the model to double precision."""
    atoms_per_forward: int = 0
    """As for :class:`md_bridge.engine.Engine`."""
    tolerance: float = 1.0
    """What an average may leave of a component of the forces, meV/Å."""
    orientations: int = 6
    """At which the engine makes averages, to compare with what is predicted; 0: none."""
    layers: str = ""
    """Which layers of the network to look into, as for
    :func:`md_bridge.symmetry.layers.analyse_layers`; empty: none. Up to λ = 4, on some atoms and
    pairs."""
    model_options: ModelOptions = field(default_factory=ModelOptions)

    def __post_init__(self) -> None:
        if self.lmax < 1:
            raise ArgumentError("lmax", f"must be 1 or more, found {self.lmax}")
        if self.degree is not None and self.degree < 2 * self.lmax:
            raise ArgumentError(
                "degree",
                f"must be twice lmax or more, which is {2 * self.lmax}, found {self.degree}: the "
                f"quadrature tells angular momenta up to {self.degree // 2} apart",
            )
        if self.orientations == 1 or self.orientations < 0:
            raise ArgumentError(
                "orientations", f"must be 2 or more, or 0 for none, found {self.orientations}"
            )
        if not self.tolerance > 0:
            raise ArgumentError("tolerance", f"must be positive, found {self.tolerance:g}")
        if self.model_options.symmetrize != "none":
            raise ArgumentError(
                "symmetrize",
                "has no meaning here: what averages leave is told for all sets; expected none, "
                f"found {self.model_options.symmetrize}",
            )
        if not self.places:
            object.__setattr__(self, "places", tuple(range(len(self.structures))))

    @property
    def grid(self) -> O3Grid:
        """The copies.

        :raises ArgumentError: there is no quadrature of this degree
        """
        degree = 2 * self.lmax if self.degree is None else self.degree
        return o3_grid(degree, inversion=not self.proper)


@dataclass(frozen=True)
class Cost:
    """Of all copies together, and of one by itself.

    :ivar evaluations: copies of all structures
    :ivar seconds: for all of them, with the sums over them
    :ivar one: seconds of an evaluation of one structure, the mean over structures
    """

    evaluations: int
    seconds: float
    one: float

    @property
    def multiple(self) -> float:
        """How many single evaluations take as long."""
        return self.seconds / self.one


@dataclass(frozen=True)
class ElementError:
    """The error of a component for the atoms of one element, in the unit of the quantity."""

    element: str
    atoms: int
    rms: float


@dataclass(frozen=True)
class WorstAtom:
    """The atom that the orientation matters most to.

    :ivar structure: number of its structure in the file, counted from 0
    :ivar index: in that structure, counted from 0
    :ivar element: its symbol
    :ivar rms: of a component, in the unit of the quantity
    """

    structure: int
    index: int
    element: str
    rms: float


@dataclass(frozen=True, eq=False)
class ModelSymmetry:
    """What was found.

    :ivar request: what was asked for
    :ivar quantities: those that were measured
    :ivar responses: of each, by its name, in its unit
    :ivar averages: what sets leave, predicted and measured; empty if none were made
    :ivar left_out: why a quantity is not there, by its name
    :ivar cost: of the copies
    :ivar precision: "float32" or "float64", that of the arithmetic
    :ivar layers: what the layers carry, if that was asked for
    """

    request: SymmetryRequest
    quantities: tuple[Quantity, ...]
    responses: Mapping[str, Response]
    averages: tuple[Average, ...]
    left_out: Mapping[str, str]
    cost: Cost
    precision: str
    layers: LayerMap | None = None

    @property
    def sets(self) -> tuple[str, ...]:
        """The engine's sets that the measurement says something about."""
        return sets_of(not self.request.proper)

    def left_by(self, quantity: str, copies: str) -> float:
        """What an average leaves of a component, as predicted, in the unit of the quantity.

        :param quantity: its name
        :param copies: "none", or one of :attr:`sets`
        """
        response = self.responses[quantity]
        if copies == "none":
            return response.rms
        return response.after(copies) / float(np.sqrt(response.components))

    def recommended(self) -> str | None:
        """The smallest set that leaves no more than the tolerance in forces of any kind.

        :returns: "none" if no average is needed; None if no set is enough
        :raises ArgumentError: no forces were measured
        """
        forces = [quantity.name for quantity in self.quantities if quantity.is_force]
        if not forces:
            raise ArgumentError("tolerance", "is one of forces, and none were measured")
        for copies in ("none", *self.sets):
            if all(self.left_by(name, copies) <= self.request.tolerance for name in forces):
                return copies
        return None

    def elements(self, quantity: Quantity) -> list[ElementError]:
        """The error for each element; empty for quantities of the whole structure.

        :param quantity: one of :attr:`quantities`
        """
        if not quantity.per_atom:
            return []
        response = self.responses[quantity.name]
        symbols = np.concatenate([a.get_chemical_symbols() for a in self.request.structures])
        found = []
        for element in dict.fromkeys(symbols):
            own = response.squared_deviations[symbols == element]
            rms = float(np.sqrt(own.mean() / response.components))
            found.append(ElementError(str(element), len(own), rms))
        return found

    def worst_atom(self, quantity: Quantity) -> WorstAtom | None:
        """The one with the largest error; None for quantities of the whole structure.

        :param quantity: one of :attr:`quantities`
        """
        if not quantity.per_atom:
            return None
        response = self.responses[quantity.name]
        sample = int(np.argmax(response.squared_deviations))
        ends = np.cumsum([len(atoms) for atoms in self.request.structures])
        place = int(np.searchsorted(ends, sample, side="right"))
        atoms = self.request.structures[place]
        index = sample - int(ends[place]) + len(atoms)
        rms = float(np.sqrt(response.squared_deviations[sample] / response.components))
        return WorstAtom(self.request.places[place], index, atoms.symbols[index], rms)

    def odd_share(self, quantity: Quantity) -> float:
        """The share of A² that changes sign with inversion: NaN without mirror images, or errors.

        :param quantity: one of :attr:`quantities`
        """
        values = self.responses[quantity.name].B["z"].values
        if values.shape[1] == 1:
            return float("nan")
        degrees = np.arange(len(values))
        odd = np.where(degrees % 2 == 0, values[:, 1], values[:, 0]).sum()
        changing = values.sum() - values[0, 0]
        return float(odd / changing) if changing > 0 else float("nan")
