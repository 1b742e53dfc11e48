"""Is a spectrum converged? Three numbers that say no."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Convergence", "RandomDeviation"]

_TOLERANCE = 0.01
_ERRORS = 4.0
"""Standard errors that the mean of 32 random elements may be off.

Squares are no normal numbers, and their error is known from as few, so that false alarms are more
than the 1 in 16 000 of a normal distribution: 0.04 % for the forces on many atoms, 0.1 % for ten
independent numbers, 0.4 % for three, 1.3 % for one. The square of P_l of one axis, such as the
energy of one structure, has 0.1 % for l = 1, 1.6 % for l = 3, 1 % for l = 8. Of three numbers, A²
that is twice as large on the grid is found out in 95 % of cases, half as large in 26 %, and 0 in
all; of ten, all of these in more than 99 %."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class RandomDeviation:
    """A² from random elements of the group, which are not on the grid, about the grid's mean; NaN
    where there were none.

    :ivar value: mean over samples
    :ivar error: its standard error, by the jackknife, which for a mean is the usual one
    """

    value: float
    error: float

    @classmethod
    def from_values(cls, deviations: list[np.ndarray], samples: int) -> RandomDeviation:
        """Of outputs at the same random elements.

        :param deviations: from the mean on the grid, for each structure [K, ...], K elements
        :param samples: how many samples there are in all
        """
        count = len(deviations[0])
        if count == 0:
            return cls(float("nan"), float("nan"))
        squares = sum((each.reshape(count, -1) ** 2).sum(axis=1) for each in deviations) / samples
        return cls(float(np.mean(squares)), float(np.std(squares, ddof=1) / np.sqrt(count)))

    def agrees_with(self, on_grid: float, floor: float) -> bool:
        """Whether A² on the grid may be that of random elements: within four standard errors.

        True by chance is rare, false by chance as well, see ``_ERRORS``; also where there were no
        random elements.

        :param on_grid: A² on the grid
        :param floor: what rounding leaves of it
        """
        difference = abs(on_grid - self.value)
        return not difference > _ERRORS * self.error + floor + _ROUNDING * on_grid


@dataclass(frozen=True)
class Convergence:
    """What the guards found; shares are of A², of ⟨‖u‖²⟩ − ‖⟨u⟩‖² for an output without a law.

    :ivar captured: share of the sectors up to lmax, without (0, +1); less than 1 is content above
        lmax, more than 1 is aliasing
    :ivar highest: share of λ = lmax
    :ivar on_grid: A² on the grid
    :ivar at_random: A² at random elements
    :ivar floor: what rounding leaves of A²; below it the guards have nothing to say
    :ivar degree: of the grid
    :ivar lmax: the largest λ
    """

    captured: float
    highest: float
    on_grid: float
    at_random: RandomDeviation
    floor: float
    degree: int
    lmax: int

    @property
    def problems(self) -> list[str]:
        """A sentence for each guard that fails."""
        if max(self.on_grid, self.at_random.value) <= self.floor:
            return []
        found = []
        seen = self.on_grid > self.floor
        if seen and abs(self.captured - 1) > _TOLERANCE:
            found.append(
                f"the sectors up to λ = {self.lmax} hold {100 * self.captured:.4g} % of what "
                f"changes with the orientation, expected 100 ± {100 * _TOLERANCE:.0f} %: "
                "increase lmax"
            )
        if seen and self.lmax and self.highest > _TOLERANCE:
            found.append(
                f"λ = lmax = {self.lmax} itself holds {100 * self.highest:.3g} %, expected less "
                f"than {100 * _TOLERANCE:.0f} %: increase lmax"
            )
        if not self.at_random.agrees_with(self.on_grid, self.floor):
            found.append(
                f"A² is {self.on_grid:.4g} on the grid of degree {self.degree}, and "
                f"{self.at_random.value:.4g} ± {self.at_random.error:.2g} at random orientations: "
                "increase the degree of the grid"
            )
        return found

    @property
    def converged(self) -> bool:
        """No guard fails."""
        return not self.problems
