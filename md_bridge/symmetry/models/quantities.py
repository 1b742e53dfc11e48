"""What a model says of a structure, and how each of it should turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from md_bridge.engine import Engine, Evaluation, ModelError, Wanted
from md_bridge.errors import ArgumentError
from md_bridge.symmetry.measuring.laws import Law
from md_bridge.text import nearest

__all__ = ["QUANTITIES", "Quantity", "choose_quantities", "wanted_of"]

_MILLI = 1e3


@dataclass(frozen=True)
class Quantity:
    """One of the things that are measured.

    :ivar name: as users type it
    :ivar words: as sentences call it
    :ivar unit: of its numbers here
    :ivar wanted: the keyword of :meth:`md_bridge.engine.Engine.evaluate`
    :ivar law: how it should turn
    """

    name: str
    words: str
    unit: str
    wanted: str
    law: Law

    @property
    def per_atom(self) -> bool:
        """Whether there is a value for each atom."""
        return bool(self.law.per_point)

    @property
    def is_stress(self) -> bool:
        """Whether it needs a volume."""
        return self.law.rank == 2

    @property
    def is_force(self) -> bool:
        """Whether it is a force on each atom."""
        return self.law.rank == 1

    def read(self, result: Evaluation, atoms: int, volume: float) -> np.ndarray:
        """The values in :attr:`unit`.

        :param result: of an evaluation that was asked for :attr:`wanted`
        :param atoms: how many there are; the energy is that of an atom on average
        :param volume: of the cell, Å³
        """
        values = np.asarray(getattr(result, self.wanted), dtype=float)
        if self.is_stress:  # positive under tension
            return -_MILLI / volume * values
        return _MILLI * values if self.per_atom else _MILLI / atoms * values


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("energy", "energy", "meV/atom", "energy", Law(0, per_point=False)),
        Quantity(
            "atomic_energies", "energies of atoms", "meV", "atomic_energies", Law(0, per_point=True)
        ),
        *(
            Quantity(
                f"{kind}_forces",
                f"{kind} forces",
                "meV/Å",
                f"{kind}_forces",
                Law(1, per_point=True),
            )
            for kind in ("conservative", "direct")
        ),
        *(
            Quantity(
                f"{kind}_stress",
                f"{kind} stress",
                "meV/Å³",
                f"{kind}_virial",
                Law(2, per_point=False),
            )
            for kind in ("conservative", "direct")
        ),
    )
}
"""All of them, by their names."""

_TWO_KINDS = ("forces", "stress")


def wanted_of(quantities: Sequence[Quantity]) -> dict[str, bool]:
    """Keywords of :meth:`md_bridge.engine.Engine.evaluate` for these alone.

    :param quantities: what is wanted
    """
    return {"energy": False, **{quantity.wanted: True for quantity in quantities}}


def choose_quantities(
    engine: Engine, structures: Sequence[Atoms], names: Sequence[str] = ()
) -> tuple[list[Quantity], dict[str, str]]:
    """What to measure of a model on structures.

    :param engine: of the model
    :param structures: all of which must have it: without a volume there is no stress
    :param names: of :data:`QUANTITIES`; none: all that there is
    :returns: the quantities, and for those left out of all why they are
    :raises ArgumentError: about ``quantity``: no such name, or one that the model or a structure
        does not have
    """
    for name in names:
        if name not in QUANTITIES:
            raise ArgumentError(
                "quantity", f"expects some of {', '.join(QUANTITIES)}, found {name!r}{_hint(name)}"
            )
    chosen, missing = [], {}
    for name, quantity in QUANTITIES.items():
        if names and name not in names:
            continue
        reason = _why_not(engine, structures, quantity)
        if not reason:
            chosen.append(quantity)
        elif names:
            raise ArgumentError("quantity", f"{name!r} cannot be measured: {reason}; leave it out")
        else:
            missing[name] = reason
    return chosen, missing


def _hint(name: str) -> str:
    if name in _TWO_KINDS:
        return f"; did you mean 'conservative_{name}' or 'direct_{name}'?"
    near = nearest(name, QUANTITIES)
    return f"; did you mean {near!r}?" if near else ""


def _why_not(engine: Engine, structures: Sequence[Atoms], quantity: Quantity) -> str:
    """Empty where it can be measured."""
    try:
        engine.require(Wanted(**wanted_of([quantity])))
    except ModelError as error:
        return str(error)
    if quantity.is_stress:
        for place, atoms in enumerate(structures):
            if not atoms.pbc.all():
                return (
                    f"structure {place} (counted from 0) is not periodic in all directions, so "
                    "that it has no volume"
                )
    return ""
