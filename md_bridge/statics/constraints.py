"""What a relaxation may do to the space group of its start: lose it, be kept in it, or be given
forces alone that keep it.

One object for each structure, which a relaxation asks at four places, whatever moves the atoms:

>>> symmetry = make_symmetry("fix", atoms)
>>> symmetry.prepare(atoms)                             # once, before the first evaluation
>>> forces = symmetry.forces(atoms, forces)             # of every evaluation
>>> stress = symmetry.stress(atoms, stress)
>>> symmetry.after_step(atoms)                          # after every step of the optimiser
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.ase import SpaceGroup, find_space_group, project_tensor, project_vectors
from md_bridge.errors import ArgumentError
from md_bridge.text import nearest

__all__ = ["SPACE_GROUP", "FixedSpaceGroup", "ProjectedForces", "cell_mask", "make_symmetry"]

Array = NDArray[np.float64]

SPACE_GROUP = ("free", "fix", "project")
"""What becomes of the space group of the start: nothing keeps it; positions and cell are kept in
it; forces and stress are projected on what it allows."""

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_NOTHING = 1e-8
"""Of a unit strain: what is less after a projection is rounding."""


class ProjectedForces:
    """Forces and stress averaged over the operations of the start, and nothing else.

    Optimisers add and scale what they are given, so symmetric forces make symmetric steps: the
    structure stays as symmetric as the start was, within ``symprec``, and what the start lacked in
    symmetry stays as it is.

    :param atoms: the start, Å
    :param symprec: how far atoms of the start may be from where an operation takes others, Å
    :raises md_bridge.ase.SpaceGroupError: its operations cannot be found
    """

    def __init__(self, atoms: Atoms, symprec: float = 1e-5) -> None:
        self.group: SpaceGroup = find_space_group(atoms, symprec)
        """Of the start."""

    def prepare(self, atoms: Atoms) -> None:
        """Change the start before its first evaluation; here nothing is changed.

        :param atoms: the start, changed in place
        """

    def forces(self, atoms: Atoms, forces: Array) -> Array:
        """The part of the forces that the space group allows.

        :param atoms: the structure now, N atoms
        :param forces: of it, [N, 3], eV/Å
        :returns: the same shape
        """
        return project_vectors(self.group.follow(atoms), forces)

    def stress(self, atoms: Atoms, stress: Array) -> Array:
        """The part of the stress that the space group allows.

        :param atoms: the structure now
        :param stress: of it, [3, 3], eV/Å³
        :returns: the same shape
        """
        return project_tensor(self.group.follow(atoms), stress)

    def after_step(self, atoms: Atoms) -> None:
        """Mend the structure after a step of the optimiser; here nothing is changed.

        :param atoms: the structure after the step, changed in place
        """


class FixedSpaceGroup(ProjectedForces):
    """Forces and stress as of :class:`ProjectedForces`; and positions and cell, too, are the
    nearest symmetric ones, of the start and after each step.

    This is what ASE's ``FixSymmetry`` is for, with one difference: that symmetrises each *change*
    of the cell by means of the cell before it, so that what rounding leaves goes on growing, and a
    mask of the cell filter (three lengths free, three angles not) has to stop it. Here the cell
    itself is symmetrised, and nothing can grow. No mask is needed, which would be wrong for
    monoclinic and triclinic crystals and for crystals that are turned against x, y and z;
    :func:`cell_mask` is the one that fits.

    :param atoms: the start, Å
    :param symprec: how far atoms of the start may be from where an operation takes others, Å; by so
        much it is changed at first
    :raises md_bridge.ase.SpaceGroupError: its operations cannot be found
    """

    def prepare(self, atoms: Atoms) -> None:
        """Make the start exactly symmetric.

        :param atoms: the start, changed in place
        """
        self.after_step(atoms)

    def after_step(self, atoms: Atoms) -> None:
        """Make the structure exactly symmetric again.

        :param atoms: the structure after the step, changed in place
        """
        symmetric = self.group.symmetrised(atoms)
        atoms.set_cell(symmetric.cell, scale_atoms=False, apply_constraint=False)
        atoms.set_positions(symmetric.positions, apply_constraint=False)


def make_symmetry(
    space_group: str, atoms: Atoms, symprec: float = 1e-5
) -> ProjectedForces | FixedSpaceGroup | None:
    """What keeps the space group of a start as was asked for; None for ``free``.

    :param space_group: one of :data:`SPACE_GROUP`
    :param atoms: the start, Å
    :param symprec: how far its atoms may be from where an operation takes others, Å
    :raises ArgumentError: another word, naming the nearest one
    :raises md_bridge.ase.SpaceGroupError: the operations of the start cannot be found
    """
    if space_group not in SPACE_GROUP:
        near = nearest(space_group, SPACE_GROUP)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(SPACE_GROUP)}"
        raise ArgumentError("space_group", f"found {space_group!r}: {hint}")
    if space_group == "free":
        return None
    return (FixedSpaceGroup if space_group == "fix" else ProjectedForces)(atoms, symprec)


def cell_mask(group: SpaceGroup) -> NDArray[np.bool_]:
    """Which components of the strain a space group leaves free, for ``mask`` of ASE's cell filters.

    For crystals whose cell vectors are at right angles along x, y and z, for cubic ones and for
    hexagonal ones with c along z these are the three lengths, ``[True] * 3 + [False] * 3``. A
    monoclinic crystal has a free angle, too, and so seems any one that is turned: a mask that
    forbids it would leave stress behind.

    :param group: of the crystal, in its orientation
    :returns: [6], in the order xx, yy, zz, yz, xz, xy
    """
    free = np.zeros(6, dtype=bool)
    for place, (a, b) in enumerate(_VOIGT):
        strain = np.zeros((3, 3))
        strain[a, b] = strain[b, a] = 1.0
        free[place] = abs(project_tensor(group, strain)[a, b]) > _NOTHING
    return free
