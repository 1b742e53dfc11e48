"""How elastic constants are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from md_bridge.errors import ArgumentError

__all__ = ["ElasticRequest"]

_LARGEST_STRAIN = 0.2


@dataclass(frozen=True)
class ElasticRequest:
    """What decides the numbers.

    The strains are those of LAMBench and of fairchem's benchmark (after pymatgen): 1 % and half of
    it along an axis, 6 % and half of it in shear, each with both signs. A shear is given as in
    Voigt's notation, e₄ = 2 ε_yz. At these a straight line would be off by up to some percent, so
    that a polynomial is fitted, whose slope is taken at no strain; ``degree=1`` is the line.

    :raises ArgumentError: a number that is out of its range, or too few strains for the polynomial
    """

    normal: tuple[float, ...] = (0.005, 0.01)
    """Sizes of e₁, e₂, e₃; each is taken with both signs."""
    shear: tuple[float, ...] = (0.03, 0.06)
    """Sizes of e₄, e₅, e₆."""
    degree: int = 3
    """Of the polynomial in e that is fitted to each component of the stress."""
    relax_ions: bool = True
    """Whether atoms are also relaxed in the strained cells; if not, there are clamped ones only."""
    optimizer: str = "auto"
    """Of the relaxation."""
    fmax: float = 1e-4
    """Forces of relaxed atoms are below, eV/Å."""
    steps: int = 500
    """Of the relaxation."""
    symprec: float = 1e-2
    """Within which the rotations of the crystal are looked for, Å."""
    at_rest: float = 0.05
    """Larger forces on an atom than this (eV/Å) mean that the crystal has not been relaxed."""

    def __post_init__(self) -> None:
        for name in ("normal", "shear"):
            sizes = getattr(self, name)
            if not sizes or not all(0.0 < size < _LARGEST_STRAIN for size in sizes):
                raise ArgumentError(
                    name,
                    f"must be strains between 0 and {_LARGEST_STRAIN:g}, which are taken with both "
                    f"signs, found {sizes}",
                )
            if len(set(sizes)) < len(sizes):
                raise ArgumentError(name, f"must be different strains, found {sizes}")
            points = 2 * len(sizes) + 1
            if self.degree + 1 >= points:
                raise ArgumentError(
                    "degree",
                    f"{self.degree} needs at least {self.degree + 2} points for an error of the "
                    f"fit, and {name} {sizes} with both signs and no strain are {points}: give "
                    "more strains, or a lower degree",
                )
        if self.degree < 1:
            raise ArgumentError("degree", f"must be 1 or more, found {self.degree}")
        for name in ("fmax", "symprec", "at_rest"):
            value = getattr(self, name)
            if not 0.0 < value < np.inf:
                raise ArgumentError(name, f"must be positive and finite, found {value:g}")
        if self.steps < 1:
            raise ArgumentError("steps", f"must be 1 or more, found {self.steps}")
