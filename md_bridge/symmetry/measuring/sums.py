"""Sums over the copies of one structure, kept small: nothing here grows with their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from md_bridge.symmetry.group.wigner import coefficient_slices

__all__ = ["Moments", "Projected", "Projection"]


class Moments:
    """Mean and mean square of an output over the group, about its value in one frame.

    Taken about a value, both are of the size of the change, so that their difference loses nothing.

    :param reference: [S, C], the value in one frame, of S samples
    """

    def __init__(self, reference: np.ndarray) -> None:
        self.reference = reference
        self.first = np.zeros_like(reference)
        self.second = np.zeros(len(reference))

    def add(self, changes: np.ndarray, weights: np.ndarray) -> None:
        """Copies.

        :param changes: [G, S, C], the values minus the reference
        :param weights: [G], that add up to 1 in the end
        """
        self.first += np.tensordot(weights, changes, axes=1)
        self.second += np.einsum("g,gsc,gsc->s", weights, changes, changes, optimize=True)

    @property
    def mean(self) -> np.ndarray:
        """[S, C]."""
        return self.reference + self.first

    @property
    def squared_deviation(self) -> np.ndarray:
        """⟨‖z‖²⟩ − ‖⟨z⟩‖² of each sample, [S]."""
        return np.maximum(self.second - (self.first**2).sum(axis=1), 0.0)


@dataclass
class Projected:
    """Spectrum of some components of an output."""

    spectrum: np.ndarray
    """B of each sample, [S, lmax + 1, sigmas]: σ = +1, −1, or both in one without inversion."""
    left: list[np.ndarray]
    """(2λ+1) Σ_n a_mn a_m'n over components and samples, for each λ: [sigmas, 2λ+1, 2λ+1]."""


class Projection:
    """Coefficients c^±_mn = Σ_g w_g D_mn(g) z(±g) of some components of an output.

    They are fewer than the copies of a grid that resolves them; what is larger than the memory is
    done in several passes, a range of components in each.

    :param reference: [S, C] the value that is subtracted, as for :class:`Moments`
    :param components: which of the S · C components, a range of the flattened array
    :param lmax: the largest λ
    :param cosets: 2 with inversion, else 1
    """

    def __init__(self, reference: np.ndarray, components: range, lmax: int, cosets: int) -> None:
        self.reference, self.components, self.lmax = reference, components, lmax
        self.slices = coefficient_slices(lmax)
        self.sums = np.zeros((cosets, self.slices[-1].stop, len(components)))

    def add(self, changes: np.ndarray, weighted: np.ndarray) -> None:
        """Copies.

        :param changes: [cosets, G, S, C], the values minus the reference, of g and of −g
        :param weighted: [G, coefficients], matrices of g times weights of sum 1
        """
        chosen = slice(self.components.start, self.components.stop)
        for coset, values in enumerate(changes):
            self.sums[coset] += weighted.T @ values.reshape(len(values), -1)[:, chosen]

    def finish(self) -> Projected:
        """a^{λσ} = ½ [c⁺ + σ(−1)^λ c⁻], and B_{λσ} = (2λ+1) Σ_mn |a^{λσ}_mn|²."""
        samples, per_sample = self.reference.shape
        owner = np.asarray(self.components) // per_sample
        constant = self.reference.ravel()[self.components.start : self.components.stop]
        self.sums[:, 0] += constant  # what was subtracted is in λ = 0 alone
        sigmas = len(self.sums)
        spectrum = np.zeros((samples, self.lmax + 1, sigmas))
        left = []
        for degree, part in enumerate(self.slices):
            size = 2 * degree + 1
            a = self._by_parity(self.sums[:, part], degree).reshape(sigmas, size, size, -1)
            for i, norms in enumerate((a**2).sum(axis=(1, 2))):
                spectrum[:, degree, i] = size * np.bincount(owner, norms, samples)
            rows = a.reshape(sigmas, size, -1)
            left.append(size * rows @ np.swapaxes(rows, 1, 2))
        return Projected(spectrum, left)

    @staticmethod
    def _by_parity(coefficients: np.ndarray, degree: int) -> np.ndarray:
        if len(coefficients) == 1:
            return coefficients
        plus, minus = coefficients[0], (-1) ** degree * coefficients[1]
        return np.stack([plus + minus, plus - minus]) / 2
