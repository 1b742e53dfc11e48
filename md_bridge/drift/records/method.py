"""A way to integrate the equations of motion: host, kind of forces and time step."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "FORCES",
    "HOSTS",
    "Method",
    "host_name",
]

HOSTS = ("lammps", "i-pi", "ase", "other")
FORCES = ("conservative", "direct", "mts", "unknown")
_HOST_NAMES = {"lammps": "LAMMPS", "i-pi": "i-PI", "ase": "ASE", "other": "other"}


def host_name(host: str) -> str:
    """A host as its people write it.

    :param host: one of :data:`HOSTS`
    """
    return _HOST_NAMES[host]


@dataclass(frozen=True)
class Method:
    """What tells one kind of run from another.

    :raises ValueError: unknown host or forces, a multiplicity without (or missing with)
        ``forces="mts"``, two models without it, or a number that is not positive
    """

    host: str
    """``lammps``, ``i-pi`` or ``ase``; ``other`` for a trajectory of any other program."""
    forces: str
    """``conservative``, ``direct`` or ``mts``; ``unknown`` for a trajectory that was read."""
    multiplicity: int | None
    """M, inner steps in an outer step; only for ``mts``."""
    timestep_fs: float
    """Inner step (fs)."""
    two_models: bool = False
    """Whether the inner forces of ``mts`` come from a model of their own."""

    def __post_init__(self) -> None:
        for name, value, known in (
            ("host", self.host, HOSTS),
            ("forces", self.forces, FORCES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; found {value!r}")
        if (self.forces == "mts") != (self.multiplicity is not None):
            raise ValueError(
                "a multiplicity M belongs to forces 'mts' and to no others; "
                f"found forces {self.forces!r} with M = {self.multiplicity}"
            )
        if self.two_models and self.forces != "mts":
            raise ValueError(f"two models belong to forces 'mts', found {self.forces!r}")
        if not self.timestep_fs > 0 or (self.multiplicity or 1) < 1 or self.multiplicity == 0:
            raise ValueError(
                f"time step and M must be positive, found {self.timestep_fs} fs and "
                f"M = {self.multiplicity}"
            )

    @property
    def outer_timestep_fs(self) -> float:
        """Time of an outer step (fs); M inner steps for ``mts``."""
        return self.timestep_fs * (self.multiplicity or 1)

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``, of two models ``LAMMPS two-model M=4``."""
        kind = self.forces
        if self.forces == "mts":
            kind = f"{'two-model' if self.two_models else 'MTS'} M={self.multiplicity}"
        return f"{host_name(self.host)} {kind}"

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4``, ``lammps-two-models-4``."""
        parts = [self.host, "two-models" if self.two_models else self.forces]
        if self.multiplicity is not None:
            parts.append(str(self.multiplicity))
        return "-".join(parts)

    def replica_label(self, replica: int | None) -> str:
        """``LAMMPS MTS M=4 #2``; the number only where there are several replicas.

        :param replica: its number, from 1; None if there is only one
        """
        return self.label + (f" #{replica}" if replica is not None else "")

    def replica_name(self, replica: int | None) -> str:
        """``lammps-mts-4-replica-2``; the number only where there are several replicas.

        :param replica: its number, from 1; None if there is only one
        """
        return self.name + (f"-replica-{replica}" if replica is not None else "")
