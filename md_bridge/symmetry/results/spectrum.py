"""How much of an output is in each sector (λ, σ) of O(3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Spectrum", "deviation_floor", "sector_floors"]

_SAFETY = 10.0
"""Sectors are shown from this many times the square that rounding is expected to leave there."""
_QUADRATURE = 1e-14
"""Nodes, weights and matrices are rounded too: relative to the size of the output."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """B_{λσ}, mean over samples: squared norms, in the unit of the output squared.

    ``spectrum[3, -1]`` is the sector λ = 3, σ = −1. σ = +1 are proper tensors (a vector is
    (1, +1)), σ = −1 pseudotensors; without inversion both are in σ = 0.

    :ivar values: [lmax + 1, sigmas]
    :ivar floors: [lmax + 1, sigmas], below which a value is rounding
    :ivar sigmas: (1, −1), or (0,)
    """

    values: np.ndarray
    floors: np.ndarray
    sigmas: tuple[int, ...]

    def __getitem__(self, sector: tuple[int, int]) -> float:
        degree, sigma = sector
        if sigma not in self.sigmas or not 0 <= degree < len(self.values):
            raise KeyError(
                f"there is no sector {sector}: λ is from 0 to {len(self.values) - 1}, and σ one of "
                f"{list(self.sigmas)}"
            )
        return float(self.values[degree, self.sigmas.index(sigma)])

    @property
    def total(self) -> float:
        """ΣB over all sectors; ⟨‖·‖²⟩ where nothing is above lmax."""
        return float(self.values.sum())

    @property
    def above_floor(self) -> dict[tuple[int, int], float]:
        """The sectors that are not rounding, by (λ, σ)."""
        return {
            (degree, sigma): float(self.values[degree, i])
            for degree in range(len(self.values))
            for i, sigma in enumerate(self.sigmas)
            if self.values[degree, i] > self.floors[degree, i]
        }

    @property
    def bandwidth(self) -> float:
        """ΣλB / ΣB, the mean angular momentum; NaN for an output that is zero."""
        degrees = np.arange(len(self.values))[:, None]
        return float((degrees * self.values).sum() / self.total) if self.total else float("nan")

    @property
    def natural_parity_share(self) -> float:
        """The share of σ = +1; NaN without inversion, and for an output that is zero."""
        if self.sigmas == (0,) or not self.total:
            return float("nan")
        return float(self.values[:, 0].sum() / self.total)


def sector_floors(
    noise: float, norm: float, squared_weights: float, lmax: int, sigmas: int
) -> np.ndarray:
    """What rounding leaves in each sector, with some safety.

    Independent noise of variance s² in each copy gives B_{λσ} = (2λ+1)² s² Σ w², with the weights
    of the whole grid. Rounding is not that independent (what is swamped is lost in every copy), so
    no floor is below s² itself.

    :param noise: s², summed over components
    :param norm: ⟨‖·‖²⟩ of the output
    :param squared_weights: Σ w²
    :param lmax: the largest λ
    :param sigmas: 2 with inversion, else 1
    :returns: [lmax + 1, sigmas], in the unit of ``noise``
    """
    sizes = (2 * np.arange(lmax + 1) + 1.0) ** 2
    column = noise * np.maximum(1.0, _SAFETY * sizes * squared_weights)
    column += sizes * _QUADRATURE**2 * norm
    return np.repeat(column[:, None], sigmas, axis=1)


def deviation_floor(noise: float, norm: float) -> float:
    """What rounding leaves of ⟨‖z‖²⟩ − ‖⟨z⟩‖², with the same safety.

    :param noise: as for :func:`sector_floors`
    :param norm: as for :func:`sector_floors`
    """
    return _SAFETY * noise + _QUADRATURE**2 * norm
