"""What others publish of energy conservation, from the same run.

- ml-peg and mlipaudit: the fitted drift of the total energy over 50 ps, over the standard deviation
  of the kinetic energy, is to be below 1.
- LAMBench: the slope of the energy per atom, without the first fifth of the run; no criterion.
- fairchem: the change of the smoothed energy per atom after the first tenth of the run, over the
  time; no criterion.
"""

from __future__ import annotations

import math

import numpy as np
from ase import units
from numpy.typing import NDArray

from md_bridge.drift.judging.line import fit_line
from md_bridge.drift.records.run import RunRecord

__all__ = ["ML_PEG_PS", "fairchem_drift", "kinetic_spread", "lambench_slope", "ml_peg_tolerance"]

ML_PEG_PS = 50.0
"""Length of the runs of ml-peg and mlipaudit, whose drift is compared (ps)."""
_LAMBENCH_WARM_UP = 0.2
_FAIRCHEM_WARM_UP, _FAIRCHEM_WINDOW = 0.1, 20

Array = NDArray[np.float64]


def kinetic_spread(record: RunRecord) -> float:
    """Standard deviation of the kinetic energy of a run, meV/atom.

    :param record: with temperatures of 3N − 3 degrees of freedom
    :returns: NaN of a run without samples
    """
    if len(record.temperature) == 0:
        return math.nan
    freedom = max(3 * record.atom_count - 3, 1)
    kinetic = 0.5 * freedom * units.kB * record.temperature
    return float(1e3 * np.std(kinetic) / record.atom_count)


def ml_peg_tolerance(record: RunRecord) -> float:
    """The drift at which the ratio of ml-peg and mlipaudit is 1, meV/atom/ps.

    :param record: a run at constant energy
    """
    return kinetic_spread(record) / ML_PEG_PS


def lambench_slope(record: RunRecord) -> float:
    """Absolute slope of H/N after a warm-up of a fifth of the run, meV/atom/ps.

    :param record: a run at constant energy
    :returns: NaN of a run of fewer than two samples
    """
    time, energy = _per_atom(record)
    first = int(_LAMBENCH_WARM_UP * len(time))
    if len(time) - first < 2:
        return math.nan
    return abs(fit_line(time[first:], energy[first:]).slope)


def fairchem_drift(record: RunRecord) -> float:
    """|Ē(end) − Ē(after a tenth)| over the time between, meV/atom/ps, Ē a mean of 20 samples.

    :param record: a run at constant energy
    :returns: NaN of a run of too few samples
    """
    time, energy = _per_atom(record)
    if len(time) < 2 * _FAIRCHEM_WINDOW:
        return math.nan
    window = np.ones(_FAIRCHEM_WINDOW) / _FAIRCHEM_WINDOW
    smooth = np.convolve(energy, window, mode="valid")
    middle = np.convolve(time, window, mode="valid")
    first = int(_FAIRCHEM_WARM_UP * len(smooth))
    return float(abs(smooth[-1] - smooth[first]) / (middle[-1] - middle[first]))


def _per_atom(record: RunRecord) -> tuple[Array, Array]:
    """Times, ps, and the change of H/N, meV/atom."""
    change = record.conserved_energy - record.conserved_energy[:1]
    return record.time_ps, 1e3 * change / record.atom_count
