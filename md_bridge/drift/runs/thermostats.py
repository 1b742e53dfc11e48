"""Thermostats of LAMMPS and i-PI that a run may have."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "KINDS",
    "Thermostat",
]

KINDS = {"langevin": "Langevin", "rescaling": "velocity rescaling"}
"""Name of each thermostat, for people."""


@dataclass(frozen=True)
class Thermostat:
    """Langevin dynamics, which touches every atom, or stochastic velocity rescaling (G. Bussi, D.
    Donadio and M. Parrinello, J. Chem. Phys. 126, 014101 (2007)), which touches the sum only.

    Neither moves the centre of mass.

    :raises ValueError: an unknown kind or a number that is not positive
    """

    kind: str
    """``langevin`` or ``rescaling``."""
    temperature: float
    """K."""
    relaxation_fs: float
    """Time in which it takes a temperature (rescaling) or a velocity (Langevin) back (fs)."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"thermostat must be one of {', '.join(KINDS)}; found {self.kind!r}")
        if not (self.temperature > 0 and self.relaxation_fs > 0 and self.seed > 0):
            raise ValueError(f"temperature, relaxation time and seed must be positive: {self}")

    @property
    def label(self) -> str:
        """For people."""
        return KINDS[self.kind]

    def lammps_command(self) -> str:
        """The fix, next to ``fix nve``, in metal units."""
        kelvin = f"{self.temperature:.12g} {self.temperature:.12g}"
        relaxation = f"{self.relaxation_fs / 1000:.12g} {self.seed}"
        if self.kind == "langevin":
            return f"fix thermostat all langevin {kelvin} {relaxation} zero yes"
        return f"fix thermostat all temp/csvr {kelvin} {relaxation}"

    def ipi_mode(self) -> str:
        """The name in ``<thermostat mode="...">``."""
        return {"langevin": "langevin", "rescaling": "svr"}[self.kind]
