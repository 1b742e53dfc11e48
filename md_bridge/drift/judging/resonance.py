"""How fast multiple time stepping heats at any outer step, from the power of its correction.

The kicks of an outer step Δ are the correction C = F_outer − F_inner, sampled every Δ. Where the
conserved quantity H of the outer forces would gain the work ∫ P dt of the power P = Σ_i v_i·C_i if
the correction acted all the time (which, with what the inner forces do, leaves H as it is), the
kicks do the work Δ Σ_n P(nΔ). So H changes by the error of a quadrature. Over a time t its variance
is, for a stationary P with the spectral density S(f) = ∫ <P(0) P(τ)> e^{2πifτ} dτ,

    Var(H) = t · 2 Σ_{k ≥ 1} S(k/Δ) :

what sampling folds onto frequency 0 (half of the term at the Nyquist frequency of a P that is known
at samples only, where two of them meet). That is a random walk with D = Σ_k S(k/Δ), and the mean
heating rate of a map that preserves phase-space volume is D/kT
(:mod:`md_bridge.drift.judging.heating`). There is no free parameter in it. One short run with the
outer forces at the inner step tells P, and so the heating rate of every outer step at once, with
its resonances: a vibration of frequency f and its overtone 2f in C give a P at 3f, and an outer
step of a third of the period heats.

It holds as long as H wanders slowly (the kicks hardly change the motion), so it says nothing beyond
a linear resonance, at half of the shortest period, where runs explode.

The spectral density is estimated with several orthogonal tapers (D. J. Thomson, Proc. IEEE 70, 1055
(1982)) from second differences of P, which keep its slow part, a million times larger, from leaking
into the frequencies that count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import ArrayLike, NDArray
from scipy.signal.windows import dpss

__all__ = ["HeatingForecast", "forecast_heating"]

Array = NDArray[np.float64]

BANDWIDTH = 4.0
"""Half the width of the band that a density is an average of, in 1/(length of the run)."""
TAPERS = 7
"""2 × 4 − 1: as many as leak little."""
FEWEST_SAMPLES = 64
_MEV = 1000.0


@dataclass(frozen=True)
class HeatingForecast:
    """The spectral density of the power of the correction, and what follows from it."""

    frequency: Array
    """[K], 1/ps."""
    density: Array
    """[T, K], S/(N kT) of each taper, meV/atom/ps."""

    def rate(self, outer_step_ps: float) -> float:
        """Mean heating rate with an outer step (meV/atom/ps).

        :param outer_step_ps: Δ, at least two samples long
        :raises ValueError: it is shorter
        """
        return float(self._rates(outer_step_ps).mean())

    def stderr(self, outer_step_ps: float) -> float:
        """Standard error of :meth:`rate`, from the scatter of the tapers.

        :param outer_step_ps: Δ, at least two samples long
        :raises ValueError: it is shorter
        """
        rates = self._rates(outer_step_ps)
        return float(rates.std(ddof=1) / np.sqrt(len(rates)))

    def _rates(self, outer_step_ps: float) -> Array:
        highest = float(self.frequency[-1])
        if not outer_step_ps * highest >= 1 - 1e-9:
            raise ValueError(
                f"an outer step must be at least two samples long, {1 / highest:g} ps, found "
                f"{outer_step_ps:g} ps"
            )
        multiples = np.arange(1, int(outer_step_ps * highest + 1e-9) + 1) / outer_step_ps
        weights = np.where(multiples > highest * (1 - 1e-9), 0.5, 1.0)
        return np.array(
            [weights @ np.interp(multiples, self.frequency, one) for one in self.density]
        )


def forecast_heating(
    power: ArrayLike, sample_ps: float, temperature_k: float, near: ArrayLike | None = None
) -> HeatingForecast:
    """From the power of the correction along a run with the outer forces.

    The spectral density of the sum over all atoms is that of each atom, and of each pair of atoms
    whose powers know of each other, as those of a bond do. The other pairs would add nothing but
    noise, which a short run has too much of: with 81 atoms, all pairs would leave an error of 27 %.

    :param power: ``[samples, N]``, v_i·(F_outer − F_inner)_i of each atom, eV/ps
    :param sample_ps: time between samples, best the inner step (ps)
    :param temperature_k: of the run (K)
    :param near: ``[N, N]``, true for the pairs of atoms that count, each atom with itself among
        them; None: all pairs
    :raises ValueError: fewer than 64 samples, numbers that are not finite, or no temperature
    """
    p = np.asarray(power, dtype=np.float64)
    if p.ndim != 2 or p.shape[0] < FEWEST_SAMPLES or not np.isfinite(p).all():
        raise ValueError(
            f"expected at least {FEWEST_SAMPLES} samples of the power of each atom, [samples, N], "
            f"all finite; found an array of shape {p.shape}"
        )
    if not (sample_ps > 0 and temperature_k > 0):
        raise ValueError(
            "the time between samples and the temperature must be positive, found "
            f"{sample_ps} ps and {temperature_k} K"
        )
    atoms = p.shape[1]
    pairs = np.ones((atoms, atoms)) if near is None else np.asarray(near, dtype=np.float64)
    p = np.diff(p[len(p) % 2 :], 2, axis=0)  # an even number: the last frequency is Nyquist's
    frequency = np.fft.rfftfreq(len(p), sample_ps)[1:]
    transmitted = (2 * np.sin(np.pi * frequency * sample_ps)) ** 4  # by the differences
    density = []
    for window in dpss(len(p), BANDWIDTH, TAPERS):
        waves = np.fft.rfft(window[:, None] * p, axis=0)[1:]
        density.append(np.sum(waves.conj() * (waves @ pairs), axis=1).real / transmitted)
    scale = _MEV * sample_ps / (atoms * units.kB * temperature_k)
    densities: Array = scale * np.array(density, dtype=np.float64)
    return HeatingForecast(frequency.astype(np.float64), densities)
