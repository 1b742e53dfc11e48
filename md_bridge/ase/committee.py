"""ASE calculator of a committee: several models, or the ensemble of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    PropertyNotImplementedError,
    all_changes,
)
from ase.stress import full_3x3_to_voigt_6_stress

from md_bridge.ase.calculator import ParameterError
from md_bridge.ase.missing import ExplainingCalculator, no_volume
from md_bridge.committee import Committee, CommitteeEvaluation
from md_bridge.engine import DEFAULT_SKIN, Wanted, structure_from_ase
from md_bridge.forces import DIRECT, FORCES
from md_bridge.model_options import ModelOptions
from md_bridge.text import nearest

__all__ = ["CommitteeCalculator"]

_OPTIONS = tuple(ModelOptions().engine_keywords())
_OF_FORCES = {"forces", "forces_std", "committee_forces"}
_OF_STRESS = {"stress", "stress_std"}
_OF_MEMBERS = {"forces_std", "committee_forces", "stress_std"}


class CommitteeCalculator(ExplainingCalculator):
    """Energy, forces and stress of a committee, with what its members differ by.

    ======================  ============  ======================================================
    property                shape         what it is
    ======================  ============  ======================================================
    ``energy``              scalar        mean of the members, eV; of one model with an ensemble
                                          the energy of the model
    ``free_energy``         scalar        the same number
    ``forces``              [N, 3]        likewise, eV/Å
    ``stress``              [6]           likewise, eV/Å³: xx, yy, zz, yz, xz, xy
    ``energy_std``          scalar        standard deviation of the energy over the members
    ``forces_std``          [N, 3]        the same of each component of the forces
    ``stress_std``          [6]           the same of each component of the stress
    ``committee_energies``  [M]           energies of the members
    ``committee_forces``    [M, N, 3]     forces of the members
    ======================  ============  ======================================================

    Standard deviations are those of a sample: M − 1 in the denominator, as i-PI has them. They are
    what the members differ by, and an estimate of the error only as far as the committee was
    calibrated.

    >>> atoms.calc = CommitteeCalculator(["a.pt", "b.pt", "c.pt"])
    >>> atoms.get_forces(), atoms.calc.get_property("forces_std", atoms)

    Of one model with an ensemble (``CommitteeCalculator("model.pt")``), ``energy_std`` comes with
    the energy; ``forces_std`` and ``stress_std`` cost a gradient for each member and are computed
    only when they are asked for. What a committee cannot give raises ASE's
    ``PropertyNotImplementedError``.

    :param models: files of exported models; one: of a model with an ensemble
    :param forces: "conservative" or "direct"
    :param skin: of the pair lists, Å
    :param options: how each model is loaded and evaluated, as in
        :class:`~md_bridge.ase.MDBridgeCalculator`: ``device``, ``variant``, ``symmetrize``, …
    :raises ParameterError: an unknown option or kind of forces
    :raises md_bridge.engine.EngineError: fewer models than two and no ensemble, or one model twice
    :raises md_bridge.engine.ModelError: a model cannot be loaded, or lacks its forces
    """

    name = "mdbridge-committee"
    implemented_properties = [  # noqa: RUF012 (as ASE declares it)
        "energy",
        "free_energy",
        "forces",
        "stress",
        "energy_std",
        "forces_std",
        "stress_std",
        "committee_energies",
        "committee_forces",
    ]
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (as ASE declares it)

    committee: Committee
    """The models."""

    def __init__(
        self,
        models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        forces: str = "conservative",
        *,
        skin: float = DEFAULT_SKIN,
        **options: Any,
    ) -> None:
        for name in options:
            if name not in _OPTIONS:
                near = nearest(name, _OPTIONS)
                hint = f"did you mean '{near}'? " if near else ""
                known = ", ".join(_OPTIONS)
                raise ParameterError(f"unknown parameter '{name}': {hint}There are {known}")
        if forces not in FORCES:
            raise ParameterError(f"forces must be {' or '.join(FORCES)}, found {forces!r}")
        paths = [models] if isinstance(models, str | os.PathLike) else list(models)
        super().__init__()
        self.parameters.update(
            models=[os.fspath(path) for path in paths], forces=forces, skin=skin, **options
        )
        self._open()

    def _open(self) -> None:
        parameters = dict(self.parameters)
        self.committee = Committee(parameters.pop("models"), parameters.pop("forces"), **parameters)
        direct = self.parameters["forces"] == DIRECT
        no_stress = self.committee.can_give(
            Wanted(direct_virial=direct, conservative_virial=not direct)
        )
        no_members = self.committee.why_no_member_forces()
        missing = {
            **dict.fromkeys(_OF_STRESS, no_stress),
            **{name: no_members for name in _OF_MEMBERS if no_members},
        }
        self._missing = {name: sentence for name, sentence in missing.items() if sentence}
        self.implemented_properties = [
            name for name in type(self).implemented_properties if name not in self._missing
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "committee"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Evaluate every member.

        :param atoms: the structure; None: that of the last calculation
        :param properties: of :attr:`implemented_properties`; None: the energy
        :param system_changes: what is new since the last calculation; empty: results are added to
        :raises PropertyNotImplementedError: the committee or the structure does not have a property
        :raises md_bridge.engine.EngineError: a model fails, lacks an element, or a number is not
            finite
        """
        super().calculate(atoms, properties, system_changes)
        wanted = set(properties or ["energy"])
        for name in sorted(wanted & set(self._missing)):
            raise PropertyNotImplementedError(self._missing[name])
        stress = bool(wanted & _OF_STRESS)
        if stress and no_volume(self.atoms):
            raise PropertyNotImplementedError(no_volume(self.atoms))
        # who asks for one of them often asks for the other next, and a gradient gives both
        forces = stress or bool(wanted & _OF_FORCES)
        members = not self.committee.is_ensemble or bool(wanted & _OF_MEMBERS)
        (found,) = self.committee.evaluate(
            [structure_from_ase(self.atoms)], forces=forces, virial=stress, members=members
        )
        if system_changes:
            self.results = {}
        self._take(found)

    def _take(self, found: CommitteeEvaluation) -> None:
        volume = self.atoms.cell.volume
        results = {
            "energy": found.energy,
            "free_energy": found.energy,
            "energy_std": found.energy_std,
            "committee_energies": found.energies,
            "forces": found.forces,
            "forces_std": found.forces_std,
            "committee_forces": found.member_forces,
        }
        if found.virial is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(-found.virial / volume)
        if found.virial_std is not None:
            results["stress_std"] = np.abs(full_3x3_to_voigt_6_stress(found.virial_std / volume))
        self.results.update({name: value for name, value in results.items() if value is not None})
