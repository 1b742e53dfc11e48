"""One molecular-dynamics run as numbers: what was run, H(t), T(t), its cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from md_bridge.drift.judging.verdict import (
    DEFAULT_TOLERANCE,
    DriftStatistics,
    Verdict,
    drift_statistics,
    no_statistics,
)
from md_bridge.drift.records.errors import ReadError
from md_bridge.drift.records.method import Method
from md_bridge.forces import ForceAgreement

__all__ = [
    "SERIES",
    "RunRecord",
    "check_resolution",
    "file_name",
]

SERIES = ("time_ps", "conserved_energy", "temperature")
"""Names of the series that every run has."""
_OPTIONAL_SERIES = ("kinetic_energy", "potential_energy")


@dataclass(frozen=True)
class RunRecord:
    """One run, made here or read from a file, sampled at outer steps.

    :raises ValueError: series of different lengths, no atoms, or fewer than two samples of a run
        that did not explode
    """

    method: Method
    """Of a run that was read, only the host is known for certain."""
    atom_count: int
    wall_s: float
    """Wall time of the time stepping, set-up left out (s); 0 if it is not known."""
    time_ps: NDArray[np.float64] = field(repr=False)
    """Shape (n,), ps, from the start of the run."""
    conserved_energy: NDArray[np.float64] = field(repr=False)
    """Kinetic + conservative potential energy of the whole system, shape (n,), eV."""
    temperature: NDArray[np.float64] = field(repr=False)
    """Kinetic temperature, shape (n,), K."""
    element_temperatures: Mapping[str, NDArray[np.float64]] = field(
        default_factory=dict, repr=False
    )
    """Kinetic temperature of each element, shape (n,), K; may be empty."""
    replica: int | None = None
    """Number of the start, from 1, among independent ones."""
    seed: int | None = None
    """Of the thermostat that made the start."""
    source: str | None = None
    """File that the run was read from, if this package did not run it."""
    exploded: str | None = None
    """Why the run ended before its time: the host's words, with the step."""
    kinetic_energy: NDArray[np.float64] | None = field(default=None, repr=False)
    """Of the whole system, shape (n,), eV, where known; for checks of the ensemble."""
    potential_energy: NDArray[np.float64] | None = field(default=None, repr=False)
    """Of the whole system, shape (n,), eV, where known; for checks of the ensemble."""
    resolution: float = 0.0
    """Value of the last digit with which H was printed (eV); 0 if it was not printed."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the programs that made the run, by name; empty where they are not known."""
    agreement: ForceAgreement | None = None
    """How far inner and conservative forces were apart at the first outer step; None without
    multiple time stepping, or where it is not known."""
    notes: tuple[str, ...] = ()
    """Sentences about what was read."""

    def __post_init__(self) -> None:
        if self.atom_count < 1:
            raise ValueError(f"{self.label}: expected at least one atom, found {self.atom_count}")
        lengths = {name: len(getattr(self, name)) for name in SERIES}
        lengths |= {f"temperature of {el}": len(t) for el, t in self.element_temperatures.items()}
        lengths |= {
            name: len(getattr(self, name))
            for name in _OPTIONAL_SERIES
            if getattr(self, name) is not None
        }
        fewest = 2 if self.exploded is None else 0
        if len(set(lengths.values())) != 1 or lengths["time_ps"] < fewest:
            found = ", ".join(f"{name}: {n}" for name, n in lengths.items())
            raise ValueError(
                f"{self.label}: expected at least two samples and as many of each; found {found}"
            )

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4-replica-2``."""
        if self.source is not None:
            return file_name(self.source)
        return self.method.replica_name(self.replica)

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``, ``LAMMPS MTS M=4 #2``."""
        return self.source if self.source is not None else self.method.replica_label(self.replica)

    @property
    def length_ps(self) -> float:
        """Simulated time (ps)."""
        return float(self.time_ps[-1] - self.time_ps[0]) if len(self.time_ps) else 0.0

    @property
    def wall_s_per_ps(self) -> float:
        """Cost of a picosecond (s/ps); NaN where that was not measured."""
        return self.wall_s / self.length_ps if self.wall_s > 0 and self.length_ps else float("nan")

    def statistics(self, tolerance: float = DEFAULT_TOLERANCE) -> DriftStatistics:
        """Drift rate, its error and the verdict; of an exploded run, those of what came before and
        the verdict *drifts*. See :func:`md_bridge.drift.judging.verdict.drift_statistics`.

        :param tolerance: drift of H/N that counts as conserved (meV/atom/ps)
        :raises ReadError: H was printed with too few digits to see a drift of ``tolerance``
        """
        check_resolution(self, tolerance)
        if len(self.time_ps) < 2:  # it exploded at once
            return no_statistics(tolerance)
        found = drift_statistics(
            self.time_ps,
            self.conserved_energy,
            self.temperature,
            self.atom_count,
            tolerance,
            # of a run that this package made it is known; its samples are evenly spaced
            volume_preserving=self.method.forces != "unknown" and self.exploded is None,
        )
        return replace(found, verdict=Verdict.DRIFTS) if self.exploded else found


def file_name(source: str) -> str:
    """A short name that is safe as a file name, of a file with some of its folders.

    :param source: for people; two of them may share a name: ``a/log`` and ``a-log``
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")


_DIGITS_ADVICE = {
    "lammps": "Print more digits (`thermo_modify format float %.15g`)",
    "i-pi": "i-PI prints nine digits in any unit: take a constant off the energy (<offset> of the "
    "forcefield), run in LAMMPS",
    "ase": "Judge the trajectory file in place of the log",
}


def check_resolution(record: RunRecord, tolerance: float) -> None:
    """Refuse a run in which a drift of ``tolerance`` hides behind the rounding of the print.

    Rounded numbers can look constant, and a constant would pass as perfect conservation.

    :param record: the run; one that exploded is not refused
    :param tolerance: meV/atom/ps
    :raises ReadError: if the last digit of H is worth more than a quarter of the drift to be seen
    """
    if record.exploded is not None:
        return  # is no constant, however it is printed
    step = 1000.0 * record.resolution / record.atom_count
    visible = tolerance * record.length_ps
    if step > 0.25 * visible:
        advice = _DIGITS_ADVICE.get(record.method.host, "Print more digits")
        raise ReadError(
            f"{record.label}: the conserved quantity is printed in steps of {step:.2g} meV/atom, "
            f"but a drift of {tolerance:g} meV/atom/ps is only {visible:.2g} meV/atom in "
            f"{record.length_ps:.3g} ps. {advice}, or run longer"
        )
