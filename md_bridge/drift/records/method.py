"""A way to integrate the equations of motion: engine, kind of forces and time step."""

from __future__ import annotations

from dataclasses import dataclass

ENGINES = ("lammps", "i-pi", "ase", "other")
FORCES = ("conservative", "direct", "mts", "unknown")
_ENGINE_NAMES = {"lammps": "LAMMPS", "i-pi": "i-PI", "ase": "ASE", "other": "other"}


@dataclass(frozen=True)
class Method:
    """What tells one kind of run from another.

    :raises ValueError: unknown engine or forces, a multiplicity without (or missing with)
        ``forces="mts"``, or a number that is not positive
    """

    engine: str
    """``lammps``, ``i-pi`` or ``ase``; ``other`` for a trajectory of any other program."""
    forces: str
    """``conservative``, ``direct`` or ``mts``; ``unknown`` for a trajectory that was read."""
    multiplicity: int | None
    """M, inner steps in an outer step; only for ``mts``."""
    timestep_fs: float
    """Inner step (fs)."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("engine", self.engine, ENGINES),
            ("forces", self.forces, FORCES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; found {value!r}")
        if (self.forces == "mts") != (self.multiplicity is not None):
            raise ValueError(
                "a multiplicity M belongs to forces 'mts' and to no others; "
                f"found forces {self.forces!r} with M = {self.multiplicity}"
            )
        if not self.timestep_fs > 0 or (self.multiplicity or 1) < 1 or self.multiplicity == 0:
            raise ValueError(
                f"time step and M must be positive, found {self.timestep_fs} fs and "
                f"M = {self.multiplicity}"
            )

    @property
    def method(self) -> Method:
        """The method alone, to compare and group by."""
        return Method(*self.description)

    @property
    def description(self) -> tuple[str, str, int | None, float]:
        """The four fields, for the constructor of another class that has them."""
        return self.engine, self.forces, self.multiplicity, self.timestep_fs

    @property
    def outer_timestep_fs(self) -> float:
        """Time of an outer step (fs); M inner steps for ``mts``."""
        return self.timestep_fs * (self.multiplicity or 1)

    @property
    def method_label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``."""
        kind = f"MTS M={self.multiplicity}" if self.forces == "mts" else self.forces
        return f"{_ENGINE_NAMES[self.engine]} {kind}"

    @property
    def method_name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4``."""
        parts = [self.engine, self.forces]
        if self.multiplicity is not None:
            parts.append(str(self.multiplicity))
        return "-".join(parts)
