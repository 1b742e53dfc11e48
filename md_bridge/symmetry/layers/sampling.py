"""Which rows of a layer's output are samples, and which of these are measured."""

from __future__ import annotations

import numpy as np

from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.grids import random_elements
from md_bridge.symmetry.measuring.calls import Calls, Outputs

__all__ = ["as_samples", "require_one_order", "rows_to_measure"]

_DISPLACED = 24
_STEP = 1e-2
"""Of the displacements, relative to the extent of the points."""
_STRONG = 0.1
"""A row depends on a point that changes it by this, relative to the one that changes it most."""
_ROUNDING, _CLEAR = 8.0, 1000.0
"""A row does not depend on a point that changes it by less than so many units of rounding; what it
depends on is so many times above that, or nothing is said."""


def as_samples(values: np.ndarray, points: int) -> np.ndarray:
    """The output of a layer as [G, S, d]: samples in their order, and what belongs to each.

    The first axis counts samples (atoms, points, pairs), all others are features; a single row of
    numbers is one sample, unless it has one number for each point.

    :param values: [G, ...], of G copies
    :param points: how many points there are
    """
    shape = values.shape[1:]
    if len(shape) >= 2 or shape == (points,):
        return values.reshape(len(values), shape[0], -1)
    return values.reshape(len(values), 1, -1)


def rows_to_measure(count: int, most: int | None) -> np.ndarray:
    """Indices of the samples to measure, in increasing order, the same ones for the same numbers.

    :param count: how many samples there are
    :param most: how many to measure at most; None: all
    """
    if most is None or count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def require_one_order(calls: Calls) -> None:
    """Make sure that each row of each layer stands for the same points in two orientations.

    Where neighbours are sorted or capped by a rule that depends on the frame, row s is the pair (i,
    j) in one copy and (i, k) in another, and no average over copies means anything. Seen from what
    a row depends on: each of some points is displaced, in the one frame and in the other. A row
    that depends on j but not on k in the one and the other way round in the other has changed its
    meaning; a row that merely has fallen silent has not.

    :param calls: the layers and their points
    :raises SymmetryError: naming a layer and a row where it is so
    """
    if calls.point_count == 1:
        return
    moved = rows_to_measure(calls.point_count, _DISPLACED)
    one, other = (
        _dependences(calls, matrix, moved) for matrix in (np.eye(3), random_elements(3)[2])
    )
    for name in one:
        (strong, silent), (strong_there, silent_there) = one[name], other[name]
        lost, gained = strong & silent_there, strong_there & silent
        changed = np.flatnonzero(gained.any(axis=0) & lost.any(axis=0))
        if len(changed):
            row = int(changed[0])
            before, after = (moved[np.flatnonzero(each[:, row])[0]] for each in (lost, gained))
            raise SymmetryError(
                f"row {row} of {name} should stand for the same points in each orientation; in "
                f"one it depends on point {before} and not on point {after}, in another the other "
                "way round. Neighbours are sorted or left out by a rule that depends on the "
                "frame: sort pairs by (i, j, shift), and cap them by distance or not at all"
            )


def _dependences(
    calls: Calls, matrix: np.ndarray, moved: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each layer: does a point matter much to a sample, and not at all? [moved, S] both."""
    generator = np.random.default_rng(0)
    points = calls.arrays[0]
    size = _STEP * float(np.ptp(points, axis=0).max())
    copies = np.repeat(points[None], len(moved) + 1, axis=0)
    copies[np.arange(len(moved)) + 1, moved] += size * generator.standard_normal((len(moved), 3))
    rest = [np.repeat(array[None], len(copies), axis=0) for array in calls.arrays[1:]]
    outputs: Outputs = calls.of([each @ matrix.T for each in (copies, *rest)])
    found = {}
    for name, values in outputs.items():
        samples = as_samples(values, calls.point_count)
        changes = np.abs(samples[1:] - samples[0]).max(axis=2, initial=0.0)
        rounding = _ROUNDING * calls.epsilon[name] * np.abs(samples[0]).max(initial=0.0)
        silent = changes <= rounding
        strong = changes > np.maximum(_STRONG * changes.max(axis=0), _CLEAR * rounding)
        found[name] = strong, silent
    return found
