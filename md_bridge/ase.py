"""ASE calculator on the engine."""

from __future__ import annotations

import os
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from md_bridge.engine import DEFAULT_SKIN, Engine, Pairs, Wanted, structure_from_ase

FORCES = ("conservative", "direct")


class MDBridgeCalculator(Calculator):
    """Energy, forces and stress of a trained model, in ASE's units.

    :param model: path of an exported model
    :param forces: "conservative" (the gradient of the energy) or "direct" (predicted by the model:
        cheaper, but dynamics on them do not conserve energy)
    :param device: "auto", "cpu", "cuda" or "cuda:N"
    :param skin: skin of the pair list in Å; the list is reused while no atom has moved further than
        half of it
    :param engine_options: passed to :class:`md_bridge.engine.Engine` (``variant``, ``symmetrize``
        and so on)

    With ``forces="direct"`` the stress is the one that the model predicts directly. The energy is
    the model's energy in both cases. Per-atom energies come as the property ``energies``.
    """

    implemented_properties = [  # noqa: RUF012 (as ASE declares it)
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
    ]

    def __init__(
        self,
        model: str | os.PathLike[str],
        forces: str = "conservative",
        device: str = "auto",
        skin: float = DEFAULT_SKIN,
        **engine_options: Any,
    ) -> None:
        super().__init__()
        if forces not in FORCES:
            raise ValueError(f"forces must be 'conservative' or 'direct', got {forces!r}")
        self.engine = Engine(model, device, **engine_options)
        self.forces = forces
        self._pairs = Pairs(skin)
        self.engine.require(Wanted(direct_forces=forces == "direct"))

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute what is asked for, in one forward pass."""
        super().calculate(atoms, properties, system_changes)
        properties = properties or ["energy"]
        structure = structure_from_ase(self.atoms)
        direct = self.forces == "direct"
        stress = "stress" in properties
        if stress and not self.atoms.pbc.all():
            raise ValueError(
                "a stress was asked for, but the structure is not periodic in all directions: "
                f"pbc is {self.atoms.pbc.tolist()}"
            )
        # the forces come free with the stress, and ASE may ask for them next
        result = self.engine.evaluate(
            structure,
            self._pairs,
            direct_forces=direct and "forces" in properties,
            direct_virial=direct and stress,
            conservative_forces=not direct and ("forces" in properties or stress),
            conservative_virial=not direct and stress,
            atomic_energies="energies" in properties,
        )
        self.results = {"energy": result.energy, "free_energy": result.energy}
        if "energies" in properties:
            self.results["energies"] = result.atomic_energies
        if direct and "forces" in properties:
            self.results["forces"] = result.direct_forces
        if not direct and ("forces" in properties or stress):
            self.results["forces"] = result.conservative_forces
        if stress:
            virial = result.direct_virial if direct else result.conservative_virial
            self.results["stress"] = full_3x3_to_voigt_6_stress(-virial / structure.volume)
