"""All layers over all copies: as many samples at once as the memory holds, then the next ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.grids import O3Grid, random_elements
from md_bridge.symmetry.layers.gram import FeatureSums
from md_bridge.symmetry.layers.sampling import as_samples, rows_to_measure
from md_bridge.symmetry.measuring.calls import Calls, Outputs
from md_bridge.symmetry.measuring.noise import noise_variances

__all__ = ["LayerSums", "add_structure"]

_RANDOM_ELEMENTS = 32
_COPIES_AT_ONCE = 64


@dataclass
class LayerSums:
    """One layer: sums over the samples of all structures, and what the guards need.

    :ivar sums: over samples
    :ivar deviations: from the mean over the grid, at random elements, [K, S d] of each structure
    :ivar noise: Σ over samples of the variance of rounding, summed over features
    """

    sums: FeatureSums
    deviations: list[np.ndarray] = field(default_factory=list)
    noise: float = 0.0


@dataclass
class _Rows:
    """The samples of one layer of one structure that are measured."""

    rows: np.ndarray
    reference: np.ndarray
    at_random: np.ndarray

    def pick(self, values: np.ndarray, points: int) -> np.ndarray:
        """[G, S, d] of outputs of the layer, [G, ...]."""
        return as_samples(values, points)[:, self.rows]


def add_structure(
    found: dict[str, LayerSums],
    calls: Calls,
    grid: O3Grid,
    lmax: int,
    samples: int | None,
    memory: int,
    progress: Callable[[int, int], object] | None,
) -> None:
    """Evaluate all copies of one structure, and add its samples to what was found before.

    :param found: sums for each layer, added to
    :param calls: the layers as a function, and the points
    :param grid: of copies
    :param lmax: the largest λ
    :param samples: at most so many of each layer; None: all
    :param memory: bytes for the features of all copies; what is more is done in further passes
    :param progress: called with the evaluations done, and with all
    :raises SymmetryError: as :func:`~md_bridge.symmetry.layers.analyse_layers_of`
    """
    first = calls.turned(np.eye(3)[None])
    calls.require_determinism(first)
    noise = noise_variances(calls, grid.inversion)
    layers = _choose_rows(calls, first, grid, samples)
    for name, layer in layers.items():
        components = layer.reference.shape[1]
        one = found.setdefault(name, LayerSums(FeatureSums.start(components, grid, lmax)))
        if one.sums.constant.shape != (components,):
            raise SymmetryError(
                f"{name} should have as many features in all structures; found "
                f"{one.sums.constant.size} and {components}"
            )
        one.noise += float(layer.pick(noise[name][None], calls.point_count).sum())
    passes = _plan(layers, len(grid), memory)
    step = _batch_size(first, memory)
    total = calls.count + len(passes) * len(grid) + 1
    for blocks in passes:
        kept = {
            (name, part.start): np.empty((len(grid), *layers[name].reference[part].shape))
            for name, part in blocks
        }
        for begin in range(0, len(grid), step):
            copies = slice(begin, begin + step)
            outputs = calls.turned(grid.rotations[copies])
            for name, part in blocks:
                values = layers[name].pick(outputs[name], calls.point_count)[:, part]
                kept[name, part.start][copies] = values - layers[name].reference[part]
            if progress is not None:
                progress(calls.count, total)
        for name, part in blocks:
            layer, one = layers[name], found[name]
            mean = one.sums.add(kept.pop((name, part.start)), layer.reference[part], grid)
            deviations = layer.at_random[:, part] - mean
            one.deviations.append(deviations.reshape(len(deviations), -1))
    calls.require_determinism(first)


def _choose_rows(
    calls: Calls, first: Outputs, grid: O3Grid, samples: int | None
) -> dict[str, _Rows]:
    at_random = calls.turned(random_elements(_RANDOM_ELEMENTS, grid.inversion))
    layers = {}
    for name, values in first.items():
        whole = as_samples(values, calls.point_count)
        if whole.size == 0:
            continue
        rows = rows_to_measure(whole.shape[1], samples)
        others = as_samples(at_random[name], calls.point_count)[:, rows]
        layers[name] = _Rows(rows, whole[0, rows], others)
    if not layers:
        raise SymmetryError("a network should have layers with numbers in them, found none")
    return layers


def _plan(layers: dict[str, _Rows], copies: int, memory: int) -> list[list[tuple[str, slice]]]:
    """Which samples are held in which pass, so that the features of all copies fit the memory.

    Half of it: sums over copies make another array of the size of the largest block.
    """
    most = max(1, memory // (2 * 8 * copies))
    return list(_passes(layers, most))


def _passes(layers: dict[str, _Rows], most: int) -> Iterator[list[tuple[str, slice]]]:
    current: list[tuple[str, slice]] = []
    free = most
    for name, layer in layers.items():
        count, components = layer.reference.shape
        begin = 0
        while begin < count:
            fitting = free // components
            if fitting < 1 and current:
                yield current
                current, free = [], most
                continue
            end = min(count, begin + max(1, fitting))
            current.append((name, slice(begin, end)))
            free -= (end - begin) * components
            begin = end
    yield current


def _batch_size(first: Outputs, memory: int) -> int:
    """How many copies are in flight at once, with a few arrays of their outputs."""
    numbers = sum(values.size for values in first.values())
    return max(2, min(_COPIES_AT_ONCE, memory // (4 * 8 * numbers)))
