"""What to compute of a crystal's phonons, and how finely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.model_options import ModelOptions
from md_bridge.statics.phonons.band_path import AUTO
from md_bridge.statics.phonons.crystal import multiples_for, require_crystal
from md_bridge.statics.phonons.hosts import require_host_can
from md_bridge.statics.phonons.projectors import require_corrections
from md_bridge.statics.phonons.scan import parse_scan
from md_bridge.statics.rows import Row, make_rows
from md_bridge.text import nearest

__all__ = ["HOSTS", "PhononRequest"]

HOSTS = ("phonopy", "lammps", "i-pi", "autograd")
"""Where force constants come from: finite differences of the engine, in cells of phonopy; or a
program, or derivatives of the network."""


@dataclass(frozen=True)
class PhononRequest:
    """One crystal, and what is compared on it.

    :raises ArgumentError: a number or a name that makes no sense, with what would
    :raises StaticsError: the structure is no crystal
    """

    model: Path
    """Exported model."""
    atoms: Atoms
    """The crystal, Å."""
    forces: tuple[str, ...] = ("conservative",)
    """``conservative``, ``direct``."""
    symmetrize: tuple[str, ...] = ("none",)
    """Sets of copies to average over, ``none`` among them or not."""
    corrections: tuple[str, ...] = ("raw", "symfc")
    """Of the force constants, names of :data:`md_bridge.statics.phonons.projectors.CORRECTIONS`."""
    supercell: tuple[int, ...] | None = None
    """How many times each cell vector; None: what ``length`` needs."""
    length: float = 15.0
    """Smallest distance between opposite faces of the supercell, Å."""
    displacement: float = 0.01
    """Of the finite differences, Å; forth and back."""
    fast: bool = False
    """phonopy's own displacements, the fewest that the space group allows: what breaks it is not
    seen."""
    scan: str = ""
    """Smallest and largest displacement of a scan, as in ``0.001:0.3``; empty: none."""
    path: str = AUTO
    """Of the bands: ``auto`` is seekpath's, or a file."""
    mesh: int = 20
    """Wave vectors along each reciprocal vector, for thermal functions."""
    temperature: float = 300.0
    """K."""
    symprec: float = 1e-2
    """For the space group and the path: how far atoms may be from where an operation takes others,
    Å."""
    relax: bool = False
    """Bring the atoms to rest in the given cell first, with conservative forces."""
    elastic: bool = False
    """Measure elastic constants, too."""
    host: str = "phonopy"
    """One of :data:`HOSTS`."""
    double: bool = False
    """Convert the model to double precision."""
    model_options: ModelOptions = field(default_factory=ModelOptions)

    def __post_init__(self) -> None:
        require_crystal(self.atoms)
        require_corrections(self.corrections)
        self._require_numbers()
        if self.host not in HOSTS:
            near = nearest(self.host, HOSTS)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(HOSTS)}"
            raise ArgumentError("host", f"found {self.host!r}: {hint}")
        if self.fast and self.host != "phonopy":
            raise ArgumentError(
                "fast",
                f"is a set of displacements of phonopy; {self.host} has its own: leave one out",
            )
        if self.model_options.symmetrize != "none":
            raise ArgumentError("symmetrize", "is said of the rows, not of the model's options")
        for row in self.rows():
            if self.host != "phonopy":
                require_host_can(self.host, row)
        if self.scan:
            parse_scan(self.scan)

    def _require_numbers(self) -> None:
        for name in ("length", "displacement", "symprec"):
            value = getattr(self, name)
            if not 0.0 < value < np.inf:
                raise ArgumentError(name, f"must be a positive length in Å, found {value:g}")
        if self.displacement >= 1.0:
            raise ArgumentError(
                "displacement",
                "must be far below the distance of atoms, such as 0.01 Å, found "
                f"{self.displacement:g}",
            )
        if not 0.0 <= self.temperature < np.inf:
            raise ArgumentError("temperature", f"must be 0 K or more, found {self.temperature:g}")
        if self.mesh < 1:
            raise ArgumentError("mesh", f"must be 1 or more, found {self.mesh}")
        _require_multiples(self.supercell)

    def rows(self) -> list[Row]:
        """Each kind of forces with each set.

        :raises ArgumentError: see :func:`md_bridge.statics.rows.make_rows`
        """
        return make_rows(self.forces, self.symmetrize)

    @property
    def multiples(self) -> tuple[int, int, int]:
        """Of the cell vectors in the supercell."""
        if self.supercell is None:
            return multiples_for(self.atoms, self.length)
        first, second, third = self.supercell
        return first, second, third

    @property
    def displacements(self) -> NDArray[np.float64]:
        """[S], of the scan, Å; none if there is no scan."""
        return parse_scan(self.scan) if self.scan else np.zeros(0)


def _require_multiples(supercell: Sequence[int] | None) -> None:
    if supercell is None:
        return
    if len(supercell) != 3 or any(count != int(count) or count < 1 for count in supercell):
        raise ArgumentError(
            "supercell",
            "must be three whole numbers with commas between them, how many times each cell vector "
            f"is taken, as in 2,2,2; found {','.join(f'{count:g}' for count in supercell)}",
        )
