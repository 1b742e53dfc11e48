"""How far an atom sees: not farther than the declared range, and nothing where nobody is near."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ase
import numpy as np

from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.differences import worst
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import Predictor

__all__ = ["check_isolated_atoms", "check_locality"]


def check_locality(runner: Predictor, elements: Sequence[int], seed: int = 0) -> Check:
    """Atoms outside the declared interaction range of an atom do not change its energy.

    :param runner: the model
    :param elements: atomic numbers of those to build a ball of
    :param seed: of the moves of the atoms outside
    """
    name = "locality"
    reach = runner.interaction_range
    if not np.isfinite(reach) or not runner.knows_atoms or not runner.cutoffs:
        why = (
            "the declared interaction range is infinite"
            if not np.isfinite(reach)
            else "the model gives no energies of atoms, or asks for no pairs"
        )
        return Check(name, None, float("nan"), "eV", None, f"not checked: {why}")
    change, size = _change_from_outside(runner, elements, reach, seed)
    tolerance = size * (1e-10 if runner.is_double else 1e-5)
    detail = (
        f"change of an atom's energy (or direct force) when atoms beyond the declared range of "
        f"{reach:.2f} Å move. If it fails, the range is declared too short (layers × cutoff), and "
        "parallel runs would be wrong: with files by metatrain in all engines but MD Bridge, which "
        "knows how far its PETs reach and takes more than such a file states"
    )
    if not change <= tolerance:
        detail += _right_range(runner, elements, seed)
    return judge(name, change, "eV", tolerance, detail)


def _change_from_outside(
    runner: Predictor, elements: Sequence[int], reach: float, seed: int
) -> tuple[float, float]:
    """What an atom notices when others move that are farther away than ``reach``, Å.

    :returns: change of its energy (or direct force, if larger), and the size of its energy
    """
    cutoff = runner.cutoffs[-1]
    largest, size = 0.0, 1.0
    for near in (
        check_structures.ball(elements, reach + cutoff, 0.6 * cutoff),
        check_structures.star(elements, reach + cutoff, cutoff),
    ):
        far = _with_others_outside(near, reach, seed)
        a, b = (runner.evaluate([atoms], conservative=False)[0] for atoms in (near, far))
        largest = worst(largest, abs(a.energies[0] - b.energies[0]))
        if a.direct_forces is not None and b.direct_forces is not None:
            direct = np.abs(a.direct_forces[0] - b.direct_forces[0]).max()
            largest = worst(largest, float(direct))
        size = max(size, abs(a.energies[0]))
    return largest, size


def _with_others_outside(near: ase.Atoms, reach: float, seed: int) -> ase.Atoms:
    """A copy in which all atoms beyond ``reach`` (Å) of the first have moved or are gone."""
    distances = near.get_distances(0, np.arange(len(near)))
    outside = np.flatnonzero(distances > reach)
    far = near.copy()
    directions = near.positions[outside] / distances[outside, None]
    generator = np.random.default_rng(seed)
    far.positions[outside] += directions * generator.uniform(0.2, 0.5, (len(outside), 1))
    del far[outside[::3]]
    return far


def _right_range(runner: Predictor, elements: Sequence[int], seed: int, most: int = 8) -> str:
    """The first multiple of the cutoff that is a true range, as advice."""
    cutoff = runner.cutoffs[-1]
    if _feels_everything(runner, elements):
        return (
            ". It feels atoms however far away, as with long-range electrostatics: state that with "
            "md-bridge export (--interaction-range inf); such a model runs on one MPI rank"
        )
    for layers in range(math.floor(runner.interaction_range / cutoff) + 1, most + 1):
        change, size = _change_from_outside(runner, elements, layers * cutoff, seed)
        if change <= size * (1e-10 if runner.is_double else 1e-5):
            return (
                f". It holds for {layers} × the cutoff = {layers * cutoff:g} Å: state that with "
                f"md-bridge export (--layers {layers}, or --interaction-range "
                f"{layers * cutoff:g})"
            )
    return f". Even {most} × the cutoff is too short"


def _feels_everything(runner: Predictor, elements: Sequence[int]) -> bool:
    """Whether an atom notices others at 20 times the cutoff, where no messages come from."""
    here, there = check_structures.cluster(elements), check_structures.cluster(elements)
    energies = []
    for distance in (20 * runner.cutoffs[-1], 25 * runner.cutoffs[-1]):
        moved = there.copy()
        moved.positions[:, 0] += distance
        energies.append(runner.evaluate([here + moved], conservative=False)[0].energies[0])
    tolerance = max(abs(energies[0]), 1.0) * (1e-10 if runner.is_double else 1e-5)
    return not abs(energies[0] - energies[1]) <= tolerance


def check_isolated_atoms(runner: Predictor, elements: Sequence[int]) -> Check:
    """An atom without neighbours has the same energy alone and beside other atoms, far away.

    :param runner: the model
    :param elements: atomic numbers of the atoms
    """
    largest = 0.0
    far = 3 * max([runner.interaction_range, *runner.cutoffs, 10.0])
    far = far if np.isfinite(far) else 100.0
    for element in elements:
        alone = ase.Atoms(numbers=[element], positions=[[0, 0, 0]])
        company = check_structures.cluster(elements)
        company.positions += far
        beside = runner.energy(alone + company) - runner.energy(company)
        largest = worst(largest, abs(runner.energy(alone) - beside))
    return judge(
        "isolated atoms",
        largest,
        "eV",
        1e-6 if runner.is_double else 1e-3,
        "change of the energy of an atom without neighbours when there are others, far away. If it "
        "fails, the energy jumps when an atom loses its last neighbour (in a gas, at a surface)",
    )
