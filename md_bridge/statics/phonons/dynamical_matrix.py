"""The dynamical matrix D(q) as force constants give it, Hermitian or not, and its frequencies."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from md_bridge.statics.phonons.crystal import Crystal

__all__ = [
    "THZ",
    "WAVENUMBERS",
    "as_frequencies",
    "complex_frequencies",
    "dynamical_matrices",
    "hermitian",
    "real_frequencies",
]

Array = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

THZ = math.sqrt(constants.e / constants.atomic_mass) * 1e10 / (2.0 * math.pi * 1e12)
"""The frequency whose square has the eigenvalue 1 eV/Å²/u, THz."""
WAVENUMBERS = 1e12 / (100.0 * constants.c)
"""1 THz in 1/cm."""

_LARGEST = 4_000_000
"""Phase factors that are in the memory at the same time."""


def dynamical_matrices(crystal: Crystal, compact: Array, qpoints: Array) -> ComplexArray:
    """D_{iα,jβ}(q) = Σ_k Φ_{iα,kβ} exp(2πi q·(r_k − r_i)) / √(m_i m_j), over all images k of j.

    The equation of motion is ω² e = D(q) e for displacements e exp[i(q·r − ωt)] / √m, whether Φ is
    symmetric or not. Of images of k that are equally near to i the mean is taken, as phonopy does.

    :param crystal: n atoms in the primitive cell, N in the supercell
    :param compact: [n, N, 3, 3], eV/Å²
    :param qpoints: [Q, 3], fractional coordinates of the reciprocal lattice of the primitive cell
    :returns: [Q, 3 n, 3 n], eV/Å²/u
    """
    vectors, weights = crystal.shortest
    atoms = len(crystal.primitive)
    roots = np.sqrt(crystal.primitive.get_masses())
    belongs = crystal.home[:, None] == np.arange(atoms)
    found = []
    chunk = max(1, _LARGEST // weights.size)
    for begin in range(0, len(qpoints), chunk):
        q = np.asarray(qpoints[begin : begin + chunk], dtype=float)
        phases = np.exp(2j * np.pi * np.einsum("ikmc,qc->qikm", vectors, q))
        phases = np.einsum("qikm,ikm->qik", phases, weights)
        parts = [
            np.einsum("qik,ikab->qiab", phases[:, :, belongs[:, j]], compact[:, belongs[:, j]])
            for j in range(atoms)
        ]
        blocks = np.stack(parts, axis=2) / (roots[:, None] * roots)[..., None, None]
        found.append(blocks.transpose(0, 1, 3, 2, 4).reshape(len(q), 3 * atoms, 3 * atoms))
    return np.concatenate(found) if found else np.zeros((0, 3 * atoms, 3 * atoms), complex)


def hermitian(matrices: ComplexArray) -> ComplexArray:
    """½ (D + D†), what phonopy diagonalises.

    :param matrices: [..., m, m]
    :returns: [..., m, m]
    """
    return np.asarray(0.5 * (matrices + matrices.conj().swapaxes(-1, -2)))


def as_frequencies(eigenvalues: Array) -> Array:
    """ω/2π of real ω²; that of a negative one is negative.

    :param eigenvalues: [...], eV/Å²/u
    :returns: [...], THz
    """
    return np.asarray(THZ * np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues)))


def real_frequencies(matrices: ComplexArray) -> Array:
    """Of the Hermitian part, ascending; imaginary ones are negative.

    :param matrices: [Q, m, m], eV/Å²/u
    :returns: [Q, m], THz
    """
    return as_frequencies(np.asarray(np.linalg.eigvalsh(hermitian(matrices)), dtype=float))


def complex_frequencies(matrices: ComplexArray) -> ComplexArray:
    """Of the matrices as they are, with ω² = a + ib: ω/2π with a real part that is not negative.

    A mode of this frequency exists with either sign of ω, so that one of the two grows, by
    2π |Im|.

    :param matrices: [Q, m, m], eV/Å²/u
    :returns: [Q, m], THz, in no order
    """
    return np.asarray(THZ * np.sqrt(np.linalg.eigvals(matrices).astype(complex)))
