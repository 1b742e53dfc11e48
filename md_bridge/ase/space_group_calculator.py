"""Any calculator, with the forces and stresses that the space group of the crystal allows."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    BaseCalculator,
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from md_bridge.ase.space_group import (
    SpaceGroup,
    SpaceGroupError,
    find_space_group,
    project_scalars,
    project_tensor,
    project_tensors,
    project_vectors,
)
from md_bridge.text import nearest

__all__ = ["SpaceGroupCalculator"]

_LOGGER = logging.getLogger(__name__)


def _unchanged(group: SpaceGroup, value: Any) -> Any:
    return value


def _stress(group: SpaceGroup, value: Any) -> Any:
    full = voigt_6_to_full_3x3_stress(np.asarray(value))
    return full_3x3_to_voigt_6_stress(project_tensor(group, full))


def _stresses(group: SpaceGroup, value: Any) -> Any:
    full = voigt_6_to_full_3x3_stress(np.asarray(value))
    return full_3x3_to_voigt_6_stress(project_tensors(group, full))


_PROJECTIONS = {
    # the mean over copies that the operations make of the structure, which are the structure itself
    "energy": _unchanged,
    "free_energy": _unchanged,
    "energies": project_scalars,
    "forces": project_vectors,
    "stress": _stress,
    "stresses": _stresses,
    "charges": project_scalars,
    "energy_uncertainty": project_scalars,
}


class SpaceGroupCalculator(Calculator):
    """The results of another calculator, averaged over the operations of the crystal's space group.

    A model that is not symmetric by construction gives a crystal forces and stresses that its
    symmetry forbids, and a relaxation follows them. With this calculator around it, sites without a
    free direction have no force, equal cell vectors stay equal, and a relaxation keeps the space
    group, at the price of the one evaluation:

    >>> atoms.calc = SpaceGroupCalculator(MDBridgeCalculator("model.pt"))

    Projected forces are minus the gradient of the energy along all displacements that keep the
    symmetry, as those of a calculator whose forces are conservative are; the energy is that of the
    calculator.

    The operations are found once, of the first structure (or of ``reference``). Where a structure
    has them no more, within ``symprec``, they are found again and a line of :mod:`logging` says so:
    a displaced atom leaves those operations that it is compatible with. With ``refresh=False`` it
    is an error instead, for work that must not leave a space group unseen. Operations that a
    structure *gains* are not looked for: set :attr:`space_group` to None for that.

    :param calculator: any ASE calculator
    :param symprec: how far atoms may be from where an operation takes others, Å
    :param operations: "all", or "point" for those that leave the origin of the cell where it is
    :param reference: a structure with the operations; None: the first that there are results for
    :param refresh: find the operations again where a structure has lost them
    :raises SpaceGroupError: the operations of ``reference`` cannot be found
    :raises md_bridge.extras.MissingExtraError: spglib is not installed
    """

    name = "spacegroup"
    default_parameters = {  # noqa: RUF012 (as ASE declares it)
        "symprec": 1e-5,
        "operations": "all",
        "refresh": True,
    }

    space_group: SpaceGroup | None = None
    """The operations that results are means over; None: to be found in the next calculation."""

    def __init__(
        self,
        calculator: BaseCalculator,
        symprec: float = 1e-5,
        *,
        operations: str = "all",
        reference: Atoms | None = None,
        refresh: bool = True,
    ) -> None:
        self.calculator = calculator
        super().__init__(symprec=symprec, operations=operations, refresh=refresh)
        if reference is not None:
            self.space_group = self._find(reference)

    @property
    def implemented_properties(self) -> list[str]:  # type: ignore[override]
        """Those of the calculator that are known to be turned by an operation, and how."""
        return [name for name in self.calculator.implemented_properties if name in _PROJECTIONS]

    def set(self, **parameters: Any) -> dict[str, Any]:
        """Change ``symprec``, ``operations`` or ``refresh``; the operations are found anew.

        :param parameters: by name
        :returns: those that were changed
        :raises SpaceGroupError: a parameter is unknown
        """
        unknown = set(parameters) - set(self.default_parameters)
        if unknown:
            found = min(unknown)
            near = nearest(found, self.default_parameters)
            hint = f"; did you mean {near!r}?" if near else ""
            known = ", ".join(self.default_parameters)
            raise SpaceGroupError(f"unknown parameter {found!r}: there are {known}{hint}")
        changed = super().set(**parameters)
        if changed:
            self.results = {}
            self.space_group = None
        return changed

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate the calculator, and take the means.

        :param atoms: the structure; None: that of the last calculation
        :param properties: of :attr:`implemented_properties`; None: the energy
        :param system_changes: what is new since the last calculation
        :raises SpaceGroupError: the operations cannot be found, or with ``refresh=False`` the
            structure has lost them
        """
        super().calculate(atoms, properties, system_changes)
        group = self._group_of(self.atoms)
        if system_changes:
            self.results = {}
        for name in {"energy", *(properties or [])}:
            if name not in self.implemented_properties:
                raise PropertyNotImplementedError(
                    f"{name} is not among the properties of {type(self.calculator).__name__} that "
                    f"can be averaged over a space group: {', '.join(self.implemented_properties)}"
                )
            value = self.calculator.get_property(name, self.atoms)
            self.results[name] = _PROJECTIONS[name](group, value)

    def _find(self, atoms: Atoms) -> SpaceGroup:
        parameters = self.parameters
        return find_space_group(atoms, parameters["symprec"], operations=parameters["operations"])

    def _group_of(self, atoms: Atoms) -> SpaceGroup:
        """The operations of a structure, in its own cell."""
        before = self.space_group
        lost = "" if before is None else self._what_is_lost(before, atoms)
        if before is not None and not lost:
            self.space_group = before.follow(atoms)
        elif before is not None and not self.parameters["refresh"]:
            raise SpaceGroupError(
                f"{lost}. Results for it cannot be averaged over them: keep the symmetry, allow "
                "for more by symprec, or let the operations be found again (refresh=True)"
            )
        else:
            self.space_group = self._find(atoms)
            if before is not None:
                _LOGGER.info(
                    "%s: means over the %d of %s from here on",
                    lost,
                    len(self.space_group),
                    self.space_group.symbol,
                )
        assert self.space_group is not None
        return self.space_group

    def _what_is_lost(self, group: SpaceGroup, atoms: Atoms) -> str:
        """Why a structure does not have these operations; empty if it does."""
        had = f"the {len(group)} operations of {group.symbol}"
        if not group.fits(atoms):
            return (
                f"the structure has other atoms, or other periodic directions, than that of {had}"
            )
        deviation, symprec = group.deviation(atoms), self.parameters["symprec"]
        if deviation <= symprec:
            return ""
        return (
            f"the structure does not have {had} any more: an atom or a cell vector is "
            f"{deviation:.2g} Å from where they take it, and symprec is {symprec:g} Å"
        )
