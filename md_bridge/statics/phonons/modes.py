"""What is read off the modes of a row: acoustic ones at Γ, split degeneracies, imaginary ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.dynamical_matrix import (
    as_frequencies,
    dynamical_matrices,
    hermitian,
)
from md_bridge.statics.phonons.operations import Operations, project_on_space_group

__all__ = ["Gamma", "Imaginary", "count_imaginary", "modes_at_gamma", "splitting"]

Array = NDArray[np.float64]

ACOUSTIC_LIMIT = -0.01
"""THz: acoustic modes at Γ below it are imaginary, as matbench-discovery counts them."""
ROUNDING = -1e-3
"""THz: all others below it are. Matbench says 0, and this is 0 but for rounding."""
_DEGENERATE = 1e-5
"""Eigenvalues of the symmetric matrix that differ by less of the largest one are the same."""
_RIGID = 1e-4
"""Eigenvalues below so much of the largest one are translations of the whole crystal: their
frequencies are roots of rounding."""


@dataclass(frozen=True)
class Gamma:
    """The modes of wave vector zero, THz, imaginary ones negative."""

    acoustic: tuple[float, ...]
    """The three that are most like translations of the whole crystal, ascending."""
    optical: tuple[float, ...]
    """The others."""


@dataclass(frozen=True)
class Imaginary:
    """How many modes are imaginary by the rule of matbench-discovery, and where."""

    acoustic_at_gamma: int
    """Below −0.01 THz."""
    optical_at_gamma: int
    elsewhere: int
    """Of all modes at other wave vectors that were looked at."""
    lowest: float
    """Frequency, THz; negative if imaginary."""

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.acoustic_at_gamma or self.optical_at_gamma or self.elsewhere)


def modes_at_gamma(crystal: Crystal, compact: Array) -> Gamma:
    """Acoustic and optical modes at Γ, told apart by their overlap with translations.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param compact: [n, N, 3, 3], eV/Å²
    """
    matrix = hermitian(dynamical_matrices(crystal, compact, np.zeros((1, 3))))[0]
    values, vectors = np.linalg.eigh(matrix)
    masses = crystal.primitive.get_masses()
    rigid = np.kron(np.sqrt(masses / masses.sum())[:, None], np.eye(3))
    overlap = np.sum(np.abs(rigid.T @ vectors) ** 2, axis=0)
    acoustic = np.zeros(len(values), dtype=bool)
    acoustic[np.argsort(-overlap, kind="stable")[:3]] = True
    frequencies = as_frequencies(values)
    return Gamma(
        acoustic=tuple(map(float, frequencies[acoustic])),
        optical=tuple(map(float, frequencies[~acoustic])),
    )


def splitting(crystal: Crystal, operations: Operations, compact: Array, qpoints: Array) -> float:
    """By how much modes differ that the crystal's symmetry makes degenerate, rms over pairs, THz.

    Which ones these are is known from the part of the force constants that has the symmetry. Within
    each of its degenerate subspaces U the frequencies are those of U† D U, of first order in what
    breaks the symmetry: modes that cross others are not mistaken for them.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param operations: of the crystal
    :param compact: [n, N, 3, 3], eV/Å²
    :param qpoints: [Q, 3], fractional coordinates of the primitive cell's reciprocal lattice
    :returns: NaN if nothing is degenerate
    """
    symmetric = project_on_space_group(operations, compact)
    ideal = hermitian(dynamical_matrices(crystal, symmetric, qpoints))
    broken = hermitian(dynamical_matrices(crystal, compact, qpoints))
    values, vectors = np.linalg.eigh(ideal)
    largest = float(np.abs(values).max())
    squares: list[float] = []
    for each, basis, matrix in zip(values, vectors, broken, strict=True):
        breaks = np.flatnonzero(np.diff(each) > _DEGENERATE * largest) + 1
        for members in np.split(np.arange(len(each)), breaks):
            if len(members) < 2 or np.abs(each[members]).max() < _RIGID * largest:
                continue
            space = basis[:, members]
            found = as_frequencies(np.linalg.eigvalsh(space.conj().T @ matrix @ space))
            first, second = np.triu_indices(len(members), 1)
            squares += list((found[first] - found[second]) ** 2)
    return float(np.sqrt(np.mean(squares))) if squares else float("nan")


def count_imaginary(gamma: Gamma, elsewhere: Array) -> Imaginary:
    """By the rule of matbench-discovery: acoustic modes at Γ below −0.01 THz, any other below 0.

    :param gamma: the modes at Γ
    :param elsewhere: [...], frequencies at other wave vectors, THz
    """
    return Imaginary(
        acoustic_at_gamma=sum(each < ACOUSTIC_LIMIT for each in gamma.acoustic),
        optical_at_gamma=sum(each < ROUNDING for each in gamma.optical),
        elsewhere=int((elsewhere < ROUNDING).sum()),
        lowest=float(min(elsewhere.min(initial=0.0), *gamma.acoustic, *gamma.optical)),
    )
