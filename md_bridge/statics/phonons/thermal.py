"""Density of states and thermal functions on a mesh, by phonopy."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.phonons.crystal import Crystal

__all__ = ["Thermal", "thermal_functions"]

Array = NDArray[np.float64]

_CUTOFF = 1e-3
"""THz: modes below have no part in thermal functions, imaginary ones neither."""
_STEPS = 300
"""Of the density of states."""


@dataclass(frozen=True, eq=False)
class Thermal:
    """Of the harmonic crystal, for each primitive cell."""

    temperature: float
    """K."""
    free_energy: float
    """Helmholtz's, kJ/mol."""
    entropy: float
    """J/K/mol."""
    heat_capacity: float
    """At constant volume, J/K/mol."""
    qpoints: Array
    """[Q, 3], of the mesh, fractional coordinates of the primitive cell's reciprocal lattice; of an
    odd one Γ is among them."""
    frequencies: Array
    """[Q, 3 n], on the mesh, THz; imaginary ones are negative."""
    weights: Array
    """[Q], how many points of the mesh each stands for."""
    dos: tuple[Array, Array]
    """Frequencies in THz, and the density of states there, 1/THz."""

    @property
    def largest(self) -> float:
        """Frequency on the mesh, THz."""
        return float(self.frequencies.max())


def thermal_functions(
    crystal: Crystal, compact: Array, mesh: int, temperature: float, *, dos: bool = True
) -> Thermal:
    """Thermal functions of the Hermitian part of D(q), on a mesh that the symmetry does not reduce.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param compact: [n, N, 3, 3], eV/Å²
    :param mesh: wave vectors along each reciprocal vector; of an even number none is Γ
    :param temperature: K
    :param dos: whether the density of states is wanted
    """
    phonon = crystal.phonopy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        phonon.force_constants = compact
        phonon.run_mesh([mesh] * 3, is_mesh_symmetry=False)
        phonon.run_thermal_properties(temperatures=[temperature], cutoff_frequency=_CUTOFF)
    _, free, entropy, heat = phonon.thermal_properties.thermal_properties
    frequencies = np.array(phonon.mesh.frequencies)
    weights = np.array(phonon.mesh.weights, dtype=float)
    return Thermal(
        temperature=temperature,
        free_energy=float(free[0]),
        entropy=float(entropy[0]),
        heat_capacity=float(heat[0]),
        qpoints=np.array(phonon.mesh.qpoints),
        frequencies=frequencies,
        weights=weights,
        dos=_density(phonon, frequencies, weights) if dos else (np.zeros(0), np.zeros(0)),
    )


def _density(phonon: Any, frequencies: Array, weights: Array) -> tuple[Array, Array]:
    low, high = min(0.0, float(frequencies.min())), float(frequencies.max())
    margin = 0.03 * max(high - low, 1e-3)
    low, high = (low - margin if low < 0 else 0.0), high + margin
    pitch = (high - low) / _STEPS
    if np.ptp(frequencies) < pitch:  # flat bands, of which phonopy makes no range
        of_modes = np.broadcast_to(weights[:, None], frequencies.shape)
        counts, edges = np.histogram(frequencies, _STEPS, (low, high), weights=of_modes)
        return 0.5 * (edges[1:] + edges[:-1]), counts / (pitch * weights.sum())
    phonon.run_total_dos(freq_min=low, freq_max=high, freq_pitch=pitch, use_tetrahedron_method=True)
    total = phonon.total_dos
    return np.array(total.frequency_points), np.array(total.dos)
