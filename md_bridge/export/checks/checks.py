"""Checks of a model: does it keep the promises that dynamics rely on?

Each check is a function that returns a :class:`Check`; :func:`run_checks` does them all. They run
in double precision where the model allows it, because finite differences of a large total energy
drown in the rounding of single precision.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ase
import numpy as np
import torch

from md_bridge.export.checks import structures as check_structures
from md_bridge.export.checks.calculator_runner import CalculatorRunner, open_predictor
from md_bridge.export.checks.derivatives import check_forces, check_stress
from md_bridge.export.checks.differences import rms
from md_bridge.export.checks.first_guess import check_first_guess
from md_bridge.export.checks.invariances import check_invariance, check_scripted
from md_bridge.export.checks.locality import check_isolated_atoms, check_locality
from md_bridge.export.checks.result import Check, judge
from md_bridge.export.checks.rotation import check_rotation
from md_bridge.export.checks.runner import Predictor, Runner
from md_bridge.export.checks.single_precision import check_single_precision
from md_bridge.export.checks.smoothness import check_smoothness_of_bulk, check_smoothness_of_dimers
from md_bridge.export.errors import ExportError
from md_bridge.export.structures import require_elements
from md_bridge.model_options import ModelOptions

__all__ = [
    "check_agreement",
    "check_corner_cases",
    "double_precision",
    "iterate_checks",
    "run_checks",
]


def check_corner_cases(runner: Predictor, elements: Sequence[int]) -> Check:
    """An isolated atom, a dimer at 0.5 Å, of a file no atoms: no crash, finite numbers.

    :param runner: the model, in the precision it will run in
    :param elements: atomic numbers to build the structures of
    """
    cases = {
        "isolated atom": ase.Atoms(numbers=elements[:1], positions=[[0, 0, 0]]),
        "isolated atom in a large cell": ase.Atoms(
            numbers=elements[:1], positions=[[0, 0, 0]], cell=[50] * 3, pbc=True
        ),
        "dimer at 0.5 Å": ase.Atoms(
            numbers=np.resize(elements, 2), positions=[[0, 0, 0], [0.5, 0, 0]]
        ),
    }
    if runner.takes_no_atoms:
        cases["empty structure"] = ase.Atoms(cell=[10] * 3, pbc=True)
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


def check_agreement(runner: Predictor, structures: Sequence[ase.Atoms]) -> Check | None:
    """How far direct forces are from conservative ones; None for a model without direct forces.

    :param runner: the model
    :param structures: of the kind that it is made for
    """
    if not runner.has_direct:
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
        f"mean absolute difference of the two kinds of forces, of {1e3 * rms(c):.0f} meV/Å rms; "
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
    """All checks of a model.

    :param path: of an exported model, or ``python:package.module:factory``
    :param structures: to check on; None: made for the elements of the model, which is enough for
        everything but the agreement of direct and conservative forces
    :param eager: the model before it was compiled (:py:class:`metatomic.torch.AtomisticModel`)
    :param model_options: variants, device, extensions and threads; without a variant, the unnamed
        one or the first if there is none
    :param progress: called with the name of each check before it starts
    :returns: what each check found, in the order in which they were made
    :raises ExportError: the file is no exported model, cannot do what ``model_options`` say, or
        does not know an element of ``structures``; a calculator does not say which elements it
        knows, and there are no structures
    :raises md_bridge.engine.ModelError: there is no such calculator
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
    """The checks of :func:`run_checks`, one after the other as they end.

    :param path: as for :func:`run_checks`, as all others
    :param structures: see there
    :param eager: see there
    :param model_options: see there
    :param progress: see there
    :raises ExportError: as :func:`run_checks`
    """
    if model_options.threads:
        torch.set_num_threads(model_options.threads)
    own = open_predictor(path, model_options)
    known = own.atomic_types
    made = structures is None
    if structures is not None:
        require_elements(structures, known, "the structures")
    elif isinstance(own, CalculatorRunner) and not own.names_elements:
        raise ExportError(
            f"the calculator of '{path}' does not say which elements it knows (atomic_numbers), so "
            "that no structures can be made up: name some of your dynamics"
        )
    elements, structures = check_structures.chosen(known, structures)
    runner = _precise(path, own, structures, model_options)

    steps: list[tuple[str, Callable[[], Check | None]]] = []
    if eager is not None:
        before = Runner(eager, model_options)
        steps.append(("scripted = eager", lambda: check_scripted(before, own, structures)))
    steps += [
        ("forces = -dE/dx", lambda: check_forces(runner, structures)),
        ("stress = dE/dstrain / V", lambda: check_stress(runner, structures)),
        ("translation", lambda: check_invariance("translation", runner, structures)),
        ("permutation", lambda: check_invariance("permutation", runner, structures)),
        ("order of pairs", lambda: check_invariance("order of pairs", runner, structures)),
        ("rotation", lambda: check_rotation(runner, structures)),
        ("batches", lambda: check_invariance("batches", runner, structures)),
        ("locality", lambda: check_locality(runner, elements)),
        ("smoothness of dimers", lambda: check_smoothness_of_dimers(runner, elements)),
        ("smoothness in bulk", lambda: check_smoothness_of_bulk(runner, structures[0])),
        ("isolated atoms", lambda: check_isolated_atoms(runner, elements)),
        ("single precision", lambda: _single_precision(own, runner, elements)),
        ("corner cases", lambda: check_corner_cases(own, elements)),
    ]
    if not made:
        steps.append(("direct = conservative", lambda: check_agreement(own, structures)))
        steps.append(("first guess of M", lambda: check_first_guess(own, structures)))
    for name, step in steps:
        if progress is not None:
            progress(name)
        if name in own.not_checked:
            why = f"not checked: {own.not_checked[name]}"
            yield Check(name, None, float("nan"), "", None, why)
            continue
        result = _attempt(name, step)
        if result is not None:
            yield result


def _precise(
    path: str | os.PathLike[str],
    own: Predictor,
    structures: Sequence[ase.Atoms],
    model_options: ModelOptions,
) -> Predictor:
    """The model in double precision, if it has any."""
    if isinstance(own, CalculatorRunner):
        own.find_precision(structures)
        return own
    return double_precision(path, structures, model_options)


def _single_precision(own: Predictor, double: Predictor, elements: Sequence[int]) -> Check:
    assert isinstance(own, Runner)  # others cannot be told an order of pairs
    assert isinstance(double, Runner)
    return check_single_precision(own, double, elements)


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
