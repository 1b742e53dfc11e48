"""What :func:`~md_bridge.symmetry.analyse` found about one output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.averaging import candidates, copies_of, remaining, sets_of
from md_bridge.symmetry.measuring.laws import Law
from md_bridge.symmetry.results.guards import Convergence
from md_bridge.symmetry.results.spectrum import Spectrum

__all__ = ["Response"]


@dataclass(frozen=True, eq=False)
class Response:
    """How an output responds to rotations and mirrors.

    Squares are sums over the components of a sample (a point, or all of them together), and means
    over samples where no sample is named; the unit is that of the output.

    :ivar law: how it should transform, or None
    :ivar components: how many numbers belong to a sample
    :ivar mean: ⟨z⟩, the average over the group, for each structure; of u without a law
    :ivar squared_deviations: A_s² = ⟨‖z‖²⟩ − ‖⟨z⟩‖² of each sample, [S]; of u without a law
    :ivar noise: variance of the rounding of each sample, summed over components, [S]
    :ivar B: spectra: "z", turned back, where there is a law, and "u", as seen in the laboratory
    :ivar sample_spectra: the same for each sample, [S, lmax + 1, sigmas]
    :ivar convergence: what the guards found
    :ivar evaluations: how many copies were evaluated, over all structures
    """

    law: Law | None
    components: int
    mean: list[np.ndarray]
    squared_deviations: np.ndarray
    noise: np.ndarray
    B: dict[str, Spectrum]
    sample_spectra: dict[str, np.ndarray]
    convergence: Convergence
    evaluations: int
    left: list[np.ndarray]
    """Products of the left index of the coefficients of z, see
    :func:`md_bridge.symmetry.group.averaging.remaining`."""

    @property
    def converged(self) -> bool:
        """Whether all guards pass; :attr:`convergence` says which do not."""
        return self.convergence.converged

    @property
    def A(self) -> float:  # noqa: N802 (the symbol of the papers)
        """The equivariance error √(Σ_s A_s² / S), of the norm of a sample.

        :raises SymmetryError: the output has no law, so that no change is an error
        """
        self._require_law("an equivariance error")
        return float(np.sqrt(self.squared_deviations.mean()))

    @property
    def rms(self) -> float:
        """The equivariance error of a component, A / √components.

        :raises SymmetryError: as :attr:`A`
        """
        return self.A / float(np.sqrt(self.components))

    @property
    def relative(self) -> float:
        """A over the rms norm of ⟨z⟩; infinite where the average vanishes.

        :raises SymmetryError: as :attr:`A`
        """
        size = self.B["z"].values[0, 0] if self.law is not None else 0.0
        return self.A / float(np.sqrt(size)) if size > 0 else float("inf")

    @property
    def floor(self) -> float:
        """Below this A is rounding."""
        return float(np.sqrt(self.convergence.floor))

    def after(self, copies: str | np.ndarray) -> float:
        """A of the average over a set of rotated copies, as far as it is in λ ≤ lmax.

        No copy of the set is evaluated. What is below :attr:`floor` is rounding.

        :param copies: a name as for ``symmetrize`` ("octahedral", "lebedev:6", …), or matrices
            [K, 3, 3] of any set
        :raises ArgumentError: there is no such set, or it has mirror images and the grid has none
        :raises SymmetryError: as :attr:`A`
        """
        self._require_law("an average over turned-back copies")
        matrices, weights = copies_of(copies)
        if not self._inversion and np.linalg.det(matrices).min() < 0:
            raise ArgumentError(
                "copies",
                "have mirror images, which a grid without inversion says nothing about: measure "
                "with o3_grid(degree, inversion=True)",
            )
        return float(np.sqrt(remaining(self.left, matrices, weights)))

    def recommend(self, tolerance: float) -> str | None:
        """The smallest of the engine's sets that leaves no more than a tolerance in a component:
        of the groups that serve any structure, and of grids of degrees below lmax.

        :param tolerance: largest :attr:`rms` to be left, in the unit of the output
        :returns: its name, "none" if no average is needed, None if no set is enough
        :raises ArgumentError: the tolerance is not positive
        :raises SymmetryError: as :attr:`A`
        """
        if not tolerance > 0:
            raise ArgumentError("tolerance", f"must be positive, found {tolerance}")
        if self.rms <= tolerance:
            return "none"
        root = np.sqrt(self.components)
        names = candidates(len(self.left) - 1, self._inversion)
        return next((name for name in names if self.after(name) / root <= tolerance), None)

    def summary(self) -> str:
        """A table of √B of all sectors above the rounding, and what the sets will leave."""
        lines = []
        if self.law is not None:
            lines.append(f"A {_shown(self.A, self.floor)} (rounding: {self.floor:.1e})")
        for frame, spectrum in self.B.items():
            for (degree, sigma), value in spectrum.above_floor.items():
                sign = {1: "+", -1: "−", 0: "±"}[sigma]
                lines.append(f"{frame} ({degree},{sign}) {np.sqrt(value):.4g}")
        if self.law is not None:
            for name in sets_of(self._inversion):
                lines.append(f"{name} leaves {_shown(self.after(name), self.floor)}")
        return "\n".join(lines + self.convergence.problems)

    @property
    def _inversion(self) -> bool:
        """Whether there were mirror images."""
        return self.B["z"].sigmas != (0,)

    def _require_law(self, what: str) -> None:
        if self.law is None:
            raise SymmetryError(
                f"{what} needs a law: without one only the spectrum B['u'] is defined"
            )


def _shown(value: float, floor: float) -> str:
    return f"{value:.4g}" if value > floor else f"< {floor:.1e}"
