"""Checks of an exported model: does it keep the promises that dynamics rely on?

Each check is a function that returns a :class:`Check`; :func:`run_checks` does them all. They run
in double precision where the model allows it, because finite differences of a large total energy
drown in the rounding of single precision.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ase
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.first_guess import check_first_guess
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.runner import Prediction, Runner
from md_bridge.export.checks.smoothness import check_smoothness_of_bulk, check_smoothness_of_dimers
from md_bridge.export.errors import ExportError
from md_bridge.export.structures import require_elements
from md_bridge.model_options import ModelOptions


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _worst(*values: float) -> float:
    """The largest value; NaN if there is one, which Python's own ``max`` may pass over."""
    return float(np.max(values))


def _relative(difference: np.ndarray | float, scale: np.ndarray | float) -> float:
    """Largest difference over the rms of the scale, which is taken as 1e-8 at least."""
    largest = float(np.max(np.abs(difference), initial=0.0))
    return largest / max(_rms(np.atleast_1d(scale)), 1e-8)


def check_scripted(eager: Runner, scripted: Runner, structures: Sequence[ase.Atoms]) -> Check:
    """The compiled file gives the numbers of the Python module it was made from."""
    worst = 0.0
    for a, b in zip(eager.evaluate(structures), scripted.evaluate(structures), strict=True):
        worst = _worst(worst, _largest_difference(a, b))
    return judge(
        "scripted = eager",
        worst,
        "",
        1e-9 if scripted.is_double else 1e-4,
        "largest difference of energies, forces and stresses, relative to their size",
    )


def _largest_difference(a: Prediction, b: Prediction) -> float:
    worst = _relative(a.energies - b.energies, np.maximum(np.abs(b.energies), 1.0))
    for x, y in (
        (a.forces, b.forces),
        (a.stress, b.stress),
        (a.direct_forces, b.direct_forces),
        (a.direct_stress, b.direct_stress),
    ):
        if x is not None and y is not None:
            worst = _worst(worst, _relative(x - y, max(_rms(y), 1e-3)))
    return worst


def check_forces(runner: Runner, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Conservative forces are minus the derivative of the energy, along random displacements."""
    generator = np.random.default_rng(seed)
    step = 1e-5 if runner.is_double else 1e-2
    worst = 0.0
    for atoms in structures:
        (prediction,) = runner.evaluate([atoms], direct=False)
        assert prediction.forces is not None
        for _ in range(4):
            direction = generator.standard_normal((len(atoms), 3))
            up, down = atoms.copy(), atoms.copy()
            up.positions += step * direction
            down.positions -= step * direction
            slope = (runner.energy(up) - runner.energy(down)) / (2 * step)
            work = np.sum(prediction.forces * direction)
            # the size that such a sum of independent terms has
            size = max(float(np.linalg.norm(prediction.forces)), 1e-3)
            worst = _worst(worst, abs(slope + work) / size)
    return judge(
        "forces = -dE/dx",
        worst,
        "",
        1e-4 if runner.is_double else 5e-2,
        "error of the conservative forces against finite differences, relative to their size. If "
        "it fails, a part of the energy is detached from the positions, or the energy jumps",
    )


def check_stress(runner: Runner, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Conservative stress is the derivative of the energy with respect to the strain, over V."""
    name = "stress = dE/dstrain / V"
    if not any(atoms.pbc.all() for atoms in structures):
        why = "not checked: no structure is periodic in all directions"
        return Check(name, None, float("nan"), "", None, why)
    generator = np.random.default_rng(seed)
    step = 1e-6 if runner.is_double else 2e-3
    worst = 0.0
    for atoms in structures:
        if not atoms.pbc.all():
            continue
        (prediction,) = runner.evaluate([atoms], direct=False)
        assert prediction.stress is not None
        for _ in range(3):
            strain = generator.uniform(-1, 1, (3, 3))
            strain = 0.5 * (strain + strain.T)
            moved = []
            for sign in (1, -1):
                copy = atoms.copy()
                copy.set_cell(atoms.cell[:] @ (np.eye(3) + sign * step * strain), scale_atoms=True)
                moved.append(copy)
            slope = (runner.energy(moved[0]) - runner.energy(moved[1])) / (2 * step)
            slope /= atoms.get_volume()
            size = max(float(np.linalg.norm(prediction.stress)), 1e-4)
            worst = _worst(worst, abs(slope - np.sum(prediction.stress * strain)) / size)
    return judge(
        name,
        worst,
        "",
        1e-4 if runner.is_double else 5e-2,
        "error of the conservative stress against finite differences, relative to its size. If it "
        "fails, a part of the energy is detached from the cell, or the energy jumps",
    )


def check_translation(runner: Runner, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Nothing changes when all atoms move together, and come back into the cell."""
    generator = np.random.default_rng(seed)
    moved = []
    for atoms in structures:
        copy = atoms.copy()
        copy.positions += generator.uniform(-5, 5, 3)
        copy.wrap()
        moved.append(copy)
    worst = _worst(
        *(
            _largest_difference(a, b)
            for a, b in zip(runner.evaluate(moved), runner.evaluate(structures), strict=True)
        )
    )
    return judge(
        "translation",
        worst,
        "",
        1e-8 if runner.is_double else 1e-3,
        "largest change of energies, forces and stresses when the structure moves as a whole, "
        "relative to their size",
    )


def check_permutation(runner: Runner, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """Atoms in another order have the same energies and forces."""
    generator = np.random.default_rng(seed)
    worst = 0.0
    for atoms, before in zip(structures, runner.evaluate(structures), strict=True):
        order = generator.permutation(len(atoms))
        (after,) = runner.evaluate([atoms[order]])
        worst = _worst(worst, _largest_difference(after, _permuted(before, order)))
    return judge(
        "permutation",
        worst,
        "",
        1e-8 if runner.is_double else 1e-3,
        "largest change of energies, forces and stresses when the atoms are listed in another "
        "order, relative to their size. If it fails, the order of atoms or pairs has an influence: "
        "LAMMPS changes it all the time",
    )


def _permuted(prediction: Prediction, order: np.ndarray) -> Prediction:
    def take(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None or len(values) != len(order) else values[order]

    return Prediction(
        energies=prediction.energies[order]
        if len(prediction.energies) == len(order)
        else prediction.energies,
        forces=take(prediction.forces),
        stress=prediction.stress,
        direct_forces=take(prediction.direct_forces),
        direct_stress=prediction.direct_stress,
    )


def check_rotation(runner: Runner, structures: Sequence[ase.Atoms], seed: int = 0) -> Check:
    """How much forces change in a rotated frame: measured, unconstrained models only learn it."""
    rotation = Rotation.random(random_state=seed).as_matrix()
    errors, sizes = [], []
    for atoms, before in zip(structures, runner.evaluate(structures), strict=True):
        rotated = atoms.copy()
        rotated.set_cell(atoms.cell[:] @ rotation)
        rotated.positions = atoms.positions @ rotation
        (after,) = runner.evaluate([rotated])
        old = before.direct_forces if before.direct_forces is not None else before.forces
        new = after.direct_forces if after.direct_forces is not None else after.forces
        assert old is not None
        assert new is not None
        errors.append(new - old @ rotation)
        sizes.append(old)
    kind = "direct" if runner.force_output else "conservative"
    value = _rms(np.concatenate(errors)) / max(_rms(np.concatenate(sizes)), 1e-8)
    return Check(
        "rotation",
        None,
        value,
        "",
        None,
        f"rms change of the {kind} forces in a rotated frame, relative to their size",
    )


def check_batches(runner: Runner, structures: Sequence[ase.Atoms]) -> Check:
    """Structures evaluated together and one by one give the same."""
    together = runner.evaluate(structures)
    worst = 0.0
    for atoms, a in zip(structures, together, strict=True):
        (b,) = runner.evaluate([atoms])
        worst = _worst(worst, _largest_difference(a, b))
    return judge(
        "batches",
        worst,
        "",
        1e-8 if runner.is_double else 1e-3,
        "largest difference between structures evaluated together and one by one, relative to "
        "their size. If it fails, structures of a batch see each other (check the structure index)",
    )


def check_locality(runner: Runner, elements: Sequence[int], seed: int = 0) -> Check:
    """Atoms outside the declared interaction range of an atom do not change its energy."""
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
        "parallel runs would be wrong"
    )
    if not change <= tolerance:
        detail += _right_range(runner, elements, seed)
    return judge(name, change, "eV", tolerance, detail)


def _change_from_outside(
    runner: Runner, elements: Sequence[int], reach: float, seed: int
) -> tuple[float, float]:
    """What an atom notices when others move that are farther away than ``reach``, Å.

    :returns: change of its energy (or direct force, if larger), and the size of its energy
    """
    cutoff = runner.cutoffs[-1]
    near = check_structures.ball(elements, reach + cutoff, 0.6 * cutoff)
    distances = near.get_distances(0, np.arange(len(near)))
    outside = np.flatnonzero(distances > reach)
    far = near.copy()
    directions = near.positions[outside] / distances[outside, None]
    generator = np.random.default_rng(seed)
    far.positions[outside] += directions * generator.uniform(0.2, 0.5, (len(outside), 1))
    del far[outside[::3]]
    a, b = runner.evaluate([near], conservative=False) + runner.evaluate([far], conservative=False)
    change = abs(a.energies[0] - b.energies[0])
    if a.direct_forces is not None and b.direct_forces is not None:
        change = _worst(change, float(np.abs(a.direct_forces[0] - b.direct_forces[0]).max()))
    return change, max(abs(a.energies[0]), 1.0)


def _right_range(runner: Runner, elements: Sequence[int], seed: int, most: int = 8) -> str:
    """The first multiple of the cutoff that is a true range, as advice."""
    cutoff = runner.cutoffs[-1]
    for layers in range(math.floor(runner.interaction_range / cutoff) + 1, most + 1):
        change, size = _change_from_outside(runner, elements, layers * cutoff, seed)
        if change <= size * (1e-10 if runner.is_double else 1e-5):
            return (
                f". It holds for {layers} × the cutoff = {layers * cutoff:g} Å: state that with "
                f"md-bridge export (--layers {layers}, or --interaction-range "
                f"{layers * cutoff:g})"
            )
    return f". Even {most} × the cutoff is too short"


def check_isolated_atoms(runner: Runner, elements: Sequence[int]) -> Check:
    """An atom without neighbours has the same energy alone and beside other atoms, far away."""
    worst = 0.0
    far = 3 * max([runner.interaction_range, *runner.cutoffs, 10.0])
    far = far if np.isfinite(far) else 100.0
    for element in elements:
        alone = ase.Atoms(numbers=[element], positions=[[0, 0, 0]])
        company = check_structures.cluster(elements)
        company.positions += far
        beside = runner.energy(alone + company) - runner.energy(company)
        worst = _worst(worst, abs(runner.energy(alone) - beside))
    return judge(
        "isolated atoms",
        worst,
        "eV",
        1e-6 if runner.is_double else 1e-3,
        "change of the energy of an atom without neighbours when there are others, far away. If it "
        "fails, the energy jumps when an atom loses its last neighbour (in a gas, at a surface)",
    )


def check_corner_cases(runner: Runner, elements: Sequence[int]) -> Check:
    """An isolated atom, a dimer at 0.5 Å, an empty structure: no crash, finite numbers."""
    cases = {
        "isolated atom": ase.Atoms(numbers=elements[:1], positions=[[0, 0, 0]]),
        "isolated atom in a large cell": ase.Atoms(
            numbers=elements[:1], positions=[[0, 0, 0]], cell=[50] * 3, pbc=True
        ),
        "dimer at 0.5 Å": ase.Atoms(
            numbers=np.resize(elements, 2), positions=[[0, 0, 0], [0.5, 0, 0]]
        ),
        "empty structure": ase.Atoms(cell=[10] * 3, pbc=True),
    }
    problems = []
    for name, atoms in cases.items():
        try:
            (prediction,) = runner.evaluate([atoms])
        except Exception as error:
            problems.append(f"{name}: {_reason(error)}")
            continue
        values = [prediction.energies, prediction.forces, prediction.direct_forces]
        if not all(np.isfinite(v).all() for v in values if v is not None):
            problems.append(f"{name}: not a finite number")
    detail = "; ".join(problems) if problems else ", ".join(cases)
    return judge("corner cases", len(problems), "failures", 0, detail)


def check_agreement(runner: Runner, structures: Sequence[ase.Atoms]) -> Check | None:
    """How far direct forces are from conservative ones; None for a model without direct forces."""
    if runner.force_output is None:
        return None
    direct, conservative = [], []
    for prediction in runner.evaluate(structures):
        assert prediction.forces is not None
        assert prediction.direct_forces is not None
        direct.append(prediction.direct_forces - prediction.direct_forces.mean(axis=0))
        conservative.append(prediction.forces)
    d, c = np.concatenate(direct), np.concatenate(conservative)
    norms = np.linalg.norm(d, axis=1) * np.linalg.norm(c, axis=1)
    cosine = np.mean(np.sum(d * c, axis=1) / np.maximum(norms, 1e-12))
    mae = 1e3 * float(np.mean(np.abs(d - c)))
    return Check(
        "direct = conservative",
        None,
        mae,
        "meV/Å",
        None,
        f"mean absolute difference of the two kinds of forces, of {1e3 * _rms(c):.0f} meV/Å rms; "
        f"mean cosine {cosine:.4f}",
    )


def double_precision(
    path: str | os.PathLike[str],
    structures: Sequence[ase.Atoms],
    model_options: ModelOptions = ModelOptions(),
) -> Runner:
    """The model in double precision, if that works and gives the same energies; else as it is.

    :param path: of an exported model
    :param structures: to compare the energies on
    :param model_options: variants, device and extensions
    :raises ExportError: as :class:`Runner`
    """
    single = Runner(path, model_options)
    if single.is_double:
        return single
    try:
        expected = [single.energy(atoms) for atoms in structures]
        double = Runner(path, model_options, double=True)
        found = [double.energy(atoms) for atoms in structures]
    except Exception:  # whatever a model that insists on single precision does; each check says it
        return single
    return double if np.allclose(found, expected, rtol=1e-4, atol=1e-2) else single


def run_checks(
    path: str | os.PathLike[str],
    structures: Sequence[ase.Atoms] | None = None,
    *,
    eager: Any = None,
    model_options: ModelOptions = ModelOptions(),
    progress: Callable[[str], None] | None = None,
) -> list[Check]:
    """All checks of the exported model at ``path``.

    :param structures: to check on; None: made for the elements of the model, which is enough for
        everything but the agreement of direct and conservative forces
    :param eager: the model before it was compiled (:py:class:`metatomic.torch.AtomisticModel`)
    :param model_options: variants, device, extensions and threads; without a variant, the unnamed
        one or the first if there is none
    :param progress: called with the name of each check before it starts
    :returns: what each check found, in the order in which they were made
    :raises ExportError: the file is no exported model, cannot do what ``model_options`` say, or
        does not know an element of ``structures``
    """
    return list(
        iterate_checks(
            path, structures, eager=eager, model_options=model_options, progress=progress
        )
    )


def iterate_checks(
    path: str | os.PathLike[str],
    structures: Sequence[ase.Atoms] | None = None,
    *,
    eager: Any = None,
    model_options: ModelOptions = ModelOptions(),
    progress: Callable[[str], None] | None = None,
) -> Iterator[Check]:
    """The checks of :func:`run_checks`, one after the other as they end; with its arguments."""
    if model_options.threads:
        torch.set_num_threads(model_options.threads)
    own = Runner(path, model_options)
    known = own.capabilities.atomic_types
    made = structures is None
    if structures is None:
        elements = check_structures.choose_elements(known)
        structures = [check_structures.lattice(elements), check_structures.cluster(elements)]
    else:
        require_elements(structures, known, "the structures")
        used = {int(number) for atoms in structures for number in atoms.numbers}
        elements = check_structures.choose_elements(sorted(used) or known)
    runner = double_precision(path, structures, model_options)

    steps: list[tuple[str, Callable[[], Check | None]]] = []
    if eager is not None:
        python = Runner(eager, model_options)
        steps.append(("scripted = eager", lambda: check_scripted(python, own, structures)))
    steps += [
        ("forces = -dE/dx", lambda: check_forces(runner, structures)),
        ("stress = dE/dstrain / V", lambda: check_stress(runner, structures)),
        ("translation", lambda: check_translation(runner, structures)),
        ("permutation", lambda: check_permutation(runner, structures)),
        ("rotation", lambda: check_rotation(runner, structures)),
        ("batches", lambda: check_batches(runner, structures)),
        ("locality", lambda: check_locality(runner, elements)),
        ("smoothness of dimers", lambda: check_smoothness_of_dimers(runner, elements)),
        ("smoothness in bulk", lambda: check_smoothness_of_bulk(runner, structures[0])),
        ("isolated atoms", lambda: check_isolated_atoms(runner, elements)),
        ("corner cases", lambda: check_corner_cases(own, elements)),
    ]
    if not made:
        steps.append(("direct = conservative", lambda: check_agreement(own, structures)))
        steps.append(("first guess of M", lambda: check_first_guess(own, structures)))
    for name, step in steps:
        if progress is not None:
            progress(name)
        result = _attempt(name, step)
        if result is not None:
            yield result


def _attempt(name: str, step: Callable[[], Check | None]) -> Check | None:
    """What a check finds; a model that raises an exception has failed it."""
    try:
        return step()
    except ExportError:
        raise
    except Exception as error:
        return Check(name, False, float("nan"), "", None, f"the model failed: {_reason(error)}")


def _reason(error: Exception) -> str:
    """The last line, which is the user's where torch prints a trace of the model's code."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1]
