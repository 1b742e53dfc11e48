"""Search for jumps of the energy and of the forces along paths, such as an atom crossing a cutoff.

A jump of the energy is a kick that no force accounts for: it heats. On a path x(λ), the change of
the energy over a short interval equals the work of the forces (trapezoidal rule) up to the third
power of its length, and the forces at its ends are equal up to the first. The interval with the
largest mismatch is halved again and again, always keeping the worse half. In the end both halves
of a smooth function have the same small mismatch, while a jump is in one of them alone: their
difference is its height.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase.data import chemical_symbols, covalent_radii

from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import Prediction, Predictor

__all__ = ["Jump", "check_smoothness_of_bulk", "check_smoothness_of_dimers", "find_jumps"]

ENERGY_JUMP = 1e-5  # eV
FORCE_JUMP = 1e-3  # eV/Å
SMALLEST_INTERVAL = 1e-6  # Å

Path = Callable[[float], ase.Atoms]


@dataclass
class Jump:
    """The largest jumps on a path.

    :param energy: height of that of the energy, eV
    :param energy_at: λ where it is, Å
    :param force: height of that of the forces, eV/Å
    :param force_at: λ where it is, Å
    """

    energy: float
    energy_at: float
    force: float
    force_at: float


@dataclass
class _Point:
    energy: float
    slope: float  # dE/dλ from the forces, eV/Å
    forces: np.ndarray


def find_jumps(
    runner: Predictor, path: Path, moving: int, direction: np.ndarray, grid: Sequence[float]
) -> Jump:
    """Largest jumps on a path along which one atom moves.

    :param runner: the model
    :param path: the structure at λ (Å), with all atoms but ``moving`` at rest
    :param moving: index of the atom that moves
    :param direction: ``[3]``, unit vector along which ``moving`` moves
    :param grid: λ where to look first; jumps between two of them are found too
    """

    def evaluate(positions: Sequence[float]) -> list[_Point]:
        # one structure at a time, as in dynamics: in a batch they could see each other
        predictions = [runner.evaluate([path(x)], direct=False)[0] for x in positions]
        return [_point(prediction, moving, direction) for prediction in predictions]

    points = evaluate(grid)
    energy_gap = [_energy_gap(grid[k : k + 2], points[k : k + 2]) for k in range(len(grid) - 1)]
    force_gap = [_force_gap(points[k : k + 2]) for k in range(len(grid) - 1)]

    energy = _bisect(evaluate, grid, points, _suspects(energy_gap), _energy_gap)
    force = _bisect(evaluate, grid, points, _suspects(force_gap), lambda _, ends: _force_gap(ends))
    return Jump(*energy, *force)


def _point(prediction: Prediction, moving: int, direction: np.ndarray) -> _Point:
    assert prediction.forces is not None
    return _Point(
        prediction.energy,
        -float(prediction.forces[moving] @ direction),
        prediction.forces,
    )


def _energy_gap(ends: Sequence[float], points: Sequence[_Point]) -> float:
    work = 0.5 * (points[0].slope + points[1].slope) * (ends[1] - ends[0])
    return abs(points[1].energy - points[0].energy - work)


def _force_gap(points: Sequence[_Point]) -> float:
    return float(np.abs(points[1].forces - points[0].forces).max())


def _suspects(gaps: Sequence[float], most: int = 2) -> list[int]:
    """Intervals that deserve a closer look: the largest gaps, and those that stand out."""
    values = np.asarray(gaps)
    left, right = np.r_[np.inf, values[:-1]], np.r_[values[1:], np.inf]
    prominence = values / (np.minimum(left, right) + 1e-300)
    return sorted({*np.argsort(values)[-most:], *np.argsort(prominence)[-most:]})


def _bisect(
    evaluate: Callable[[Sequence[float]], list[_Point]],
    grid: Sequence[float],
    points: list[_Point],
    suspects: list[int],
    gap: Callable[[Sequence[float], Sequence[_Point]], float],
) -> tuple[float, float]:
    """Height and place of the largest gap that is left in the suspects, all halved together."""
    intervals = [((grid[k], grid[k + 1]), (points[k], points[k + 1])) for k in suspects]
    heights: list[float] = []
    while max(ends[1] - ends[0] for ends, _ in intervals) > SMALLEST_INTERVAL:
        middles = [0.5 * (ends[0] + ends[1]) for ends, _ in intervals]
        halved, heights = [], []
        for (ends, (a, b)), x, middle in zip(intervals, middles, evaluate(middles), strict=True):
            halves = [((ends[0], x), (a, middle)), ((x, ends[1]), (middle, b))]
            gaps = [gap(*half) for half in halves]
            halved.append(halves[int(np.argmax(gaps))])
            heights.append(abs(gaps[0] - gaps[1]))
        intervals = halved
    worst = int(np.argmax(heights))
    return heights[worst], float(np.mean(intervals[worst][0]))


def check_smoothness_of_dimers(runner: Predictor, elements: Sequence[int]) -> Check:
    """Two atoms pulled apart until they no longer see each other: no jump on the way.

    :param runner: the model
    :param elements: atomic numbers; all pairs of them are pulled apart
    """
    if not runner.is_double:
        return _not_checked("smoothness of dimers")
    jumps: list[tuple[str, Jump]] = []
    for i, a in enumerate(elements):
        for b in elements[i:]:
            start = 0.8 * (covalent_radii[a] + covalent_radii[b])
            end = (runner.cutoffs[-1] if runner.cutoffs else 5.0) + 0.3

            def path(x: float, pair: tuple[int, int] = (a, b)) -> ase.Atoms:
                return ase.Atoms(numbers=pair, positions=[[0, 0, 0], [x, 0, 0]])

            grid = np.linspace(min(start, 0.5 * end), end, 49).tolist()
            found = find_jumps(runner, path, 1, np.array([1.0, 0.0, 0.0]), grid)
            jumps.append((f"{chemical_symbols[a]}-{chemical_symbols[b]} at", found))
    return _verdict("smoothness of dimers", jumps)


def check_smoothness_of_bulk(runner: Predictor, atoms: ase.Atoms, seed: int = 0) -> Check:
    """One atom moved 1 Å through a structure, in and out of many cutoffs: no jump on the way.

    :param runner: the model
    :param atoms: the structure
    :param seed: which atom moves, and where to
    """
    if not runner.is_double:
        return _not_checked("smoothness in bulk")
    if len(atoms) == 0:
        why = "not checked: the first structure has no atoms"
        return Check("smoothness in bulk", None, float("nan"), "", None, why)
    generator = np.random.default_rng(seed)
    direction = generator.standard_normal(3)
    direction /= np.linalg.norm(direction)
    moving = int(generator.integers(len(atoms)))

    def path(x: float) -> ase.Atoms:
        moved = atoms.copy()
        moved.positions[moving] += x * direction
        return moved

    grid = np.linspace(-0.5, 0.5, 25).tolist()
    symbol = chemical_symbols[atoms.numbers[moving]]
    found = find_jumps(runner, path, moving, direction, grid)
    return _verdict("smoothness in bulk", [(f"{symbol} atom {moving} moved by", found)])


def _not_checked(name: str) -> Check:
    return Check(
        name, None, float("nan"), "", None, "not checked: the model runs in single precision only"
    )


def _verdict(name: str, jumps: Sequence[tuple[str, Jump]]) -> Check:
    # unlike max(), argmax() and numpy's max() find a NaN
    energy_at, energy = jumps[int(np.argmax([jump.energy for _, jump in jumps]))]
    force_at, force = jumps[int(np.argmax([jump.force for _, jump in jumps]))]
    # one number for both: in units of what is allowed
    value = float(np.max([energy.energy / ENERGY_JUMP, force.force / FORCE_JUMP]))
    return judge(
        name,
        value,
        "× allowed",
        1.0,
        f"largest jumps: energy {1e3 * energy.energy:.2g} meV ({energy_at} {energy.energy_at:.3f} "
        f"Å), force {1e3 * force.force:.2g} meV/Å ({force_at} {force.force_at:.3f} Å); allowed: "
        f"{1e3 * ENERGY_JUMP:g} meV and {1e3 * FORCE_JUMP:g} meV/Å. If it fails, something ends "
        "abruptly there, as at a cutoff without an envelope or at a limit on the number of "
        "neighbours, and dynamics heat, however small the step: let what a neighbour contributes "
        "fade to zero before it is gone",
    )
