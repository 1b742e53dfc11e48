"""Structure and dynamics of a piece of trajectory: arrays in, curves and numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

__all__ = ["Trajectory", "diffusion", "radial_distribution", "spectrum", "temperature"]

Array = NDArray[np.float64]
WAVENUMBER = 1e15 / (100 * units._c)
"""One oscillation per femtosecond, in 1/cm."""


@dataclass(frozen=True)
class Trajectory:
    """Frames of one run of N atoms, equally long apart, in a box of right angles.

    :param positions: ``[F, N, 3]`` in Å, not wrapped into the box
    :param velocities: ``[F, N, 3]`` in Å/fs
    :param masses: ``[N]`` in u
    :param symbols: ``[N]``
    :param lengths: ``[3]``, edges of the box in Å
    :param interval_fs: between two frames
    """

    positions: Array
    velocities: Array
    masses: Array
    symbols: NDArray[np.str_]
    lengths: Array
    interval_fs: float

    def blocks(self, count: int) -> list[Trajectory]:
        """So many pieces of the same length; frames that are left over at the end are not used."""
        size = len(self.positions) // count
        pieces = [slice(k * size, (k + 1) * size) for k in range(count)]
        return [
            Trajectory(
                self.positions[piece],
                self.velocities[piece],
                self.masses,
                self.symbols,
                self.lengths,
                self.interval_fs,
            )
            for piece in pieces
        ]


def radial_distribution(
    trajectory: Trajectory, first: str, second: str, width: float = 0.1, every: int = 1
) -> tuple[Array, Array]:
    """g(r) between atoms of two elements, 1 where there is no structure.

    :param first: element
    :param second: element, may be the same
    :param width: of a bin, Å
    :param every: so many frames are one apart
    :returns: middles of the bins up to half the shortest edge (Å), and g there
    """
    a = np.flatnonzero(trajectory.symbols == first)
    b = np.flatnonzero(trajectory.symbols == second)
    edges = np.arange(0.0, 0.5 * trajectory.lengths.min() + 1e-9, width)
    counts = np.zeros(len(edges) - 1)
    frames = trajectory.positions[::every]
    for frame in frames:
        vectors = frame[b][None] - frame[a][:, None]
        vectors -= trajectory.lengths * np.round(vectors / trajectory.lengths)
        distances = np.linalg.norm(vectors, axis=2)
        if first == second:
            distances = distances[~np.eye(len(a), dtype=bool)]
        counts += np.histogram(distances, edges)[0]
    pairs = len(a) * (len(b) - 1 if first == second else len(b)) * len(frames)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    expected = pairs * shells / np.prod(trajectory.lengths)
    return 0.5 * (edges[1:] + edges[:-1]), counts / expected


def spectrum(trajectory: Trajectory, element: str, resolution: float = 50.0) -> tuple[Array, Array]:
    """Vibrational density of states of an element: the power spectrum of its velocities.

    :param element: its atoms
    :param resolution: width of a bin (1/cm), or what the length of the piece allows
    :returns: middles of the bins (1/cm) up to the Nyquist frequency, and the density, area 1
    """
    velocities = trajectory.velocities[:, trajectory.symbols == element]
    window = np.hanning(len(velocities))[:, None, None]
    power = (np.abs(np.fft.rfft(window * velocities, axis=0)) ** 2).sum(axis=(1, 2))
    wavenumbers = WAVENUMBER * np.fft.rfftfreq(len(velocities), trajectory.interval_fs)
    group = max(1, round(resolution / wavenumbers[1]))
    bins = len(power) // group
    power = power[: bins * group].reshape(bins, group).mean(axis=1)
    middles = wavenumbers[: bins * group].reshape(bins, group).mean(axis=1)
    return middles, power / (power.sum() * group * wavenumbers[1])


def diffusion(trajectory: Trajectory, element: str) -> float:
    """Self-diffusion (Å²/ps), from the slope of the mean square displacement.

    The slope is taken between an eighth and a half of the piece: displacements in a short piece
    are those of its atoms' cages, so what counts is that two such numbers agree.

    :param element: its atoms
    """
    positions = trajectory.positions[:, trajectory.symbols == element]
    lags = np.unique(np.linspace(len(positions) // 8, len(positions) // 2, 12).astype(int))
    lags = lags[lags > 0]
    squares = [((positions[k:] - positions[:-k]) ** 2).sum(axis=2).mean() for k in lags]
    slope = np.polyfit(lags * trajectory.interval_fs * 1e-3, squares, 1)[0]
    return float(slope / 6.0)


def temperature(trajectory: Trajectory, element: str) -> float:
    """Kinetic temperature of an element (K), of a system whose centre of mass is at rest.

    :param element: its atoms
    """
    mine = trajectory.symbols == element
    # at rest as a whole, an atom of mass m has (1 - m/M) of the energy that it has by itself
    degrees = 3.0 * (1.0 - trajectory.masses[mine] / trajectory.masses.sum()).sum()
    speeds = (trajectory.velocities[:, mine] ** 2).sum(axis=2) / units.fs**2
    twice_kinetic = (trajectory.masses[mine] * speeds).sum(axis=1).mean()
    return float(twice_kinetic / (degrees * units.kB))
