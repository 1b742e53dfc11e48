"""Does a run conserve energy? A drift rate with its error, and a verdict.

Everything here is a pure function of numpy arrays; nothing knows which host made them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from ase import units
from numpy.typing import ArrayLike

from md_bridge.drift.judging.heating import Heating, agree, heating_rate, with_walk_error
from md_bridge.drift.judging.line import LineFit, block_means, checked_series, fit_line

__all__ = [
    "DEFAULT_TOLERANCE",
    "DriftStatistics",
    "Verdict",
    "changes_steadily",
    "drift_statistics",
    "no_statistics",
    "verdict_of",
]

DEFAULT_TOLERANCE = 0.1
"""Drift that still counts as conserved (meV/atom/ps)."""

_TREND_BLOCKS = 16
_NO_LINE = LineFit(math.nan, math.nan, math.inf, 0.0, math.nan)
# Thermal energies are at least those of this temperature (K).
_COLD = 300.0


class Verdict(str, Enum):
    """What a run says about energy conservation."""

    CONSERVES = "conserves"
    DRIFTS = "drifts"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class DriftStatistics:
    """Energy conservation of one run. Energies per atom in meV, times in ps, temperatures in K."""

    energy: LineFit
    """Line through H/N: slope in meV/atom/ps, rms in meV/atom."""
    temperature: LineFit
    """Line through T: slope in K/ps, rms in K."""
    largest_excursion: float
    """max ``|H(t) - H(0)|`` / N (meV/atom)."""
    mean_temperature: float
    """Mean kinetic temperature (K)."""
    tolerance: float
    """Drift that counts as conserved (meV/atom/ps)."""
    verdict: Verdict
    runs_away: bool = False
    """Whether it drifts in a way that is no line: steadily one way, far from its start, or to an
    end before its time."""
    heating: Heating | None = None
    """Mean heating rate from how far H wanders; None if the run was no volume-preserving map for
    certain, or is too short."""

    @property
    def heating_counts(self) -> bool:
        """Whether slope and heating rate agree, so that the verdict may rest on both."""
        return self.heating is not None and agree(self.energy, self.heating)

    @property
    def largest_drift(self) -> float:
        """Upper end of the narrower of both 95 % intervals: a run with less than the tolerance
        conserves (meV/atom/ps)."""
        by_slope = abs(self.energy.slope) + self.energy.half_width
        if self.heating is None or not self.heating_counts:
            return by_slope
        return min(by_slope, self.heating.high)

    @property
    def rests_on_heating(self) -> bool:
        """Whether the interval of the slope alone would not show that energy is conserved."""
        by_slope = abs(self.energy.slope) + self.energy.half_width
        return self.verdict is Verdict.CONSERVES and by_slope > self.tolerance


def drift_statistics(
    time_ps: ArrayLike,
    conserved_energy: ArrayLike,
    temperature: ArrayLike | None,
    atom_count: int,
    tolerance: float = DEFAULT_TOLERANCE,
    volume_preserving: bool = False,
) -> DriftStatistics:
    """Assess one run from its conserved quantity H(t) and temperature T(t) at outer steps.

    The verdict is that of :func:`verdict_of`. A run whose line says nothing, but whose H has been
    further from its start than the thermal energy of the atoms (3/2 kT at its start, at least at
    300 K), has run away: *drifts*.

    :param time_ps: shape (n,), ps.
    :param conserved_energy: H of the whole system, shape (n,), eV.
    :param temperature: shape (n,), K; None where it is not known.
    :param atom_count: number of atoms N.
    :param tolerance: largest drift of H/N that counts as conserved (meV/atom/ps).
    :param volume_preserving: whether this is NVE by velocity Verlet or multiple time stepping,
        from a start at equilibrium, and samples are evenly spaced: then how far H wanders tells
        how fast it heats, see :mod:`md_bridge.drift.judging.heating`, and the slope has at least
        the error that it has in a random walk. Needs ``temperature``.
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`, or if ``atom_count`` or
        ``tolerance`` is not positive.
    """
    if atom_count < 1:
        raise ValueError(f"atom_count must be at least 1, found {atom_count}")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be positive (meV/atom/ps), found {tolerance}")
    time, conserved = checked_series(time_ps, conserved_energy)
    # Relative to the start before scaling: H is thousands of eV, its fluctuations are
    # micro-electronvolts per atom.
    per_atom = (conserved - conserved[0]) * 1000.0 / atom_count
    energy = fit_line(time, per_atom)
    temperatures = None if temperature is None else np.asarray(temperature, dtype=float)
    mean_temperature = math.nan if temperatures is None else float(np.mean(temperatures))
    heating = None
    if volume_preserving:
        heating = heating_rate(time, per_atom, mean_temperature, atom_count)
    if heating is not None:
        length = float(time[-1] - time[0])
        energy = with_walk_error(energy, heating, length, mean_temperature, atom_count)
    excursion = float(np.max(np.abs(per_atom)))
    line_verdict = verdict_of(energy, tolerance, heating=heating)
    steady = changes_steadily(per_atom)
    far = excursion > _thermal_energy(_COLD if temperatures is None else float(temperatures[0]))
    runs_away = steady and verdict_of(energy, tolerance, steady, heating) is Verdict.DRIFTS
    runs_away |= line_verdict is Verdict.INCONCLUSIVE and far
    return DriftStatistics(
        energy=energy,
        temperature=_NO_LINE if temperatures is None else fit_line(time, temperatures),
        largest_excursion=excursion,
        mean_temperature=mean_temperature,
        tolerance=tolerance,
        verdict=Verdict.DRIFTS if runs_away else line_verdict,
        runs_away=runs_away,
        heating=heating,
    )


def no_statistics(tolerance: float) -> DriftStatistics:
    """Of a run that ended before its second sample: no numbers, and the verdict *drifts*.

    :param tolerance: largest drift that counts as conserved, meV/atom/ps
    """
    return DriftStatistics(_NO_LINE, _NO_LINE, math.nan, math.nan, tolerance, Verdict.DRIFTS, True)


def verdict_of(
    energy: LineFit, tolerance: float, monotone: bool = False, heating: Heating | None = None
) -> Verdict:
    """Turn a drift rate and its error into a verdict.

    - *conserves*: the whole 95 % interval of the slope lies within +-tolerance; or that of a
      heating rate which agrees with the slope.
    - *drifts*: the whole interval of the slope lies outside +-tolerance, and it is more than three
      standard errors from zero, or the interval of a heating rate that agrees with it lies outside
      too; or the slope exceeds the tolerance and the series changes steadily one way
      (``monotone``): a run-away is not a line, so its error about a line is meaningless.
    - *inconclusive* otherwise: run longer.

    :param energy: line through the conserved quantity, slope in meV/atom/ps
    :param tolerance: largest drift that counts as conserved, meV/atom/ps
    :param monotone: whether the series changes steadily one way, see :func:`changes_steadily`
    :param heating: of the same runs, meV/atom/ps; None if it is not known
    """
    size = abs(energy.slope)
    known = heating if heating is not None and agree(energy, heating) else None
    if size + energy.half_width <= tolerance or (known and known.high <= tolerance):
        return Verdict.CONSERVES
    if size > tolerance and monotone:
        return Verdict.DRIFTS
    heats = known is not None and known.low > tolerance and energy.slope > 0
    if size - energy.half_width > tolerance and (heats or not energy.is_zero_within_error):
        return Verdict.DRIFTS
    return Verdict.INCONCLUSIVE


def changes_steadily(values: ArrayLike) -> bool:
    """Whether sixteen consecutive block means strictly rise, or strictly fall.

    A random walk does so once in three thousand times (with eight blocks it would be once in
    thirty), independent blocks in effect never.

    :param values: shape (n,), in any unit, evenly spaced in time
    :returns: False also for a series of fewer than 32, too short to tell
    """
    y = np.asarray(values, dtype=float)
    if len(y) < 2 * _TREND_BLOCKS:
        return False
    steps = np.diff(block_means(y, _TREND_BLOCKS))
    return bool(np.all(steps > 0) or np.all(steps < 0))


def _thermal_energy(temperature: float) -> float:
    """Mean kinetic energy of an atom at this temperature, or at 300 K if that is higher (meV)."""
    return 1500.0 * units.kB * max(temperature, _COLD)
