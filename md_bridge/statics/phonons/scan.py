"""Phonons by the displacement that they were made with: what converges, and what does not.

The error of a central difference is of second order in the displacement δ. Forces that are off by a
ripple finer than δ, or that jump, add an error ∝ 1/δ. Thermal functions are means over all modes
and hide both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.statics.evaluator import Evaluator
from md_bridge.statics.phonons.crystal import Crystal
from md_bridge.statics.phonons.dynamical_matrix import THZ, dynamical_matrices, hermitian
from md_bridge.statics.phonons.force_constants import finite_differences
from md_bridge.statics.phonons.thermal import Thermal, thermal_functions
from md_bridge.statics.rows import Row

__all__ = ["Scan", "fitted_slopes", "parse_scan", "scan_displacements"]

Array = NDArray[np.float64]

_POINTS = 9
_FITTED = 4
"""Points at most, on either side of the minimum: farther above it higher orders begin."""
_FEWEST = 3
_LONGEST = 1.0
"""Å, which is not far below the distance of atoms any more."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One row at S displacements."""

    row: Row
    displacements: Array
    """[S], ascending, Å."""
    changes: Array
    """[S − 1]: between displacements that follow each other, rms change of ω² on the path over
    twice the rms frequency, THz: of a typical mode the change of the frequency."""
    slopes: tuple[float, float]
    """Of log(changes) over log(displacement), below the smallest change and above it; NaN where
    there are too few points."""
    largest: Array
    """[S], frequency on the mesh, THz."""
    thermal: tuple[Thermal, ...]
    """At each displacement."""

    @property
    def middles(self) -> Array:
        """[S − 1], of the displacements that ``changes`` is about (geometric), Å."""
        return np.asarray(np.sqrt(self.displacements[1:] * self.displacements[:-1]))


def parse_scan(text: str) -> Array:
    """``0.001:0.3`` as nine displacements in a geometric series, ``0.001:0.3:13`` as thirteen.

    :param text: smallest and largest displacement, Å, and how many
    :returns: [S], ascending, Å
    :raises ArgumentError: it is something else
    """
    words = text.split(":")
    try:
        low, high = map(float, words[:2])
        count = int(words[2]) if len(words) > 2 else _POINTS
        usable = len(words) <= 3 and 0 < low < high < _LONGEST and count >= 3
    except ValueError:
        usable = False
    if not usable:
        raise ArgumentError(
            "scan",
            "must be two displacements in Å with a colon between them, as in 0.001:0.3, the "
            f"smaller one first and both below {_LONGEST:g}, and perhaps how many there are to be, "
            f"3 or more; found {text!r}",
        )
    return np.geomspace(low, high, count)


def scan_displacements(
    evaluator: Evaluator,
    crystal: Crystal,
    qpoints: Array,
    displacements: Sequence[float] | Array,
    *,
    mesh: int,
    temperature: float,
    on_step: Callable[[int], object] | None = None,
) -> Scan:
    """Force constants without correction at each displacement, and what becomes of them.

    :param evaluator: of the forces
    :param crystal: n atoms in the primitive cell, N in the supercell
    :param qpoints: [Q, 3], of the path
    :param displacements: ascending, Å
    :param mesh: as for :func:`md_bridge.statics.phonons.thermal.thermal_functions`
    :param temperature: K
    :param on_step: called with the number of structures just evaluated
    :raises md_bridge.engine.EngineError: the model fails, or a number is not finite
    """
    squares, thermal = [], []
    for displacement in displacements:
        compact = finite_differences(evaluator, crystal, float(displacement), on_step=on_step)
        matrices = hermitian(dynamical_matrices(crystal, compact, qpoints))
        squares.append(np.linalg.eigvalsh(matrices))
        thermal.append(thermal_functions(crystal, compact, mesh, temperature, dos=False))
    # of a squared frequency the mean over modes
    typical = np.sqrt(np.mean(np.abs(squares)))
    changes = np.sqrt(np.mean(np.diff(squares, axis=0) ** 2, axis=(1, 2))) / (2.0 * typical)
    sizes = np.asarray(displacements, dtype=float)
    middles = np.sqrt(sizes[1:] * sizes[:-1])
    return Scan(
        row=evaluator.row,
        displacements=sizes,
        changes=THZ * changes,
        slopes=fitted_slopes(middles, changes),
        largest=np.array([each.largest for each in thermal]),
        thermal=tuple(thermal),
    )


def fitted_slopes(displacements: Array, changes: Array) -> tuple[float, float]:
    """Slopes of log(changes) over log(displacements) on both sides of the smallest change.

    :param displacements: [S], ascending, in a geometric series
    :param changes: [S], of any unit
    :returns: below, of the smallest displacements, and above, of those that follow the minimum but
        for the bend there; NaN where fewer than three points are left
    """
    lowest, last = int(np.argmin(changes)), len(changes) - 1
    # at an end of the range nothing turns; inside, the curve bends for two points above
    below = slice(0, min(_FITTED, lowest + (lowest == last)))
    begin = lowest + 2 if 0 < lowest <= last - 1 - _FEWEST else lowest + (lowest > 0)
    above = slice(begin, begin + _FITTED)
    return _slope(displacements[below], changes[below]), _slope(
        displacements[above], changes[above]
    )


def _slope(displacements: Array, changes: Array) -> float:
    usable = changes > 0
    if usable.sum() < _FEWEST:
        return float("nan")
    return float(np.polyfit(np.log(displacements[usable]), np.log(changes[usable]), 1)[0])
