"""Do averages over rotated copies leave what was predicted? The engine makes some, at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import gamma

from md_bridge.symmetry.group.averaging import sets_of
from md_bridge.symmetry.group.grids import random_elements
from md_bridge.symmetry.measuring.calls import Calls
from md_bridge.symmetry.models.copies import Copies
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.results.response import Response

__all__ = ["Average", "compare_averages", "expected_range"]

_FALSE_ALARMS = 1e-4
"""Of one comparison, to each side; of the 24 of a model with six quantities 0.5 %."""
_CAUTION = 2.0
"""Factor of a variance that is known from few numbers; with it, false alarms are as rare as that in
simulations of 6 orientations and 4 sets."""
_SEED = 20
"""Of the random orientations; those of the guards have another one."""


@dataclass(frozen=True)
class Average:
    """What one set leaves of a component of one quantity, in the unit of the quantity.

    :ivar quantity: its name
    :ivar copies: the set
    :ivar predicted: from the sectors up to lmax
    :ivar measured: by the engine at random orientations
    :ivar error: standard error of ``measured``
    :ivar agrees: whether ``measured`` may be by chance what was predicted
    """

    quantity: str
    copies: str
    predicted: float
    measured: float
    error: float
    agrees: bool


def compare_averages(
    copies_of: Callable[[str], Sequence[Copies]],
    quantities: Sequence[Quantity],
    responses: Mapping[str, Response],
    orientations: int,
    inversion: bool,
    progress: Callable[[int, int], object],
) -> list[Average]:
    """Average at random orientations of each structure, and compare with what was predicted.

    :param copies_of: from a set to the functions of the structures, averaged by the engine
    :param quantities: what is averaged
    :param responses: what was measured without averages, by the names of the quantities
    :param orientations: of each structure, two or more
    :param inversion: whether orientations and sets have mirror images
    :param progress: called with the averages done, and all
    """
    squares: dict[str, dict[str, np.ndarray]] = {quantity.name: {} for quantity in quantities}
    names, done = sets_of(inversion), 0
    for number, name in enumerate(names):
        of_set: dict[str, list[np.ndarray]] = {quantity.name: [] for quantity in quantities}
        several = copies_of(name)
        for place, copies in enumerate(several):
            matrices = random_elements(orientations, inversion, _SEED + number + 100 * place)
            outputs = Calls(copies, copies.points, 1).turned(matrices)
            done += 1
            progress(done, len(names) * len(several))
            for quantity in quantities:
                turned = quantity.law.turn_back(outputs[quantity.name], matrices)
                change = turned - responses[quantity.name].mean[place]
                of_set[quantity.name].append((change.reshape(orientations, -1) ** 2).sum(axis=1))
        for quantity in quantities:
            squares[quantity.name][name] = np.array(of_set[quantity.name])
    return [
        average
        for quantity in quantities
        for average in _compare(quantity.name, responses[quantity.name], squares[quantity.name])
    ]


def _compare(name: str, response: Response, squares: Mapping[str, np.ndarray]) -> list[Average]:
    """All sets of one quantity.

    :param squares: of each set, of the deviations of all samples, [structures, orientations]
    """
    spread = _relative_variance(np.concatenate(list(squares.values())))
    samples, components = len(response.squared_deviations), response.components
    guards = response.convergence
    above = max(0.0, 1.0 - guards.captured) * guards.on_grid
    found = []
    for copies, values in squares.items():
        measured = float(values.sum()) / values.shape[1] / samples
        predicted = response.after(copies) ** 2
        # what is above lmax may be left whole
        lowest, _ = expected_range(predicted, spread, values.size)
        _, highest = expected_range(predicted + above, spread, values.size)
        agrees = lowest - guards.floor <= measured <= highest + guards.floor
        error = 0.5 * np.sqrt(measured * spread / _CAUTION / values.size / components)
        found.append(
            Average(
                name,
                copies,
                float(np.sqrt(predicted / components)),
                float(np.sqrt(measured / components)),
                float(error),
                bool(agrees),
            )
        )
    return found


def expected_range(mean: float, spread: float, count: int) -> tuple[float, float]:
    """Where the mean of some squares lies but for one case in ten thousand to each side.

    Squares are no normal numbers: a sum of them is taken to follow the gamma distribution of its
    mean and variance, which is exact for one number that is normal (χ²), and near to it for many.

    :param mean: of a square
    :param spread: its variance, relative to the square of its mean
    :param count: how many there are
    """
    shape = count / spread
    low, high = gamma.ppf([_FALSE_ALARMS, 1.0 - _FALSE_ALARMS], shape) / shape
    return float(mean * low), float(mean * high)


def _relative_variance(squares: np.ndarray) -> float:
    """Variance of a square, relative to the square of its mean, from all sets and structures.

    For K numbers of a gamma distribution of relative variance ρ², s²/m² of sample variance and mean
    is ρ²/(1 + ρ²/K) in the mean. A few numbers tell it to within a factor of two, which is left.

    :param squares: [sets × structures, K]
    """
    count = squares.shape[1]
    means = squares.mean(axis=1)
    known = means > 0
    if not known.any():
        return 1.0
    found = float(np.mean(squares[known].var(axis=1, ddof=1) / means[known] ** 2))
    found = min(max(found, 1e-6), 0.8 * count)
    return _CAUTION * found / (1.0 - found / count)
