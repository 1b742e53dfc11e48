"""Units of LAMMPS: decks are drawn in Å, eV, fs and bar."""

from dataclasses import dataclass

HARTREE = 27.211386245988  # eV
BOHR = 0.529177210903  # Å


@dataclass(frozen=True)
class Units:
    """What 1 Å, eV, fs, bar, Å/fs, u and e are in a style of units."""

    name: str
    length: float
    energy: float
    time: float
    pressure: float
    velocity: float
    mass: float = 1.0
    charge: float = 1.0

    def force(self) -> float:
        return self.energy / self.length

    def lengths(self, *values: float) -> str:
        """Numbers in the units of length, with all digits."""
        return " ".join(f"{value * self.length:.17g}" for value in values)


METAL = Units("metal", 1.0, 1.0, 1e-3, 1.0, 1e3)
REAL = Units("real", 1.0, 23.060549, 1.0, 1 / 1.01325, 1.0)
ELECTRON = Units("electron", 1 / BOHR, 1 / HARTREE, 1.0, 1e5, 1.9516)
SI = Units("si", 1e-10, 1.602176634e-19, 1e-15, 1e5, 1e5, 1.66053906660e-27, 1.602176634e-19)
