"""Elastic constants as rows of tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from md_bridge.statics.elastic.results import Elasticity, Stiffness

__all__ = ["COLUMNS", "independent", "matrix_lines", "rows"]

COLUMNS = (
    ("forces", ""),
    ("atoms", ""),
    ("constants", "GPa"),
    ("K", "GPa"),
    ("G", "GPa"),
    ("removed", "%"),
    ("asymmetry", "%"),
    ("error of fit", "GPa"),
    ("stable", ""),
)
"""Title and unit of each cell of :func:`rows`; K and G are Hill's means."""

_SAME = 1e-6
"""Of the largest constant, by which two may differ that symmetry makes the same."""
_LARGEST_SET = 6
"""More constants than so many do not fit a cell of a table."""


def rows(found: Sequence[Elasticity]) -> list[tuple[str, ...]]:
    """A row for relaxed and one for clamped atoms of each measurement; see :data:`COLUMNS`.

    :param found: measurements, in the order wanted
    """
    lines = []
    for each in found:
        for atoms, stiffness in (("relaxed", each.relaxed), ("clamped", each.clamped)):
            if stiffness is not None:
                lines.append((each.label, atoms, *_cells(stiffness)))
    return lines


def independent(matrix: NDArray[np.float64]) -> dict[str, float]:
    """The constants that differ from each other and from zero, named by the first place where each
    stands: C11, C12, C44 of a cubic crystal.

    :param matrix: projected constants, [6, 6]
    """
    least = _SAME * float(np.abs(matrix).max())
    found: dict[str, float] = {}
    places = [(i, i) for i in (0, 1, 2)] + [(0, 1), (0, 2), (1, 2)] + [(i, i) for i in (3, 4, 5)]
    places += [(i, j) for i in range(6) for j in range(i + 1, 6) if (i, j) not in places]
    for i, j in places:
        value = float(matrix[i, j])
        if abs(value) > least and all(abs(value - other) > least for other in found.values()):
            found[f"C{i + 1}{j + 1}"] = value
    return found


def matrix_lines(stiffness: Stiffness) -> list[str]:
    """The six rows of the projected constants, GPa, as text.

    :param stiffness: with the constants
    """
    return ["".join(f"{value:10.2f}" for value in row) for row in stiffness.projected]


def _cells(stiffness: Stiffness) -> tuple[str, ...]:
    moduli = stiffness.averages
    constants = independent(stiffness.projected)
    named = [f"{name} {value:.2f}" for name, value in constants.items()]
    if len(named) > _LARGEST_SET:
        named = [*named[:_LARGEST_SET], "…"]
    return (
        ", ".join(named),
        _number(moduli.bulk),
        _number(moduli.shear),
        f"{100.0 * stiffness.removed:.2g}",
        f"{100.0 * stiffness.asymmetry:.2g}",
        f"{stiffness.error.max():.1g}",
        "yes" if stiffness.stable else "NO",
    )


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"
