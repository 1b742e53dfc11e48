"""What drives the dynamics of a teacher: its direct forces inside, or conservative ones alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.engine import NonFiniteError
from md_bridge.forces import ForceAgreement

__all__ = ["Driving", "choose_driving"]

_RATTLE = 0.05
"""Å: a start at rest has no forces that could differ."""


@dataclass(frozen=True)
class Driving:
    """How frames are made."""

    multiple_time_stepping: bool
    """With direct forces inside, else conservative dynamics."""
    why: str = ""
    """Why a teacher with direct forces is driven by conservative ones all the same."""


def choose_driving(teacher: Teacher, starts: Sequence[Atoms]) -> Driving:
    """Multiple time stepping of a teacher's own where its direct forces are near enough to the
    conservative ones, else conservative forces at all steps, which need no others.

    :param teacher: the teacher
    :param starts: structures on which both are compared, rattled a little
    """
    if not teacher.has_direct_forces:
        return Driving(False)
    try:
        found = ForceAgreement.of(*_both(teacher, starts))
    except NonFiniteError as error:
        return Driving(
            False,
            f"Direct or conservative forces of {teacher.name} are not finite near the starts "
            f"({error}): the conservative ones alone drove the dynamics.",
        )
    if found.correction <= found.allowed():
        return Driving(True)
    return Driving(
        False,
        f"The direct forces of {teacher.name} are far from its conservative ones, by "
        f"{found.correction:.3g} eV/Å where these are {found.conservative:.3g} (root mean squares "
        "near the starts): the conservative ones alone drove the dynamics.",
    )


def _both(teacher: Teacher, starts: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Conservative and direct forces of all starts, ``[N, 3]``, eV/Å."""
    rng = np.random.default_rng(0)
    conservative, direct = [], []
    outer, inner = teacher.calculator(), teacher.direct_calculator()
    for start in starts:
        atoms = start.copy()
        atoms.set_constraint()
        atoms.positions += rng.normal(scale=_RATTLE, size=atoms.positions.shape)
        conservative.append(outer.get_forces(atoms))
        direct.append(inner.get_forces(atoms))
    return np.concatenate(conservative), np.concatenate(direct)
