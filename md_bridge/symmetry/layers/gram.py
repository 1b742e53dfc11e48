"""Spectra of features from inner products of copies: no coefficient of any feature is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from md_bridge.symmetry.group.characters import relative_characters
from md_bridge.symmetry.group.grids import O3Grid

__all__ = ["FeatureSums", "spectrum_of"]

_ROWS = 512
"""Of the matrix of inner products that are there at once."""


def spectrum_of(changes: np.ndarray, constant: np.ndarray, grid: O3Grid, lmax: int) -> np.ndarray:
    """B_{λσ} of some features, summed over them.

    B_{λσ} = (2λ+1) Σ_{gg'} w w' χ_{λσ}(g g'⁻¹) u(g)·u(g'), Domina et al., arXiv:2603.24638. The
    even and odd parts [u(R) ± u(−R)]/2 belong to σ(−1)^λ = ±1, so that rotations alone are paired.

    :param changes: [G, F], u − constant, in the order of ``grid.rotations``
    :param constant: [F]: taken off beforehand, so that what is large and constant swamps nothing
    :param grid: the copies
    :param lmax: the largest λ
    :returns: [lmax + 1, sigmas]: σ = +1, −1, or both in one without inversion
    """
    both = changes.reshape(grid.cosets, len(grid.proper), -1)
    parts = both
    if grid.inversion:
        parts = np.stack([both[0] + both[1], both[0] - both[1]]) / 2.0
    weighted = parts * grid.proper_weights[:, None]
    spectrum = np.zeros((lmax + 1, len(parts)))
    for begin in range(0, len(grid.proper), _ROWS):
        rows, rest = slice(begin, begin + _ROWS), slice(begin, None)
        products = [part[rows] @ part[rest].T for part in weighted]
        for product in products:  # each pair off the diagonal stands for two
            product[:, product.shape[0] :] *= 2.0
        characters = relative_characters(grid.proper[rows], grid.proper[rest], lmax)
        for degree, values in enumerate(characters):
            for parity, product in enumerate(products):
                # column 0 is σ = +1: the even part where λ is even
                column = (parity + degree) % len(parts)
                spectrum[degree, column] += (2 * degree + 1) * np.vdot(values, product)
    np.maximum(spectrum, 0.0, out=spectrum)
    mean = constant + weighted[0].sum(axis=0)
    spectrum[0, 0] = float(mean @ mean)
    return spectrum


@dataclass
class FeatureSums:
    """Sums over the samples of one layer, of all structures.

    :ivar spectrum: Σ_s B of the samples, [lmax + 1, sigmas]
    :ivar deviation: Σ_s [⟨‖u‖²⟩ − ‖⟨u⟩‖²]
    :ivar total: Σ_s u_s in each frame, about :attr:`constant`: [G, d]
    :ivar constant: Σ_s of what was taken off, [d]
    :ivar samples: how many
    """

    spectrum: np.ndarray
    deviation: float
    total: np.ndarray
    constant: np.ndarray
    samples: int = 0

    @classmethod
    def start(cls, components: int, grid: O3Grid, lmax: int) -> FeatureSums:
        """Of no samples.

        :param components: features of a sample
        :param grid: the copies
        :param lmax: the largest λ
        """
        return cls(
            np.zeros((lmax + 1, grid.cosets)),
            0.0,
            np.zeros((len(grid), components)),
            np.zeros(components),
        )

    def add(self, changes: np.ndarray, constant: np.ndarray, grid: O3Grid) -> np.ndarray:
        """More samples.

        :param changes: [G, S, d], u − constant
        :param constant: [S, d]
        :param grid: the copies
        :returns: ⟨u⟩ of these samples, [S, d]
        """
        flat = changes.reshape(len(changes), -1)
        spectrum = spectrum_of(flat, constant.ravel(), grid, len(self.spectrum) - 1)
        self.spectrum += spectrum
        first = grid.weights @ flat
        self.deviation += float(grid.weights @ (flat**2).sum(axis=1) - first @ first)
        self.total += changes.sum(axis=1)
        self.constant += constant.sum(axis=0)
        self.samples += len(constant)
        return constant + first.reshape(constant.shape)

    def mean_spectrum(self) -> np.ndarray:
        """Mean over samples of B_{λσ}."""
        return self.spectrum / self.samples

    def common(self, grid: O3Grid) -> tuple[np.ndarray, float]:
        """B_{λσ} and ⟨‖ · ‖²⟩ of what all samples have in common, ū(g) = Σ_s u_s(g) / S.

        Of u − ū both are the mean over samples minus this.

        :param grid: the copies
        """
        changes, constant = self.total / self.samples, self.constant / self.samples
        spectrum = spectrum_of(changes, constant, grid, len(self.spectrum) - 1)
        first = grid.weights @ changes
        squared = grid.weights @ (changes**2).sum(axis=1) - first @ first
        return spectrum, float(spectrum[0, 0] + squared)
