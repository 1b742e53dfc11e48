"""Exported models through metatomic's own calculator, with both kinds of forces.

The engine runs such files by itself, faster and with its own pair lists; this is the independent
way to the same numbers::

    from md_bridge.calculators.metatomic import metatomic_calculator

    def make():
        return metatomic_calculator("model.pt")
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

__all__ = ["metatomic_calculator"]

_NEUTRAL_SINGLET = {"charge": 0, "spin_multiplicity": 1}
"""What metatomic takes where nothing is said."""
_ORDER = ("forces", "stress", "energies", "energy")
"""Gradients first: what comes with them is known then."""


def metatomic_calculator(
    model: str | os.PathLike[str], *, device: str | None = None, **options: Any
) -> Calculator:
    """A calculator of an exported model.

    :param model: path of the file
    :param device: of torch; None: the first one that the model and the machine have
    :param options: further ones of ``metatomic_ase.MetatomicCalculator``
    :returns: with ``direct_forces`` (net force removed) and ``direct_stress`` where the model has
        them
    """
    return _BothKinds(model, device, options)


class _BothKinds(Calculator):
    def __init__(
        self, model: str | os.PathLike[str], device: str | None, options: dict[str, Any]
    ) -> None:
        from metatomic_ase import MetatomicCalculator

        super().__init__()
        options = {"uncertainty_threshold": None, **options}
        self._conservative = MetatomicCalculator(
            model, device=device, do_gradients_with_energy=False, **options
        )
        loaded = self._conservative.model()
        capabilities = loaded.capabilities()
        outputs = {name.partition("/")[0] for name in capabilities.outputs}
        has_stress = "non_conservative_stress" in outputs
        self.implemented_properties = ["energy", "forces", "stress", "energies"]
        self._direct: Calculator | None = None
        if outputs & {"non_conservative_force", "non_conservative_forces"}:
            self._direct = MetatomicCalculator(
                loaded, device=device, non_conservative=has_stress or "forces", **options
            )
            self.implemented_properties += ["direct_forces"]
            self.implemented_properties += ["direct_stress"] * has_stress
        self.atomic_numbers = list(capabilities.atomic_types)
        self.interaction_range = capabilities.engine_interaction_range("angstrom")
        self.device = device or ""
        asked = loaded.requested_inputs(use_new_names=True)
        self.requested_inputs = [name for name in _NEUTRAL_SINGLET if name in asked]
        self.structure_info = {name: _NEUTRAL_SINGLET[name] for name in self.requested_inputs}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute what is asked for.

        :param atoms: the structure
        :param properties: of ``implemented_properties``; None: the energy
        :param system_changes: not looked at
        """
        super().calculate(atoms, properties, system_changes)
        wanted = properties or ["energy"]
        for name in _ORDER:
            if name in wanted:
                self.results[name] = np.asarray(self._conservative.get_property(name, self.atoms))
        for name in wanted:
            if name.startswith("direct_") and self._direct is not None:
                own = name.removeprefix("direct_")
                self.results[name] = np.asarray(self._direct.get_property(own, self.atoms))
