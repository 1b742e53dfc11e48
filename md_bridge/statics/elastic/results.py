"""Elastic constants that were measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.elastic.settings import ElasticRequest
from md_bridge.statics.elastic.tensors import (
    Averages,
    averages,
    eigenvalues,
    norm,
    second_derivatives,
)
from md_bridge.text import finite_or_none

__all__ = ["Elasticity", "Stiffness"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stiffness:
    """The coefficients B_IJ = ∂σ_I/∂e_J of Cauchy's stress and the symmetric strain, GPa, [6, 6],
    in Voigt's order xx, yy, zz, yz, xz, xy.

    Without stress these are the elastic constants; under stress they are Birch's coefficients,
    which decide over stability and the speed of sound:
    see :func:`md_bridge.statics.elastic.tensors.second_derivatives`.
    """

    raw: Array
    """As fitted, column by column."""
    error: Array
    """Standard errors of the fit."""
    projected: Array
    """The symmetric part of what all rotations of the crystal leave as it is."""
    stress: Array
    """Of the crystal without strain, [3, 3], GPa, positive under tension."""

    @property
    def removed(self) -> float:
        """Norm of what the projection took off, in terms of all."""
        whole = norm(self.raw)
        return norm(self.raw - self.projected) / whole if whole > 0.0 else 0.0

    @property
    def asymmetry(self) -> float:
        """‖B − Bᵀ‖ / (2 ‖B‖): zero for forces with a potential, in a crystal without stress or
        under a pressure."""
        whole = norm(self.raw)
        return norm(self.raw - self.raw.T) / (2.0 * whole) if whole > 0.0 else 0.0

    @property
    def second_derivatives(self) -> Array:
        """C_IJ of the energy by Lagrange's strain, of the projected coefficients, GPa, [6, 6]."""
        return second_derivatives(self.projected, self.stress)

    @property
    def averages(self) -> Averages:
        """Moduli of a polycrystal, GPa."""
        return averages(self.projected)

    @property
    def eigenvalues(self) -> Array:
        """Of the projected coefficients, GPa, [6], ascending."""
        return eigenvalues(self.projected)

    @property
    def stable(self) -> bool:
        """Whether any small strain costs energy (M. Born, Math. Proc. Camb. Philos. Soc. 36, 160
        (1940)): all eigenvalues are positive."""
        return bool(self.eigenvalues[0] > 0.0)

    def summary(self) -> dict[str, Any]:
        """Ready for JSON, GPa."""
        moduli = self.averages
        return {
            "raw": self.raw.tolist(),
            "error": self.error.tolist(),
            "projected": self.projected.tolist(),
            "second_derivatives": self.second_derivatives.tolist(),
            "removed": self.removed,
            "asymmetry": self.asymmetry,
            "bulk": {
                "voigt": moduli.bulk_voigt,
                "reuss": finite_or_none(moduli.bulk_reuss),
                "hill": finite_or_none(moduli.bulk),
            },
            "shear": {
                "voigt": moduli.shear_voigt,
                "reuss": finite_or_none(moduli.shear_reuss),
                "hill": finite_or_none(moduli.shear),
            },
            "eigenvalues": self.eigenvalues.tolist(),
            "stable": self.stable,
        }


@dataclass(frozen=True)
class Elasticity:
    """Elastic constants of one crystal with the forces of one row."""

    label: str
    """Of the row."""
    request: ElasticRequest
    space_group: str
    """Of the crystal, found with the request's ``symprec``."""
    clamped: Stiffness
    """Atoms follow the strain as it is."""
    relaxed: Stiffness | None
    """Atoms are at rest in each strained cell; None if they were not relaxed."""
    unconverged: tuple[str, ...]
    """Of the relaxations that did not converge, a reason each."""
    evaluations: int
    """Structures that were evaluated."""
    set_sentence: str = ""
    """What the set of copies lacks of the crystal's axes; empty if nothing."""

    @property
    def best(self) -> Stiffness:
        """Those that an experiment measures: of relaxed atoms, where they were relaxed."""
        return self.relaxed or self.clamped

    @property
    def pressure(self) -> float:
        """Of the crystal without strain, GPa, positive if it is compressed."""
        return -float(np.trace(self.best.stress)) / 3.0

    @property
    def shear_stress(self) -> float:
        """The largest component of its stress that is no pressure, GPa."""
        return float(np.abs(self.best.stress + self.pressure * np.eye(3)).max())

    @property
    def converged(self) -> bool:
        """Whether all atoms came to rest."""
        return not self.unconverged

    def summary(self) -> dict[str, Any]:
        """Ready for JSON; GPa."""
        return {
            "row": self.label,
            "space_group": self.space_group,
            "strains": {"normal": list(self.request.normal), "shear": list(self.request.shear)},
            "degree": self.request.degree,
            "fmax": self.request.fmax,
            "stress": self.best.stress.tolist(),
            "pressure": self.pressure,
            "clamped": self.clamped.summary(),
            "relaxed": None if self.relaxed is None else self.relaxed.summary(),
            "converged": self.converged,
            "unconverged": list(self.unconverged),
            "evaluations": self.evaluations,
        }

    def sentences(self) -> list[str]:
        """What a reader of the numbers must know."""
        found = []
        if not self.best.stable:
            least = self.best.eigenvalues[0]
            found.append(
                f"{self.label}: the crystal is not stable: a strain of it has the elastic constant "
                f"{least:.3g} GPa, and it would gain energy by giving way."
            )
        if self.unconverged:
            found.append(
                f"{self.label}: in {len(self.unconverged)} strained cells the atoms did not come "
                f"to rest, and the constants of relaxed atoms are wrong by that: "
                f"{self.unconverged[0]}. Allow more steps or a larger fmax."
            )
        scale = norm(self.best.raw) / math.sqrt(6.0)
        if abs(self.pressure) > 1e-3 * scale:
            found.append(
                f"{self.label}: the crystal is under {self.pressure:.4g} GPa: the coefficients are "
                "Birch's, of Cauchy's stress and strain; second_derivatives in the numbers are "
                "those of the energy."
            )
        if self.shear_stress > 1e-2 * scale:
            found.append(
                f"{self.label}: the crystal has a stress of {self.shear_stress:.3g} GPa that is no "
                "pressure, with which the coefficients are not symmetric: relax its cell first."
            )
        if self.set_sentence:
            found.append(self.set_sentence)
        return found
