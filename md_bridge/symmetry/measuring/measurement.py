"""The sums over all copies of one structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from md_bridge.errors import ArgumentError
from md_bridge.symmetry.measuring.calls import Calls
from md_bridge.symmetry.errors import SymmetryError
from md_bridge.symmetry.group.grids import O3Grid, random_elements
from md_bridge.symmetry.measuring.laws import Law, sample_count
from md_bridge.symmetry.measuring.noise import noise_variances
from md_bridge.symmetry.measuring.sums import Moments, Projected, Projection
from md_bridge.symmetry.group.wigner import coefficient_slices, wigner_matrices

__all__ = ["Structure", "measure"]

_RANDOM_ELEMENTS = 32
_COPIES_AT_ONCE = 64


@dataclass
class Structure:
    """One output of one structure: what is summed over its copies."""

    law: Law | None
    shape: tuple[int, ...]
    moments: Moments
    noise: np.ndarray
    at_random: np.ndarray
    frames: tuple[str, ...]
    projected: dict[str, Projected] = field(default_factory=dict)

    @classmethod
    def start(
        cls,
        name: str,
        law: Law | None,
        first: np.ndarray,
        noise: np.ndarray,
        at_random: np.ndarray,
        elements: np.ndarray,
        points: int,
    ) -> Structure:
        """From what is evaluated first.

        :param name: of the output
        :param law: of the output
        :param first: values without turning, [1, ...]
        :param noise: variance of the rounding, [...]
        :param at_random: values at random elements, [K, ...]
        :param elements: these elements, [K, 3, 3]
        :param points: how many points there are
        :raises SymmetryError: the shape does not fit the law
        """
        samples = sample_count(law, first.shape[1:], points, name)
        reference = first[0].reshape(samples, -1)
        if reference.size == 0:
            raise SymmetryError(f"{name} should have at least one number, found none")
        invariant = law is not None and law.rank == 0 and not law.pseudo
        back = at_random if law is None else law.turn_back(at_random, elements)
        return cls(
            law,
            first.shape[1:],
            Moments(reference),
            noise.reshape(samples, -1).sum(axis=1),
            back,
            ("u",) if law is None else ("z",) if invariant else ("z", "u"),
        )

    def changes(self, values: np.ndarray, matrices: np.ndarray, frame: str) -> np.ndarray:
        """Values minus the reference, [G, S, C].

        :param values: as the function gives them, [G, ...]
        :param matrices: of the copies, [G, 3, 3]
        :param frame: "z", turned back, or "u"
        """
        if frame == "z" and self.law is not None:
            values = self.law.turn_back(values, matrices)
        return values.reshape(len(values), *self.moments.reference.shape) - self.moments.reference

    @property
    def random_deviations(self) -> np.ndarray:
        """From the mean on the grid, at random elements, [K, S, C]."""
        mean = self.moments.mean
        return self.at_random.reshape(len(self.at_random), *mean.shape) - mean

    def add_projected(self, frame: str, more: Projected) -> None:
        """The spectrum of more components.

        :param frame: "z" or "u"
        :param more: their spectrum
        """
        before = self.projected.get(frame)
        if before is not None:
            spectrum = before.spectrum + more.spectrum
            left = [a + b for a, b in zip(before.left, more.left, strict=True)]
            more = Projected(spectrum, left)
        self.projected[frame] = more


def measure(
    calls: Calls,
    laws: Law | dict[str, Law | None] | None,
    grid: O3Grid,
    lmax: int,
    memory: int,
    progress: Callable[[int, int], object] | None,
) -> dict[str, Structure]:
    """All sums over the copies of one structure.

    :param calls: the function and its points
    :param laws: of the output, or of each of several outputs
    :param grid: of copies
    :param lmax: the largest λ
    :param memory: bytes for the sums of one pass
    :param progress: called with the evaluations done, and with all
    :returns: for each output what is known of it
    :raises ArgumentError: the laws do not name the outputs
    :raises SymmetryError: as :func:`~md_bridge.symmetry.analyse`
    """
    first = calls.turned(np.eye(3)[None])
    if not isinstance(laws, dict):
        if len(first) > 1:
            raise ArgumentError("law", f"must be a mapping for the outputs {sorted(first)}")
        laws = dict.fromkeys(first, laws)
    missing = sorted(set(laws) - set(first))
    if missing:
        raise ArgumentError("law", f"is of {missing}, found the outputs {sorted(first)}")
    first = {name: first[name] for name in laws}
    calls.require_determinism(first)
    elements = random_elements(_RANDOM_ELEMENTS, grid.inversion)
    at_random, noise = calls.turned(elements), noise_variances(calls, grid.inversion)
    parts = {
        name: Structure.start(
            name, law, first[name], noise[name], at_random[name], elements, calls.point_count
        )
        for name, law in laws.items()
    }
    passes = _plan(parts, grid, lmax, memory)
    total = calls.count + len(passes) * len(grid) + 1
    for number, ranges in enumerate(passes):
        one = _Pass(parts, ranges, grid, lmax, with_moments=number == 0)
        for matrices, weights in _batches(grid, _batch_size(calls, parts, memory)):
            one.add(calls.turned(matrices), matrices, weights)
            if progress is not None:
                progress(calls.count, total)
        one.finish()
    calls.require_determinism(first)
    return parts


_Ranges = list[tuple[str, str, range]]
"""Output, frame, and which of its components."""


def _plan(parts: dict[str, Structure], grid: O3Grid, lmax: int, memory: int) -> list[_Ranges]:
    """Which components are projected in which pass, so that the sums of a pass fit the memory."""
    most = max(1, memory // (8 * grid.cosets * coefficient_slices(lmax)[-1].stop))
    passes: list[_Ranges] = [[]]
    free = most
    for name, part in parts.items():
        for frame in part.frames:
            begin, size = 0, part.moments.reference.size
            while begin < size:
                if free == 0:
                    passes.append([])
                    free = most
                end = min(size, begin + free)
                passes[-1].append((name, frame, range(begin, end)))
                free -= end - begin
                begin = end
    return passes


def _batch_size(calls: Calls, parts: dict[str, Structure], memory: int) -> int:
    """How many copies are held at once, with a few arrays of their outputs."""
    numbers = sum(part.moments.reference.size for part in parts.values())
    wanted = max(_COPIES_AT_ONCE, calls.copies_per_call)
    return max(2, min(wanted, memory // (4 * 8 * numbers)))


def _batches(grid: O3Grid, copies: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Matrices of some rotations, then of their mirror images, and the weights of the former."""
    step = copies // grid.cosets
    for begin in range(0, len(grid.proper), step):
        rotations = grid.proper[begin : begin + step]
        yield (
            np.concatenate([rotations, -rotations][: grid.cosets]),
            grid.proper_weights[begin : begin + step],
        )


class _Pass:
    """One pass over the grid, which projects some of the components."""

    def __init__(
        self,
        parts: dict[str, Structure],
        ranges: _Ranges,
        grid: O3Grid,
        lmax: int,
        with_moments: bool,
    ) -> None:
        self.parts, self.lmax, self.with_moments = parts, lmax, with_moments
        self.cosets = grid.cosets
        self.projections = [
            (name, frame, Projection(parts[name].moments.reference, each, lmax, self.cosets))
            for name, frame, each in ranges
        ]

    def add(
        self, outputs: dict[str, np.ndarray], matrices: np.ndarray, weights: np.ndarray
    ) -> None:
        """A batch of copies."""
        weighted = weights[:, None] * wigner_matrices(matrices[: len(weights)], self.lmax)
        for name, part in self.parts.items():
            mine = [each for each in self.projections if each[0] == name]
            for frame in part.frames:
                of_frame = [projection for _, f, projection in mine if f == frame]
                counted = self.with_moments and frame == part.frames[0]
                if not of_frame and not counted:
                    continue
                changes = part.changes(outputs[name], matrices, frame)
                if counted:
                    part.moments.add(changes, np.tile(weights, self.cosets) / self.cosets)
                both = changes.reshape(self.cosets, len(weights), *changes.shape[1:])
                for projection in of_frame:
                    projection.add(both, weighted)

    def finish(self) -> None:
        """Give the spectra to the outputs."""
        for name, frame, projection in self.projections:
            self.parts[name].add_projected(frame, projection.finish())
