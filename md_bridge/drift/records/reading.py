"""What every reader returns, the options that readers share, and their errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from ase.units import kB
from numpy.typing import NDArray

from md_bridge.drift.judge.statistics import DEFAULT_TOLERANCE, DriftStatistics, drift_statistics
from md_bridge.drift.records.explosions import ending, too_hot
from md_bridge.drift.records.run import RunRecord


class ReadError(ValueError):
    """A file cannot be read as H(t); the message says what was expected, found, and what to do."""


@dataclass(frozen=True)
class ReadOptions:
    """What a file may leave open and a user can say; None: find it in the file."""

    atoms: int | None = None
    """Number of atoms."""
    column: str | None = None
    """Name of the column that holds the conserved quantity."""
    run: int | None = None
    """Which run of a file with several, from 1."""
    units: str | None = None
    """LAMMPS unit style, where the log does not say it."""
    timestep_fs: float | None = None
    """Time between two MD steps (fs)."""
    interval: int | None = None
    """MD steps between two frames of a trajectory that holds no times."""


@dataclass(frozen=True)
class EnergySeries:
    """Conserved quantity and temperature of one run, as a file of some engine holds them.

    :raises ReadError: columns of different lengths, or fewer than two samples of a run that did
        not explode
    """

    label: str
    """A short name for people, by default the name of the file."""
    source: Path
    engine: str
    """``lammps``, ``i-pi`` or ``ase``."""
    atom_count: int
    time_ps: NDArray[np.float64] = field(repr=False)
    """Shape (n,), ps, from the start of the run."""
    conserved_energy: NDArray[np.float64] = field(repr=False)
    """H of the whole system, shape (n,), eV."""
    temperature: NDArray[np.float64] = field(repr=False)
    """Kinetic temperature, shape (n,), K."""
    resolution: float = 0.0
    """Value of the last digit with which H was printed (eV); 0 for binary files."""
    timestep_fs: float | None = None
    """MD step (fs), where the file tells."""
    wall_s: float | None = None
    """Wall time of the time stepping (s), where the file tells."""
    exploded: str | None = None
    """Where the numbers stopped being finite, in words; the series ends before."""
    kinetic_energy: NDArray[np.float64] | None = field(default=None, repr=False)
    """Of the whole system, shape (n,), eV, where the file tells; for checks of the ensemble."""
    potential_energy: NDArray[np.float64] | None = field(default=None, repr=False)
    """Of the whole system, shape (n,), eV, where the file tells; for checks of the ensemble."""
    notes: tuple[str, ...] = ()
    """Sentences about what was read."""

    def __post_init__(self) -> None:
        if self.atom_count < 1:
            raise ReadError(
                f"{self.source}: expected at least one atom, found {self.atom_count}; "
                "give the number with --atoms"
            )
        count = len(self.time_ps)
        if not count == len(self.conserved_energy) == len(self.temperature):
            raise ReadError(
                f"{self.source}: expected as many times as energies and temperatures, found "
                f"{count}, {len(self.conserved_energy)} and {len(self.temperature)}"
            )
        if count < 2 and self.exploded is None:
            raise ReadError(
                f"{self.source}: expected a series of samples, found {count}; a drift needs at "
                "least two, and its error at least 32"
            )

    @property
    def length_ps(self) -> float:
        """Simulated time (ps)."""
        return float(self.time_ps[-1] - self.time_ps[0]) if len(self.time_ps) else 0.0

    def as_record(self, tolerance: float = DEFAULT_TOLERANCE) -> RunRecord:
        """The same run as the rest of the package has it, for tables, pictures and pages.

        :param tolerance: drift that is to be seen (meV/atom/ps)
        :raises ReadError: H was printed with too few digits to see a drift of ``tolerance``
        """
        check_resolution(self, tolerance)
        return RunRecord(
            engine=self.engine,
            forces="unknown",
            multiplicity=None,
            timestep_fs=self.timestep_fs or self._sample_distance_fs(),
            atom_count=self.atom_count,
            wall_s=self.wall_s or 0.0,
            time_ps=self.time_ps,
            conserved_energy=self.conserved_energy,
            temperature=self.temperature,
            source=self.label,
            exploded=self.exploded,
        )

    def _sample_distance_fs(self) -> float:
        if len(self.time_ps) < 2:
            return 1.0
        return 1000.0 * float(np.median(np.diff(self.time_ps)))

    def statistics(self, tolerance: float = DEFAULT_TOLERANCE) -> DriftStatistics:
        """Drift rate, its error and the verdict, see
        :func:`md_bridge.drift.judge.statistics.drift_statistics`.

        :param tolerance: drift of H/N that counts as conserved (meV/atom/ps)
        :raises ReadError: H was printed with too few digits to see a drift of ``tolerance``
        """
        check_resolution(self, tolerance)
        return drift_statistics(
            self.time_ps, self.conserved_energy, self.temperature, self.atom_count, tolerance
        )


def check_resolution(series: EnergySeries, tolerance: float) -> None:
    """Refuse a series in which a drift of ``tolerance`` hides behind the rounding of the print.

    Rounded numbers can look constant, and a constant would pass as perfect conservation.

    :param tolerance: meV/atom/ps
    :raises ReadError: if the last digit of H is worth more than a quarter of the drift to be seen
    """
    if series.exploded is not None:
        return  # is no constant, however it is printed
    step = 1000.0 * series.resolution / series.atom_count
    visible = tolerance * series.length_ps
    if step > 0.25 * visible:
        raise ReadError(
            f"{series.source}: the conserved quantity is printed in steps of {step:.2g} meV/atom, "
            f"but a drift of {tolerance:g} meV/atom/ps is only {visible:.2g} meV/atom in "
            f"{series.length_ps:.3g} ps. {_DIGITS_ADVICE[series.engine]}, or run longer"
        )


_DIGITS_ADVICE = {
    "lammps": "Print more digits (`thermo_modify format float %.15g`)",
    "i-pi": "Print in a unit in which the last digit is worth less",
    "ase": "Judge the trajectory file in place of the log",
}


def last_digit(tokens: Iterable[str]) -> float:
    """Value of the finest digit among printed numbers: 1e-4 for ``-81.5585`` and ``-8.15585e1``."""
    exponents = []
    for token in tokens:
        try:
            exponent = Decimal(token).as_tuple().exponent
        except InvalidOperation:
            continue
        if isinstance(exponent, int):  # a letter for NaN and infinity
            exponents.append(exponent)
    return 10.0 ** min(exponents) if exponents else 0.0


def kinetic_temperature(kinetic: NDArray[np.float64], atom_count: int) -> NDArray[np.float64]:
    """Temperature (K) of 3N - 3 degrees of freedom (3 for one atom), from kinetic energies (eV)."""
    return 2.0 * kinetic / (max(3 * atom_count - 3, 3) * kB)


def kinetic_energy(temperature: NDArray[np.float64], atom_count: int) -> NDArray[np.float64]:
    """Kinetic energy (eV) of 3N - 3 degrees of freedom: the inverse of
    :func:`kinetic_temperature`."""
    return 0.5 * max(3 * atom_count - 3, 3) * kB * temperature


def nearest(name: str, known: Sequence[str]) -> str:
    """`` (did you mean X?)`` if one of the known names is near, else nothing."""
    by_lower = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""


def sound_part(
    time: NDArray[np.float64], energy: NDArray[np.float64], temperature: NDArray[np.float64]
) -> tuple[int, str | None]:
    """Number of samples before the first that is not finite or too hot, and what that one is."""
    good = np.isfinite(time) & np.isfinite(energy) & np.isfinite(temperature)
    bad = np.flatnonzero(~good | too_hot(temperature))
    if not bad.size:
        return len(time), None
    return int(bad[0]), ending(temperature[bad[0]])


def strictly_later(time: NDArray[np.float64], source: Path, advice: str) -> None:
    """Refuse times that do not increase.

    :raises ReadError: naming the first pair and what to do
    """
    late = np.flatnonzero(np.diff(time) <= 0)
    if late.size:
        i = int(late[0])
        raise ReadError(
            f"{source}: times must increase, but sample {i + 2} is at {time[i + 1]:g} ps after "
            f"{time[i]:g} ps. {advice}"
        )
