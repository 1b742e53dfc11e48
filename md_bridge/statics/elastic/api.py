"""The measurement: strained cells, their stress, atoms at rest in them, the fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.ase.space_group import SpaceGroup, find_space_group
from md_bridge.statics.elastic.results import Elasticity, Stiffness
from md_bridge.statics.elastic.settings import ElasticRequest
from md_bridge.statics.elastic.strains import Point, fit, points_of, strained
from md_bridge.statics.elastic.tensors import rotational_part
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.evaluator import Evaluator, Forces
from md_bridge.statics.noise import SAFETY, noise_floor
from md_bridge.statics.relaxing.lockstep import relax_together
from md_bridge.statics.relaxing.results import EV_PER_CUBIC_ANGSTROM_IN_GPA
from md_bridge.statics.rows import require_fixed_set
from md_bridge.statics.space_groups import hexagonal_problem

__all__ = ["measure_elasticity"]

Array = NDArray[np.float64]

_DEFAULT = ElasticRequest()
_PROJECTED = "or trust the projected constants alone, which have all rotations"


def measure_elasticity(
    evaluator: Evaluator, atoms: Atoms, request: ElasticRequest = _DEFAULT
) -> Elasticity:
    """Elastic constants of a crystal, with the forces and the stress of one row.

    In each strained cell r' = (1 + ε) r, ε symmetric with one component of Voigt's notation, the
    stress of Cauchy (force by area as it is) is evaluated, with atoms that follow the strain, and
    again with atoms at rest. The slopes at no strain are the coefficients B_IJ; symmetric rotations
    of the crystal's Laue class are then imposed.

    :param evaluator: of a row's forces; all strained cells go through it in batches
    :param atoms: a crystal at rest, in any cell, Å; it may be under a pressure
    :param request: strains, fit, relaxation
    :raises StaticsError: the crystal is not periodic in three directions or not at rest, or
        ``fmax`` is below what the model's forces can be trusted to
    :raises ArgumentError: the row's set of copies is random
    :raises md_bridge.engine.ModelError: the model has no stress of the row's kind
    :raises md_bridge.ase.space_group.SpaceGroupError: spglib finds no rotations
    """
    _require_crystal(atoms)
    require_fixed_set(evaluator.row.symmetrize)
    evaluator.require_stress()
    before = evaluator.evaluations
    if request.relax_ions:
        _require_above_noise(evaluator, atoms, request)
    group = find_space_group(atoms, request.symprec)
    problem = hexagonal_problem(atoms, evaluator.row.symmetrize, request.symprec, _PROJECTED)
    points = points_of(request)
    structures = [strained(atoms, point) for point in points]
    found = evaluator(structures, stress=True)
    _require_rest(found[0], request)
    clamped = _stiffness(points, found, group, request)
    relaxed: Stiffness | None = None
    reasons: list[str] = []
    if request.relax_ions:
        found, reasons = _at_rest(evaluator, structures, found, request)
        relaxed = _stiffness(points, found, group, request)
    return Elasticity(
        label=evaluator.row.label,
        request=request,
        space_group=group.symbol,
        clamped=clamped,
        relaxed=relaxed,
        unconverged=tuple(reasons),
        evaluations=evaluator.evaluations - before,
        set_sentence=f"{evaluator.row.label}: {problem}." if problem else "",
    )


def _at_rest(
    evaluator: Evaluator,
    structures: Sequence[Atoms],
    clamped: Sequence[Forces],
    request: ElasticRequest,
) -> tuple[list[Forces], list[str]]:
    """Stresses with atoms at rest in fixed cells, and why some are not.

    Atoms that a strain leaves at rest, as in a lattice of one atom, need no relaxation.
    """
    found = list(clamped)
    moved = [n for n, each in enumerate(clamped) if each.largest_force >= request.fmax]
    if not moved:
        return found, []
    ends = relax_together(
        evaluator,
        [structures[n] for n in moved],
        cell="fixed",
        optimizer=request.optimizer,
        fmax=request.fmax,
        steps=request.steps,
    )
    for n, each in zip(moved, evaluator([end.end for end in ends], stress=True), strict=True):
        found[n] = each
    return found, [end.reason for end in ends if not end.converged]


def _stiffness(
    points: Sequence[Point], found: Sequence[Forces], group: SpaceGroup, request: ElasticRequest
) -> Stiffness:
    stresses = EV_PER_CUBIC_ANGSTROM_IN_GPA * np.array([each.stress for each in found])
    slopes, errors = fit(points, stresses, request.degree)
    mean = rotational_part(slopes, group.rotations)
    return Stiffness(raw=slopes, error=errors, projected=0.5 * (mean + mean.T), stress=stresses[0])


def _require_crystal(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise StaticsError("a structure without atoms has no elastic constants")
    if not atoms.pbc.all():
        open_ones = ", ".join("abc"[k] for k in range(3) if not atoms.pbc[k])
        raise StaticsError(
            "elastic constants need a crystal that is periodic in three directions, found one that "
            f"is open along {open_ones}: a slab or a molecule has no volume to divide by"
        )


def _require_above_noise(evaluator: Evaluator, atoms: Atoms, request: ElasticRequest) -> None:
    noise = noise_floor(evaluator, atoms)
    if request.fmax < SAFETY * noise:
        raise StaticsError(
            f"fmax {request.fmax:g} eV/Å is below {SAFETY:g} times the rounding of the model's own "
            f"forces, {noise:.2g} eV/Å, so that atoms would never come to rest: take the model in "
            "double precision (--double), or in Python an ElasticRequest with an fmax of at least "
            f"{1.2 * SAFETY * noise:.1g}"
        )


def _require_rest(found: Forces, request: ElasticRequest) -> None:
    largest = found.largest_force
    if largest > request.at_rest:
        raise StaticsError(
            f"the crystal is not at rest: its largest force is {largest:.3g} eV/Å, expected at "
            f"most {request.at_rest:g}: relax it with these forces first (md-bridge relax)"
        )
