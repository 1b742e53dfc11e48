"""A calculator, or a function, as the engine asks for it: structures in, arrays out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from md_bridge.calculators.results import Source, source_of
from md_bridge.calculators.watching import Watch
from md_bridge.engine import ModelError, Structure, Wanted
from md_bridge.forces import FORCES

__all__ = ["CalculatorModel"]

Array = NDArray[np.float64]

_ELEMENTS = range(1, 119)
_INFO = {"charge": ("charge",), "spin_multiplicity": ("spin", "spin_multiplicity")}
"""Where packages look for inputs in ``Atoms.info``, by the engine's names for them."""
_EMPTY_SPACE = 20.0
"""Length of a cell along a direction in which it is open, beyond that of the atoms, Å: only the
product of stress and volume is used."""


class CalculatorModel:
    """What a factory returned, and which quantities of the engine it gives.

    :param model: the name that it was opened by, for messages
    :param made: an ASE calculator, or a function from Atoms to a dictionary
    :param device: that was chosen for it; empty: it has chosen itself
    :raises ModelError: it gives no forces, or says of itself what cannot be
    """

    def __init__(self, model: str, made: Any, device: str = "") -> None:
        self.model = model
        self._source: Source = source_of(made)
        kind = getattr(made, "forces_kind", "conservative")
        if kind not in FORCES:
            raise ModelError(
                f"the forces_kind of '{model}' must be {' or '.join(FORCES)}, found {kind!r}"
            )
        self._properties = _properties(set(self._source.properties), kind)
        if not {"conservative_forces", "direct_forces"} & set(self._properties):
            given = ", ".join(sorted(self._source.properties)) or "nothing"
            raise ModelError(
                f"the calculator of '{model}' gives no forces: its implemented_properties list "
                f"{given}"
            )
        self.name: str = self._source.name
        self.description = f"{self.name} of {os.fspath(model)}"
        self.names_elements = hasattr(made, "atomic_numbers")
        self.atomic_numbers = [int(z) for z in getattr(made, "atomic_numbers", _ELEMENTS)]
        self.interaction_range = float(getattr(made, "interaction_range", math.inf))
        self.device = device or str(getattr(made, "device", "") or "cpu")
        self.notes: list[str] = []
        self._info = dict(getattr(made, "structure_info", {}))
        self._inputs = tuple(getattr(made, "requested_inputs", ()))
        for name in self._inputs:
            if name not in _INFO:
                raise ModelError(
                    f"the requested_inputs of '{model}' may be {' and '.join(_INFO)}, "
                    f"found {name!r}"
                )
        self._watch = Watch(model)

    @property
    def quantities(self) -> list[str]:
        """Names of what :meth:`evaluate` can be asked for, as the engine has them."""
        return list(self._properties)

    @property
    def inputs(self) -> dict[str, bool]:
        """What it asks for besides the atoms, and whether it can do without."""
        return {name: any(key in self._info for key in _INFO[name]) for name in self._inputs}

    @property
    def assumed(self) -> dict[str, str]:
        """The values of :attr:`inputs` that it has already, in words."""
        known = {
            name: next((self._info[key] for key in _INFO[name] if key in self._info), None)
            for name in self._inputs
        }
        return {
            name: f"{name.replace('_', ' ')} {value:g}"
            for name, value in known.items()
            if value is not None
        }

    def evaluate(
        self, structures: Sequence[Structure], wanted: Wanted, inputs: Mapping[str, float]
    ) -> list[dict[str, Array]]:
        """What is wanted of each structure, one after the other.

        :param structures: Å
        :param wanted: of :attr:`quantities`
        :param inputs: what is known of :attr:`inputs`, of every structure
        :returns: arrays by the names of the quantities, in the engine's units
        :raises ModelError: the calculator fails, or gives something else than was expected
        """
        names = [name for name in self._properties if getattr(wanted, name)]
        info = dict(self._info)
        for name, value in inputs.items():  # whole numbers, as every calculator expects them
            info |= dict.fromkeys(_INFO[name], round(value) if value == round(value) else value)
        return [self._evaluate(structure, names, info) for structure in structures]

    def _evaluate(
        self, structure: Structure, names: list[str], info: Mapping[str, Any]
    ) -> dict[str, Array]:
        atoms = _atoms(structure, info, "conservative_virial" in names)
        # of a structure without a lattice the virial is one of the forces
        of_forces = "conservative_virial" in names and not any(structure.periodic)
        asked = {self._properties[name] for name in names}
        if of_forces:
            asked = (asked - {"stress"}) | {self._properties["conservative_forces"]}
        with self._watch.looks_after(atoms):
            found = self._source.compute(atoms, sorted(asked), self.model)
        numbers = {name: _numbers(found, name, len(atoms), self.model) for name in asked}
        self._watch.require_new(atoms, numbers)
        results: dict[str, Array] = {}
        for name in names:
            if name == "conservative_virial" and of_forces:
                forces = numbers[self._properties["conservative_forces"]]
                results[name] = _symmetric(np.einsum("ia,ib->ab", forces, atoms.positions))
            elif name.endswith("_virial"):
                results[name] = -atoms.cell.volume * numbers[self._properties[name]]
            else:
                results[name] = numbers[self._properties[name]]
        return results


def _atoms(structure: Structure, info: Mapping[str, Any], with_volume: bool) -> Atoms:
    """The structure for ASE, its cell right-handed; with a volume, if that is wanted and it is
    periodic along one."""
    cell, periodic = np.array(structure.cell), np.array(structure.periodic)
    if np.linalg.det(cell) < 0.0:
        # the same lattice by right-handed vectors: some packages divide stresses by a signed volume
        cell, periodic = cell[[0, 2, 1]], periodic[[0, 2, 1]]
    atoms = Atoms(structure.numbers, structure.positions, cell=cell, pbc=periodic)
    atoms.info.update(info)
    if with_volume and any(structure.periodic) and not all(structure.periodic):
        complete = atoms.cell.complete().array
        for along in np.flatnonzero(~atoms.pbc):
            normal = complete[along] / np.linalg.norm(complete[along])
            complete[along] = normal * (np.ptp(atoms.positions @ normal) + _EMPTY_SPACE)
        atoms.set_cell(complete)
    return atoms


def _properties(given: set[str], kind: str) -> dict[str, str]:
    """The calculator's property for each of the engine's quantities that there is one for."""
    direct = kind == "direct"
    wanted = {
        "energy": "energy",
        "conservative_forces": "" if direct else "forces",
        "conservative_virial": "" if direct else "stress",
        "direct_forces": "forces" if direct else "direct_forces",
        "direct_virial": "stress" if direct else "direct_stress",
        "atomic_energies": "energies",
        "uncertainty": "energy_uncertainty",
        "committee": "energy_ensemble",
    }
    return {name: source for name, source in wanted.items() if source in given}


def _numbers(found: Mapping[str, Any], name: str, atoms: int, model: str) -> Array:
    """A property in the shape that the engine has: [3, 3] for a stress."""
    value = found.get(name)
    if value is None:
        raise ModelError(
            f"'{model}' gave no '{name}' for a structure of {atoms} atoms, though its "
            "implemented_properties list it"
        )
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu()
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError(f"'{model}' gave a {name} that is no array of numbers") from None
    shape = {
        "energy": (1,),
        "forces": (atoms, 3),
        "direct_forces": (atoms, 3),
        "energies": (atoms,),
        "energy_uncertainty": (atoms,),
        "energy_ensemble": (array.size,),
        "stress": (3, 3) if array.size == 9 else (6,),
        "direct_stress": (3, 3) if array.size == 9 else (6,),
    }[name]
    if array.size != math.prod(shape):
        raise ModelError(
            f"'{model}' gave a {name} of the shape {array.shape}; expected {shape} for {atoms} "
            "atoms"
        )
    array = array.reshape(shape)
    if shape == (6,) and name.endswith("stress"):
        return np.asarray(voigt_6_to_full_3x3_stress(array), dtype=np.float64)
    return _symmetric(array) if name.endswith("stress") else array


def _symmetric(matrix: Array) -> Array:
    return 0.5 * (matrix + matrix.T)
