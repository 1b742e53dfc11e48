"""How structures are relaxed: optimizer, cell, tolerance, and the settings of the literature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from md_bridge.errors import ArgumentError
from md_bridge.statics.constraints import SPACE_GROUP
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.relaxing.results import EV_PER_CUBIC_ANGSTROM_IN_GPA
from md_bridge.text import nearest

__all__ = [
    "CELLS",
    "OPTIMIZERS",
    "PRESETS",
    "RelaxSettings",
    "free_strains",
    "settings_of_preset",
]

CELLS = ("fixed", "iso", "full", "slab")
"""What of the cell is relaxed: nothing, its volume, everything, what is in the plane of a slab."""
OPTIMIZERS = ("auto", "fire", "lbfgs", "bfgs")
"""``auto``: fire for direct forces, lbfgs for conservative ones, see
:class:`md_bridge.statics.relaxing.lbfgs.GuardedLBFGS`."""

_FLAT = 1e-6
"""Å, by which the vectors of a slab may leave its plane."""


@dataclass(frozen=True)
class RelaxSettings:
    """What decides where a structure ends.

    :raises ArgumentError: an unknown name, with the nearest one, or a number out of its range
    """

    cell: str = "fixed"
    """One of :data:`CELLS`."""
    pressure_GPa: float = 0.0  # noqa: N815 (the unit's own letters)
    """Under which the cell is relaxed, positive if it compresses."""
    optimizer: str = "auto"
    """One of :data:`OPTIMIZERS`."""
    fmax: float = 1e-4
    """All forces on atoms, and on the rows of the cell, must be below, eV/Å."""
    steps: int = 500
    """After which a structure counts as not converged."""
    space_group: str = "free"
    """One of :data:`md_bridge.statics.constraints.SPACE_GROUP`."""

    def __post_init__(self) -> None:
        for argument, known in (
            ("cell", CELLS),
            ("optimizer", OPTIMIZERS),
            ("space_group", SPACE_GROUP),
        ):
            value = getattr(self, argument)
            if value not in known:
                near = nearest(value, known)
                hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
                raise ArgumentError(argument, f"found {value!r}: {hint}")
        if not 0.0 < self.fmax < np.inf:
            raise ArgumentError("fmax", f"must be a positive force (eV/Å), found {self.fmax:g}")
        if self.steps < 1:
            raise ArgumentError("steps", f"must be 1 or more, found {self.steps}")
        if not np.isfinite(self.pressure_GPa):
            raise ArgumentError("pressure_GPa", f"must be finite, found {self.pressure_GPa:g}")
        if self.pressure_GPa != 0.0 and self.cell in ("fixed", "slab"):
            raise ArgumentError(
                "pressure_GPa",
                f"has no effect on a cell that is {self.cell}: choose the cell iso or full, or "
                "leave the pressure out",
            )

    @property
    def pressure(self) -> float:
        """The same in eV/Å³."""
        return self.pressure_GPa / EV_PER_CUBIC_ANGSTROM_IN_GPA

    @property
    def moves_cell(self) -> bool:
        """Whether a stress is needed."""
        return self.cell != "fixed"

    def optimizer_for(self, forces: str) -> str:
        """Which one it is.

        :param forces: the kind that moves the atoms
        """
        if self.optimizer != "auto":
            return self.optimizer
        return "fire" if forces == "direct" else "lbfgs"


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "matbench": {"optimizer": "fire", "cell": "full", "fmax": 0.02, "steps": 500},
    "phonon": {
        "optimizer": "fire",
        "cell": "full",
        "fmax": 1e-4,
        "steps": 300,
        "space_group": "fix",
    },
    "cookbook": {"optimizer": "fire", "cell": "full", "fmax": 1e-4, "steps": 500},
}
"""Settings of the literature: relaxations of matbench-discovery, those before its phonons (with the
space group kept, found at 1e-5 Å), and those of the atomistic cookbook's example of relaxation."""


def settings_of_preset(name: str | None, given: Mapping[str, Any]) -> RelaxSettings:
    """A preset, in which what is said explicitly wins.

    :param name: of :data:`PRESETS`; None: the defaults
    :param given: fields of :class:`RelaxSettings`
    :raises ArgumentError: there is no such preset, or a value cannot be
    """
    if name is None:
        return RelaxSettings(**given)
    if name not in PRESETS:
        near = nearest(name, PRESETS)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(PRESETS)}"
        raise ArgumentError("preset", f"found {name!r}: {hint}")
    return replace(RelaxSettings(), **{**PRESETS[name], **given})


def free_strains(atoms: Atoms, cell: str) -> np.ndarray:
    """Which components of the strain are free, [3, 3], for ``full`` and ``slab``.

    :param atoms: with a cell, Å
    :param cell: one of :data:`CELLS`
    :raises StaticsError: the structure is not periodic as it has to be, or its plane is not that of
        two of x, y and z
    """
    free = np.ones((3, 3), dtype=bool)
    if cell != "slab":
        if not atoms.pbc.all():
            open_ones = ", ".join("abc"[i] for i in np.flatnonzero(~atoms.pbc))
            raise StaticsError(
                f"a cell that is open along {open_ones} cannot be relaxed as {cell}: choose the "
                "cell slab for what is in the plane of a slab, or fixed"
            )
        return free
    across = np.flatnonzero(~atoms.pbc)
    if len(across) > 1:
        raise StaticsError(
            "the cell of a slab is periodic in two directions, and this structure in "
            f"{3 - len(across)}: choose the cell fixed"
        )
    normal = int(across[0]) if len(across) else 2
    if atoms.cell.rank < 3:
        raise StaticsError(
            f"the cell vector {'abc'[normal]} of the slab is zero: give it the length of slab and "
            "vacuum, which the stress is divided by"
        )
    plane = np.delete(atoms.cell.array, normal, axis=0)
    flat = np.flatnonzero(np.abs(plane).max(axis=0) < _FLAT)
    if len(flat) != 1:
        raise StaticsError(
            "the vectors of a slab must lie in the xy, yz or xz plane, found "
            f"{np.round(plane, 4).tolist()}: turn the structure"
        )
    free[flat[0], :] = free[:, flat[0]] = False
    return free
