"""Write csrc/engine/geometry/lebedev.cpp: quadratures of the sphere, from scipy.

A Lebedev rule is a union of orbits of the octahedral group with the inversion: all permutations of
three coordinates, with all signs. One point of each orbit and its weight are the whole rule.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.integrate import lebedev_rule

DEGREES = (3, 5, 7, 9, 11, 15, 17, 19, 21, 23, 29, 31)
"""All up to 31 but those with negative weights (13, 25, 27)."""

HEADER = """\
// Written by scripts/make_lebedev.py: do not edit.
#include "geometry/lebedev.hpp"

namespace mdbridge {

// clang-format off
const std::vector<LebedevRule>& lebedev_rules() {
  static const std::vector<LebedevRule> rules = {
"""
FOOTER = """\
  };
  return rules;
}
// clang-format on

}  // namespace mdbridge
"""


def orbits(degree: int) -> list[tuple[list[float], float]]:
    """One point of each orbit, its coordinates ascending, and the weight of each of its points.

    :param degree: of the rule
    :returns: unit vectors, and weights that add up to 1 over all points
    :raises ValueError: the points of an orbit have different weights
    """
    points, weights = lebedev_rule(degree)
    weights = weights / weights.sum()
    found: dict[tuple[float, ...], list[float]] = {}
    for point, weight in zip(np.sort(np.abs(points.T), axis=1), weights, strict=True):
        found.setdefault(tuple(point.round(10)), []).append(weight)
    result = []
    for rounded, shares in found.items():
        if np.ptp(shares) > 1e-14:
            raise ValueError(f"the weights around {rounded} differ: {shares}")
        exact = next(
            p for p in np.sort(np.abs(points.T), axis=1) if np.allclose(p, rounded, 0, 1e-9)
        )
        result.append((_clean(exact), float(np.mean(shares))))
    return sorted(result)


def _clean(point: np.ndarray) -> list[float]:
    """Coordinates that are equal, or zero, but for rounding become so; the length becomes 1."""
    values = [0.0 if x < 1e-9 else float(x) for x in point]
    for i in (1, 2):
        if values[i] - values[i - 1] < 1e-9:
            values[i] = values[i - 1]
    return [float(x) for x in np.array(values) / np.linalg.norm(values)]


def main() -> None:
    """Write the file."""
    lines = []
    for degree in DEGREES:
        lines.append(f"    {{{degree}, {{")
        lines += [
            f"      {{{{{', '.join(map(repr, point))}}}, {weight!r}}},"
            for point, weight in orbits(degree)
        ]
        lines.append("    }},")
    root = Path(__file__).parents[1]
    text = HEADER + "\n".join(lines) + "\n" + FOOTER
    (root / "csrc" / "engine" / "geometry" / "lebedev.cpp").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
