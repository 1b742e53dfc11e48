"""Evaluate what Python evaluates, for the checks: the calculator by itself, without the engine."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ase

from md_bridge.calculators.opening import open_model
from md_bridge.engine import Wanted, structure_from_ase
from md_bridge.export.checks.runner import (
    Prediction,
    Predictor,
    Runner,
    given_inputs,
    require_no_averages,
)
from md_bridge.export.errors import ExportError
from md_bridge.forces import rounds_as_double
from md_bridge.model_names import is_python_model
from md_bridge.model_options import ModelOptions

__all__ = ["CalculatorRunner", "open_predictor"]

_OF_FILES = ("variant", "direct_variant", "extensions")


class CalculatorRunner:
    """A calculator, or a function, as the checks look at models.

    :param model: ``python:package.module:factory``
    :param model_options: device, charge and spin multiplicity
    :raises ExportError: it gives no energy, or cannot do what the options say
    :raises md_bridge.engine.ModelError: the factory is none, fails, or its calculator has no forces
    """

    takes_no_atoms = False

    def __init__(
        self, model: str | os.PathLike[str], model_options: ModelOptions = ModelOptions()
    ) -> None:
        require_no_averages(model_options)
        name = os.fspath(model)
        for option in _OF_FILES:
            if getattr(model_options, option):
                raise ExportError(
                    f"{option} is for exported files: let the factory of '{name}' make the "
                    "calculator that is wanted"
                )
        self._model = open_model(name, model_options.device)
        self._quantities = set(self._model.quantities)
        if "energy" not in self._quantities:
            raise ExportError(
                f"the calculator of '{name}' gives no energy, which the checks are about: its "
                "implemented_properties must list it"
            )
        self._inputs = given_inputs(name, self._model.inputs, model_options)
        self.is_double = True

    def find_precision(self, structures: Sequence[ase.Atoms]) -> None:
        """Set :attr:`is_double` by how smooth the energy is on some structures.

        :param structures: those without atoms are passed over
        """
        self.is_double = rounds_as_double(self.energy, structures)

    @property
    def atomic_types(self) -> list[int]:
        """Atomic numbers of the elements that it knows: all of them, if it does not say."""
        return self._model.atomic_numbers

    @property
    def names_elements(self) -> bool:
        """Whether it says which elements it knows."""
        return self._model.names_elements

    @property
    def cutoffs(self) -> list[float]:
        """None: it makes its own pair list."""
        return []

    @property
    def interaction_range(self) -> float:
        """In Å; infinite where it does not say."""
        return self._model.interaction_range

    @property
    def knows_atoms(self) -> bool:
        """Whether it gives energies of atoms."""
        return "atomic_energies" in self._quantities

    @property
    def has_direct(self) -> bool:
        """Whether it gives direct forces."""
        return "direct_forces" in self._quantities

    @property
    def not_checked(self) -> dict[str, str]:
        """Checks that it cannot have, and why."""
        own_pairs = "a calculator makes its own pair list"
        reasons = {"order of pairs": own_pairs, "single precision": own_pairs}
        if "conservative_forces" not in self._quantities:
            why = "the calculator gives direct forces alone (forces_kind)"
            for name in ("forces = -dE/dx", "smoothness of dimers", "smoothness in bulk"):
                reasons[name] = why
            for name in ("direct = conservative", "first guess of M"):
                reasons[name] = why
        if "conservative_virial" not in self._quantities:
            reasons["stress = dE/dstrain / V"] = "the calculator gives no conservative stress"
        return reasons

    def evaluate(
        self, structures: Sequence[ase.Atoms], *, conservative: bool = True, direct: bool = True
    ) -> list[Prediction]:
        """Predictions for all structures, one after the other.

        :param structures: any number of them, periodic or not
        :param conservative: also conservative forces and stress, if there are any
        :param direct: also direct forces and stress, if there are any
        :raises md_bridge.engine.ModelError: the calculator fails
        """
        return [self._predict(atoms, conservative, direct) for atoms in structures]

    def _predict(self, atoms: ase.Atoms, conservative: bool, direct: bool) -> Prediction:
        solid = bool(atoms.pbc.all())
        asked = {
            "energy": True,
            "atomic_energies": True,
            "conservative_forces": conservative,
            "conservative_virial": conservative and solid,
            "direct_forces": direct,
            "direct_virial": direct and solid,
        }
        chosen = {name: wanted and name in self._quantities for name, wanted in asked.items()}
        (found,) = self._model.evaluate([structure_from_ase(atoms)], Wanted(**chosen), self._inputs)
        volume = atoms.get_volume() if solid else 1.0
        stresses = {
            kind: -found[f"{kind}_virial"] / volume if f"{kind}_virial" in found else None
            for kind in ("conservative", "direct")
        }
        return Prediction(
            found.get("atomic_energies", found["energy"]),
            found.get("conservative_forces"),
            stresses["conservative"],
            found.get("direct_forces"),
            stresses["direct"],
        )

    def energy(self, atoms: ase.Atoms) -> float:
        """The energy alone, of one structure, in eV.

        :param atoms: the structure
        """
        (found,) = self._model.evaluate(
            [structure_from_ase(atoms)], Wanted(energy=True), self._inputs
        )
        return float(found["energy"][0])


def open_predictor(
    model: str | os.PathLike[str], model_options: ModelOptions = ModelOptions()
) -> Predictor:
    """An exported file, or what Python evaluates, for the checks.

    :param model: path, or ``python:package.module:factory``
    :param model_options: see :class:`~md_bridge.export.checks.runner.Runner` and
        :class:`CalculatorRunner`
    :raises ExportError: as those
    """
    if is_python_model(model):
        return CalculatorRunner(model, model_options)
    return Runner(model, model_options)
