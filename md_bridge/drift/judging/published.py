"""The drift of a run as published protocols measure it, beside the measures of this package.

None of them has an error bar; each compares well with the numbers of its own protocol only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray

from md_bridge.drift.judging.line import checked_series

__all__ = [
    "DRIFT_RATIO_LIMIT",
    "RATIO_LENGTH_PS",
    "PublishedDrift",
    "drift_ratio",
    "fairchem_drift",
    "kinetic_energies",
    "lambench_drift",
    "mean_published",
    "published_drift",
]

DRIFT_RATIO_LIMIT = 1.0
"""Where ml-peg and mlipaudit draw the line."""
RATIO_LENGTH_PS = 50.0
"""Length of their runs (ps)."""

_FAIRCHEM_STEPS = 10
_FAIRCHEM_WINDOW = 20
_FAIRCHEM_WARM_UP = 0.1
_LAMBENCH_SAMPLES = 100
_LAMBENCH_WARM_UP = 0.2
_MEV = 1000.0


@dataclass(frozen=True)
class PublishedDrift:
    """One run by the formulas of others; None where it is too short for one."""

    fairchem: float | None
    """See :func:`fairchem_drift` (meV/atom/ps)."""
    lambench: float | None
    """See :func:`lambench_drift` (meV/atom/ps)."""
    ratio: float | None
    """See :func:`drift_ratio`."""


def fairchem_drift(
    time_ps: ArrayLike, conserved_energy: ArrayLike, atom_count: int
) -> float | None:
    """Ē(end) − Ē(after 10 %), its absolute value over t and per atom; Ē is a mean of 20 samples.

    As ``nvemd_reducer`` of FAIR-Chem computes it for TM23 and MD22 (eSEN, arXiv:2502.12147, and its
    successors): of the energies of every tenth step the first 10 % are left out, t is the time from
    there to the end. Of its two versions this is the later one; the earlier one left the 10 % out
    twice. (There the energies come from a log that rounds to 0.1 meV/atom; here they have all
    digits.)

    :param time_ps: one sample a step, shape (n,), ps
    :param conserved_energy: of the whole system, shape (n,), eV
    :param atom_count: number of atoms
    :returns: meV/atom/ps; None for fewer than 24 samples after thinning
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`
    """
    time, energy = checked_series(time_ps, conserved_energy)
    time, energy = time[::_FAIRCHEM_STEPS], energy[::_FAIRCHEM_STEPS]
    first = int(len(time) * _FAIRCHEM_WARM_UP)
    kept = energy[first:] - energy[first]
    if len(kept) < _FAIRCHEM_WINDOW + 2:
        return None
    sums = np.cumsum(np.concatenate([[0.0], kept]))
    # as many windows as there, which stop one sample before the end
    means = (sums[_FAIRCHEM_WINDOW:-1] - sums[: -_FAIRCHEM_WINDOW - 1]) / _FAIRCHEM_WINDOW
    return float(_MEV * abs(means[-1] - means[0]) / (time[-1] - time[first]) / atom_count)


def lambench_drift(
    time_ps: ArrayLike, conserved_energy: ArrayLike, atom_count: int
) -> float | None:
    """Slope (its absolute value) of a least-squares line through the energy after 20 % of the run.

    As LAMBench has it (``nve_simulation_single``): 100 samples over the run, those of the first
    fifth left out. Its code counts time in ASE's unit (10.18 fs) where its documentation says ps,
    so the number that it prints as eV/atom/ps is 10.18 times this one.

    :param time_ps: shape (n,), ps
    :param conserved_energy: of the whole system, shape (n,), eV
    :param atom_count: number of atoms
    :returns: meV/atom/ps; None for fewer than 10 samples
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`
    """
    time, energy = checked_series(time_ps, conserved_energy)
    if len(time) < 10:
        return None
    apart = max(1, (len(time) - 1) // _LAMBENCH_SAMPLES)
    first = int(_LAMBENCH_WARM_UP * (len(time) - 1)) // apart
    t, y = time[::apart][first:], energy[::apart][first:]
    return _MEV * abs(_slope(t, y)) / atom_count


def drift_ratio(
    time_ps: ArrayLike, conserved_energy: ArrayLike, kinetic_energy: ArrayLike
) -> float | None:
    """Fitted drift of 50 ps, its absolute value over the standard deviation of the kinetic energy.

    The measure of ml-peg's and mlipaudit's NVE benchmark, which ask for less than 1: then the drift
    of 50 ps (their length; a run of another one is extrapolated) is smaller than what the kinetic
    energy fluctuates by. It depends on the number of atoms: both grow with it, the standard
    deviation as its square root.

    :param time_ps: shape (n,), ps
    :param conserved_energy: of the whole system, shape (n,), eV
    :param kinetic_energy: of the whole system, shape (n,), eV
    :returns: without unit; None if the kinetic energy is constant
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`
    """
    time, energy = checked_series(time_ps, conserved_energy)
    _, kinetic = checked_series(time, kinetic_energy)
    spread = float(np.std(kinetic))
    if spread == 0:
        return None
    return abs(_slope(time, energy)) * RATIO_LENGTH_PS / spread


def kinetic_energies(temperature: ArrayLike, atom_count: int) -> NDArray[np.float64]:
    """Of the whole system, from its kinetic temperature: (3N − 3) kT / 2.

    :param temperature: shape (n,), K
    :param atom_count: number of atoms N, their centre of mass at rest
    :returns: shape (n,), eV
    """
    freedom = max(3 * atom_count - 3, 3)
    return 0.5 * freedom * units.kB * np.asarray(temperature, dtype=np.float64)


def published_drift(
    time_ps: ArrayLike,
    conserved_energy: ArrayLike,
    kinetic_energy: ArrayLike,
    atom_count: int,
) -> PublishedDrift:
    """One run by all of these formulas.

    :param time_ps: one sample a step, shape (n,), ps
    :param conserved_energy: of the whole system, shape (n,), eV
    :param kinetic_energy: likewise; NaN where it is not known
    :param atom_count: number of atoms
    :raises ValueError: as :func:`~md_bridge.drift.judging.line.fit_line`
    """
    known = bool(np.isfinite(kinetic_energy).all())
    return PublishedDrift(
        fairchem_drift(time_ps, conserved_energy, atom_count),
        lambench_drift(time_ps, conserved_energy, atom_count),
        drift_ratio(time_ps, conserved_energy, kinetic_energy) if known else None,
    )


def mean_published(runs: list[PublishedDrift | None]) -> PublishedDrift | None:
    """The mean over runs, as the protocols take it over theirs.

    :param runs: None for one that has no numbers: it exploded
    :returns: None where one of the runs has none, a number only where every run has it
    """
    known = [run for run in runs if run is not None]
    if not known or len(known) < len(runs):
        return None

    def mean(values: list[float | None]) -> float | None:
        found = [value for value in values if value is not None and math.isfinite(value)]
        return float(np.mean(found)) if len(found) == len(values) else None

    return PublishedDrift(
        mean([run.fairchem for run in known]),
        mean([run.lambench for run in known]),
        mean([run.ratio for run in known]),
    )


def _slope(time: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    t, y = time - time.mean(), values - values.mean()
    return float(t @ y / (t @ t))
