"""The layers of a model file, of any torch module, of a function that names its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.group.grids import O3Grid, checked_grid
from md_bridge.symmetry.layers.capture import capture
from md_bridge.symmetry.layers.layer_map import Layer, LayerMap, Sectors
from md_bridge.symmetry.layers.pet import PETLayers, load_pet
from md_bridge.symmetry.layers.sampling import require_one_order
from md_bridge.symmetry.layers.streaming import LayerSums, add_structure
from md_bridge.symmetry.measuring.calls import Calls, Points
from md_bridge.symmetry.measuring.points import structures_of
from md_bridge.symmetry.results.guards import RandomDeviation
from md_bridge.symmetry.results.spectrum import Spectrum, deviation_floor, sector_floors

__all__ = ["analyse_layers", "analyse_layers_of"]

Progress = Callable[[int, int], object]

_CANCELLATION = 1e-14
"""Rounding of inner products, relative to the square of the features."""
_ATOMS_AT_ONCE = 1024


def analyse_layers(
    source: str | os.PathLike[str],
    structures: Sequence[ase.Atoms],
    pattern: str | Sequence[str] = "*",
    *,
    lmax: int = 8,
    grid: O3Grid | None = None,
    samples: int | None = 128,
    memory: int = 2**30,
    trust: bool = False,
    progress: Progress | None = None,
) -> LayerMap:
    """What of each (λ, σ) the layers of a model carry, where the model is a PET.

    The network is run in Python: that of a checkpoint as it is, that of an exported file built anew
    with the weights that are in it. Layers have metatrain's names, those of its outputs
    ``mtt::feature::NAME``: ``gnn_layers.0_node`` (features of atoms), ``gnn_layers.0_edge`` (of
    pairs), ``gnn_layers.0.edge_embedder``, ``edge_vectors`` and so on; ``*`` are all.

    :param source: path of a checkpoint (``.ckpt``), an exported (``.pt``) or a compiled model
        (``.pt2``)
    :param structures: periodic or not, in Å; two of a liquid are enough, since atoms are samples
    :param pattern: which layers, with ``*`` and ``?`` as in file names; several with commas
        between, or in a list
    :param lmax: the largest angular momentum that is told apart
    :param grid: copies; None: ``o3_grid(2 * lmax)``, the least that resolves lmax
    :param samples: how many atoms and how many pairs of each structure are measured at most, the
        same ones in each run; None: all
    :param memory: bytes for the features of all copies; a larger network is measured in passes
    :param trust: load a checkpoint even if that runs code stored in it
    :param progress: called with the evaluations done, and all of this structure
    :returns: what was found
    :raises ArgumentError: no layer fits the pattern, the grid is too coarse, no structures
    :raises ExportError: the file cannot be read, or knows not all elements
    :raises SymmetryError: there is no PET in the file, or a pair is missing in some orientation
    """
    if len(structures) == 0:
        raise ArgumentError("structures", "must be one or more, found none")
    grid = checked_grid(grid, lmax)
    backbone, width = load_pet(source, trust=trust)
    found: dict[str, LayerSums] = {}
    evaluations = 0
    for atoms in structures:
        layers = PETLayers(backbone, width, atoms, pattern, samples)
        calls = Calls(layers, layers.points, max(1, _ATOMS_AT_ONCE // len(atoms)))
        add_structure(found, calls, grid, lmax, samples, memory, progress)
        evaluations += calls.count
    return _layer_map(found, grid, lmax, str(Path(source).name), evaluations)


def analyse_layers_of(
    f: torch.nn.Module | Callable[..., Mapping[str, Any]],
    points: Points | list[Any],
    pattern: str | Sequence[str] = "*",
    *,
    lmax: int = 8,
    grid: O3Grid | None = None,
    copies_per_call: int = 0,
    samples: int | None = None,
    memory: int = 2**30,
    progress: Progress | None = None,
) -> LayerMap:
    """What of each (λ, σ) the layers of a network on points carry.

    The fractions B_{λσ}/⟨‖u‖²⟩ of u(g) = f(g x), the character projections of Domina et al.,
    arXiv:2603.24638. Features have no law, so that no change of theirs is an error: a perfect
    vector is 100 % (1, +), an invariant 100 % (0, +).

    :param f: a torch module in evaluation mode, whose layers are recorded while it runs (see
        :class:`~md_bridge.symmetry.layers.Capture`), or a plain function that returns a mapping
        from names to arrays. The first axis of an array with several counts samples (points,
        pairs), all others are features; the samples are the same in each orientation
    :param points: [N, 3]; or a tuple of arrays [..., 3] that all turn with it, each an argument of
        ``f``; or a list of such, for several structures
    :param pattern: which layers, with ``*`` and ``?`` as in file names; several with commas
        between, or in a list
    :param lmax: the largest angular momentum that is told apart
    :param grid: copies; None: ``o3_grid(2 * lmax)``, the least that resolves lmax
    :param copies_per_call: ``f`` takes up to so many copies at once, all arrays (those of the
        layers too) with one axis more, the first; 0: one copy without that axis
    :param samples: at most so many of each layer are measured, the same ones in each run; None: all
    :param memory: bytes for the features of all copies; a larger network is measured in passes
    :param progress: called with the evaluations done, and all of this structure
    :returns: what was found
    :raises ArgumentError: no layer fits the pattern, the grid is too coarse, the points are none
    :raises SymmetryError: ``f`` is TorchScript; it gives something else in a second call, a number
        that is not finite, or rows that stand for other points in another orientation
    """
    grid = checked_grid(grid, lmax)
    recorded = capture(f, pattern)
    found: dict[str, LayerSums] = {}
    evaluations = 0
    for each in structures_of(points):
        calls = Calls(recorded, each, copies_per_call)
        require_one_order(calls)
        add_structure(found, calls, grid, lmax, samples, memory, progress)
        evaluations += calls.count
    name = getattr(f, "__name__", type(f).__name__)
    return _layer_map(found, grid, lmax, name, evaluations)


def _layer_map(
    found: dict[str, LayerSums], grid: O3Grid, lmax: int, source: str, evaluations: int
) -> LayerMap:
    layers = tuple(_layer(name, one, grid, lmax) for name, one in found.items())
    return LayerMap(layers, source, grid.degree, evaluations)


def _layer(name: str, found: LayerSums, grid: O3Grid, lmax: int) -> Layer:
    sums = found.sums
    noise = found.noise / sums.samples
    values, deviation = sums.mean_spectrum(), sums.deviation / sums.samples
    norm = float(values[0, 0]) + deviation
    floors = sector_floors(noise, norm, float((grid.weights**2).sum()), lmax, grid.cosets)
    floors += _CANCELLATION * norm
    sigmas = (1, -1) if grid.inversion else (0,)
    common, common_norm = sums.common(grid)
    centred = np.where(values - common > floors, values - common, 0.0)
    centred_norm = norm - common_norm
    if not centred_norm > floors.sum():
        centred_norm = 0.0
    return Layer(
        name,
        sums.samples,
        len(sums.constant),
        Sectors(Spectrum(values, floors, sigmas), norm),
        Sectors(Spectrum(centred, floors, sigmas), centred_norm),
        tuple(_problems(found, deviation, deviation_floor(noise, norm), grid)),
    )


def _problems(found: LayerSums, on_grid: float, floor: float, grid: O3Grid) -> list[str]:
    """Does what changes with the orientation have the same size on the grid and off it?"""
    at_random = RandomDeviation.from_values(found.deviations, found.sums.samples)
    if at_random.agrees_with(on_grid, floor):
        return []
    return [
        f"⟨‖u‖²⟩ − ‖⟨u⟩‖² is {on_grid:.4g} on the grid of degree {grid.degree}, and "
        f"{at_random.value:.4g} ± {at_random.error:.2g} at random orientations: increase the degree"
    ]
