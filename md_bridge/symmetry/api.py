"""Measure how a function on points responds to rotations and mirrors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, overload

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.grids import O3Grid, checked_grid
from md_bridge.symmetry.measuring.calls import Calls, Points
from md_bridge.symmetry.measuring.laws import Law, as_law
from md_bridge.symmetry.measuring.measurement import Structure, measure
from md_bridge.symmetry.measuring.points import structures_of
from md_bridge.symmetry.results.guards import Convergence, RandomDeviation
from md_bridge.symmetry.results.response import Response
from md_bridge.symmetry.results.spectrum import Spectrum, deviation_floor, sector_floors

__all__ = ["analyse"]


@overload
def analyse(
    f: Callable[..., Any] | list[Callable[..., Any]],
    points: Points | list[Any],
    *,
    law: str | Law | None,
    grid: O3Grid | None = None,
    lmax: int = 8,
    copies_per_call: int = 0,
    memory: int = 2**30,
    quick: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Response: ...


@overload
def analyse(
    f: Callable[..., Any] | list[Callable[..., Any]],
    points: Points | list[Any],
    *,
    law: Mapping[str, str | Law | None],
    grid: O3Grid | None = None,
    lmax: int = 8,
    copies_per_call: int = 0,
    memory: int = 2**30,
    quick: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> dict[str, Response]: ...


def analyse(
    f: Callable[..., Any] | list[Callable[..., Any]],
    points: Points | list[Any],
    *,
    law: str | Law | Mapping[str, str | Law | None] | None,
    grid: O3Grid | None = None,
    lmax: int = 8,
    copies_per_call: int = 0,
    memory: int = 2**30,
    quick: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Response | dict[str, Response]:
    """How far a function is from equivariance, and in which sectors of O(3).

    ``f`` is evaluated for every turned copy g x of the points. u(g) = f(g x) is what the laboratory
    sees, z(g) = ρ(g)⁻¹ f(g x) is turned back and constant for a perfect function. Both are expanded
    in the sectors (λ, σ) of O(3), and A² = ⟨‖z‖²⟩ − ‖⟨z⟩‖². The formulas are in docs/symmetry.md;
    they are those of metatomic's ``SymmetrizedModel``, which follows Domina et al.,
    arXiv:2603.24638.

    :param f: a plain function or a torch module, of positions [N, 3] and of whatever else is in
        ``points``; returns an array, or a mapping from names to arrays, numpy or torch. Modules get
        tensors of their own precision. Or a list of functions, one for each of the structures
    :param points: [N, 3]; or a tuple of arrays [..., 3] that all turn with it, each an argument of
        ``f`` (positions, cell, pair vectors); or a list of such, for several structures
    :param law: how the output should turn: a name of
        :data:`~md_bridge.symmetry.measuring.laws.LAWS` or a
        :class:`~md_bridge.symmetry.Law`; None for hidden features, which have none; for several
        outputs a mapping from their names
    :param grid: copies; None: ``o3_grid(2 * lmax)``, the least that resolves lmax
    :param lmax: the largest angular momentum that is told apart
    :param copies_per_call: ``f`` takes and gives up to so many copies at once, all its arrays with
        one axis more, the first; 0: one copy without that axis
    :param memory: bytes for the sums; a larger output is done in passes that evaluate all copies
        again
    :param quick: leave out some sixty evaluations beside those of the grid: the rounding is then
        taken to be that of the results' precision, and nothing guards against a grid that is too
        coarse
    :param progress: called with the evaluations done, and all of this structure
    :returns: a :class:`~md_bridge.symmetry.Response`, or a mapping of them where ``law`` is one
    :raises ArgumentError: the grid is too coarse for lmax, the law unknown, the points no points
    :raises SymmetryError: ``f`` gives something else in a second call, a number that is not
        finite, or a shape that changes or does not fit the law
    """
    grid = checked_grid(grid, lmax)
    laws: Law | dict[str, Law | None] | None = (
        {name: as_law(each) for name, each in law.items()}
        if isinstance(law, Mapping)
        else as_law(law)
    )
    found: dict[str, list[Structure]] = {}
    evaluations = 0
    structures = structures_of(points)
    functions = f if isinstance(f, list) else [f] * len(structures)
    if len(functions) != len(structures):
        raise ArgumentError(
            "f",
            f"must be one function, or one for each of the {len(structures)} structures; found "
            f"{len(functions)}",
        )
    for function, each in zip(functions, structures, strict=True):
        calls = Calls(function, each, copies_per_call)
        parts = measure(calls, laws, grid, int(lmax), memory, quick, progress)
        for name, part in parts.items():
            found.setdefault(name, []).append(part)
        evaluations += calls.count
    responses = {name: _merge(parts, grid, int(lmax), evaluations) for name, parts in found.items()}
    return responses if isinstance(law, Mapping) else next(iter(responses.values()))


def _merge(parts: list[Structure], grid: O3Grid, lmax: int, evaluations: int) -> Response:
    """All structures of one output; a sample counts as much in one as in another."""
    widths = sorted({part.moments.reference.shape[1] for part in parts})
    if len(widths) > 1:
        raise SymmetryError(
            f"an output should have as many numbers a sample in all structures; found {widths}: "
            "analyse them one by one"
        )
    deviations = np.concatenate([part.moments.squared_deviation for part in parts])
    noise = np.concatenate([part.noise for part in parts])
    samples, sigmas = len(deviations), (1, -1) if grid.inversion else (0,)
    spectra, sample_spectra = {}, {}
    for frame in parts[0].frames:
        of_samples = np.concatenate([part.projected[frame].spectrum for part in parts])
        values = of_samples.mean(axis=0)
        floors = sector_floors(
            float(noise.mean()), values.sum(), float((grid.weights**2).sum()), lmax, len(sigmas)
        )
        spectra[frame], sample_spectra[frame] = Spectrum(values, floors, sigmas), of_samples
    law, first = parts[0].law, parts[0].frames[0]
    if parts[0].frames == ("z",):  # an invariant output is the same in both frames
        spectra["u"], sample_spectra["u"] = spectra["z"], sample_spectra["z"]
    left = [
        np.sum([part.projected[first].left[degree] for part in parts], axis=0) / samples
        for degree in range(lmax + 1)
    ]
    return Response(
        law=law,
        components=widths[0],
        mean=[part.moments.mean.reshape(part.shape) for part in parts],
        squared_deviations=deviations,
        noise=noise,
        B=spectra,
        sample_spectra=sample_spectra,
        convergence=_judge(parts, deviations, noise, spectra[first], grid, lmax),
        evaluations=evaluations,
        left=left,
    )


def _judge(
    parts: list[Structure],
    deviations: np.ndarray,
    noise: np.ndarray,
    spectrum: Spectrum,
    grid: O3Grid,
    lmax: int,
) -> Convergence:
    squared = float(deviations.mean())
    changing = spectrum.values.copy()
    changing[0, 0] = 0.0
    return Convergence(
        captured=float(changing.sum()) / squared if squared else 1.0,
        highest=float(changing[lmax].sum()) / squared if squared else 0.0,
        on_grid=squared,
        at_random=RandomDeviation.from_values(
            [p.random_deviations for p in parts], len(deviations)
        ),
        floor=deviation_floor(float(noise.mean()), spectrum.total),
        degree=grid.degree,
        lmax=lmax,
    )
