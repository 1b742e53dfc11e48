"""Whether the arithmetic of a model is as precise as its file says.

Two looks, since each misses what the other sees. Forces in the file's precision against those in
double precision, atom by atom, find what goes wrong in single precision alone. A cast to half
precision in the code of the model stays there when the file is converted, and both have its errors;
but then the forces are a staircase. For a smooth function f along a line and

    D(h) = f(h) + f(−h) − 2 f(0),    D(h) − 4 D(h/2) = O(h⁴),

which is far below the rounding of float32 for h = 0.001 Å, whatever the stiffness; of a staircase
it is as large as some steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.certify.findings import Finding, judged, of_check, skipped
from md_bridge.certify.subject import Subject
from md_bridge.export.checks.differences import rms, worst
from md_bridge.export.checks.runner import Prediction, Runner
from md_bridge.export.checks.single_precision import check_single_precision

__all__ = ["precision"]

_SINGLE = 1e-4
"""Allowed difference of a force in float32 and float64, in terms of the forces: float32 has seven
digits, networks lose one or two of them, half precision has three."""
_STEPS = 1e-3
"""Allowed height of the steps of forces, likewise."""
_STEPS_IN_SINGLE = 5e-3
"""The same where a model cannot be had in double precision: the formula makes its rounding ten
times larger (of CHGNet to 0.002), and that of half precision to more than 0.01."""
_SMALL_FORCE = 0.1
"""Forces of less are taken for this (eV/Å, rms): they vanish in a crystal at rest."""
_STEP = 1e-3  # Å
_COMPILED_DOUBLE = 1e-8
"""Allowed difference of compiled functions in double precision, in terms of the forces."""
_COMPILED = "compiled = TorchScript"
_NAMES = ("float32 = float64", "rounding of forces")


def precision(subject: Subject) -> Iterator[Finding]:
    """Forces in two precisions, atom by atom, and the steps in them.

    :param subject: the model
    """
    if subject.is_python:
        yield skipped(_NAMES[0], "Python evaluates the model, in the precision that it chooses")
    else:
        yield _two_precisions(subject)
    if subject.is_compiled:
        yield _compiled(subject)
    yield _staircase(subject)
    own, double = subject.own, subject.double
    if isinstance(own, Runner) and isinstance(double, Runner):  # what Python evaluates is neither
        yield of_check(check_single_precision(own, double, subject.elements))


def _two_precisions(subject: Subject) -> Finding:
    name = _NAMES[0]
    if subject.own.is_double:
        return skipped(name, "the file is in double precision")
    try:
        double = Runner(subject.model, subject.request.model_options, double=True)
        exact = double.evaluate(subject.structures)
    except Exception as error:  # whatever a model that insists on single precision does
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return skipped(name, f"the model cannot be converted to double precision ({reason})")
    # of a compiled file it is the compiled functions that run
    runner = subject.own if subject.is_file_alone else subject.as_hosts
    found = runner.evaluate(subject.structures)
    errors = [_error_of_atoms(one, other) for one, other in zip(found, exact, strict=True)]
    scale = _scale(exact)
    flat = np.concatenate(errors)
    largest = worst(0.0, *flat)
    structure, atom = _place_of_largest(errors)
    symbol = subject.structures[structure].get_chemical_symbols()[atom] if flat.size else "-"
    return judged(
        name,
        bool(largest <= _SINGLE * scale),
        f"≤ {1e3 * _SINGLE * scale:.2g} meV/Å",
        f"{1e3 * largest:.2g} meV/Å",
        f"largest error of the force on an atom in the precision of the file, here of {symbol} "
        f"{atom} of structure {structure}; rms over all {len(flat)} atoms "
        f"{1e3 * rms(flat):.2g} meV/Å, of forces of {1e3 * scale:.3g} meV/Å. If it fails, the "
        "file's own precision is not enough: something in it is in half precision, or large "
        "numbers cancel. Export it in double precision (md-bridge export --dtype float64), or take "
        "the cast out of the model",
        largest_meV_per_angstrom=1e3 * largest,
        rms_meV_per_angstrom=1e3 * rms(flat),
        allowed_meV_per_angstrom=1e3 * _SINGLE * scale,
        element=symbol,
        atom=atom,
        structure=structure,
    )


def _compiled(subject: Subject) -> Finding:
    """The compiled functions against the TorchScript model that the file carries."""
    found = subject.as_hosts.evaluate(subject.structures)
    expected = subject.double.evaluate(subject.structures)
    double = subject.as_hosts.is_double
    allowed = _COMPILED_DOUBLE if double else _SINGLE
    scale = _scale(expected)
    errors = np.concatenate(
        [_error_of_atoms(one, other) for one, other in zip(found, expected, strict=True)]
    )
    energy = worst(
        0.0,
        *(
            abs(one.energy - other.energy) / (abs(other.energy) + len(atoms))
            for one, other, atoms in zip(found, expected, subject.structures, strict=True)
        ),
    )
    largest = worst(0.0, *errors)
    return judged(
        _COMPILED,
        bool(largest <= allowed * scale and energy <= allowed),
        f"≤ {1e3 * allowed * scale:.2g} meV/Å",
        f"{1e3 * largest:.2g} meV/Å",
        f"largest difference of the force on an atom, of either kind, between the compiled "
        f"functions and the TorchScript model in the file{'' if double else ' in double precision'}"
        f", of forces of {1e3 * scale:.3g} meV/Å; of the energy {energy:.1g} of its size. The "
        "checks of derivatives, range, smoothness and the order of pairs look at the TorchScript "
        "model, all others at the compiled functions. If it fails, the two are of different "
        "models: compile it again (md-bridge compile)",
        largest_meV_per_angstrom=1e3 * largest,
        allowed_meV_per_angstrom=1e3 * allowed * scale,
        relative_energy=energy,
    )


def _error_of_atoms(found: Prediction, exact: Prediction) -> NDArray[np.float64]:
    """Length of the error of the force on each atom, [N], eV/Å; of the worse kind of forces."""
    assert found.forces is not None
    assert exact.forces is not None
    errors = np.linalg.norm(found.forces - exact.forces, axis=1)
    if found.direct_forces is not None and exact.direct_forces is not None:
        direct = np.linalg.norm(found.direct_forces - exact.direct_forces, axis=1)
        errors = np.maximum(errors, direct)  # of a NaN, NaN
    return errors


def _scale(predictions: list[Prediction]) -> float:
    forces = [each.forces for each in predictions if each.forces is not None]
    return max(rms(np.concatenate(forces)), _SMALL_FORCE)


def _place_of_largest(errors: list[NDArray[np.float64]]) -> tuple[int, int]:
    sizes = [float(np.max(values, initial=0.0)) for values in errors]
    structure = int(np.argmax(sizes))
    return structure, int(np.argmax(errors[structure])) if errors[structure].size else 0


def _staircase(subject: Subject, seed: int = 0) -> Finding:
    name = _NAMES[1]
    generator = np.random.default_rng(seed)
    atoms = next((each for each in subject.structures if len(each) > 1), None)
    if atoms is None:
        return skipped(name, "no structure has two atoms")
    direction = generator.standard_normal((len(atoms), 3))

    def forces(displacement: float) -> NDArray[np.float64]:
        (found,) = subject.double.evaluate([_moved(atoms, displacement * direction)])
        kinds = [found.forces, found.direct_forces]
        return np.stack([each for each in kinds if each is not None])

    here = forces(0.0)

    def second_difference(step: float) -> NDArray[np.float64]:
        return forces(step) + forces(-step) - 2.0 * here

    heights = np.abs(second_difference(_STEP) - 4.0 * second_difference(0.5 * _STEP))
    largest = float(heights.max())
    share = _STEPS if subject.double.is_double else _STEPS_IN_SINGLE
    allowed = share * max(rms(here[0]), _SMALL_FORCE)
    return judged(
        name,
        bool(largest <= allowed),
        f"≤ {1e3 * allowed:.2g} meV/Å",
        f"{1e3 * largest:.2g} meV/Å",
        f"steps of the forces where atoms move by {_STEP:g} Å, in which a smooth function has "
        "none. If it fails, something inside the model is computed in half precision (float16 or "
        "bfloat16), and dynamics on it heat: export it without casts and without autocast",
        largest_meV_per_angstrom=1e3 * largest,
        allowed_meV_per_angstrom=1e3 * allowed,
    )


def _moved(atoms: Atoms, displacement: NDArray[np.float64]) -> Atoms:
    copy: Atoms = atoms.copy()
    copy.positions += displacement
    return copy
