"""Calculators that say in a sentence why they lack a property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_properties
from ase.outputs import Properties

__all__ = ["ExplainingCalculator", "no_volume"]


class ExplainingCalculator(Calculator):
    """A calculator whose properties depend on its models; it knows why it lacks the others."""

    _missing: Mapping[str, str]
    """By the property the sentence about why it is not there."""

    def get_property(
        self, name: str, atoms: Atoms | None = None, allow_calculation: bool = True
    ) -> Any:
        """One property, computed if it has to be.

        :param name: one of :attr:`implemented_properties`
        :param atoms: the structure; None: that of the last calculation
        :param allow_calculation: False: None where it is not known yet
        :returns: with the units and shape of the table above
        :raises PropertyNotImplementedError: the model or the structure does not have it
        """
        if name in self._missing:
            raise PropertyNotImplementedError(self._missing[name])
        return super().get_property(name, atoms, allow_calculation)

    def export_properties(self) -> Properties:
        """The results that ASE has a standard name for; see ``Atoms.get_properties``."""
        return Properties({k: v for k, v in self.results.items() if k in all_properties})


def no_volume(atoms: Atoms) -> str:
    """The sentence about a stress of a structure that has no volume; empty if it has one.

    :param atoms: the structure
    """
    vectors = atoms.cell.rank
    if vectors == 3:
        return ""
    return (
        "a stress needs the volume of the cell, so three cell vectors; found "
        f"{vectors} (pbc {atoms.pbc.tolist()})"
    )
