"""A committee as one forcefield of i-PI: the mean drives the atoms, the members are extras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from md_bridge.committee import Committee, CommitteeEvaluation
from md_bridge.engine import EngineError, Structure, Wanted, choose_threads, set_threads
from md_bridge.forces import DIRECT
from md_bridge.ipi.session import SessionOptions
from md_bridge.ipi.template import read_template

from md_bridge import _core  # isort: skip (md_bridge.engine loads the libraries that it needs)

__all__ = ["CommitteeSession"]

Array = NDArray[np.float64]

_ANGSTROM = _core.IPI_UNITS["angstrom"]
_EV = _core.IPI_UNITS["electronvolt"]
_EV_PER_ANGSTROM = _core.IPI_UNITS["electronvolt_per_angstrom"]
_OF_ONE_MODEL = ("force_extras", "uncertainty", "spread", "check_consistency")

_Result = tuple[float, Array, Array, str]


class CommitteeSession:
    """Answers one forcefield with the mean of a committee, in i-PI's units.

    Extras, under the names that i-PI's ``ffcommittee`` reads (its option ``parse_json``):
    ``committee_pot`` [M] (hartree), ``committee_force`` [M, 3N] (hartree/bohr) and
    ``committee_virial`` [M, 9] (hartree); and ``energy_std`` (hartree) and ``forces_std``
    [3N] (hartree/bohr), standard deviations over the members with M − 1 in the denominator.

    :param models: of several files, or one with an ensemble
    :param forces: "conservative" or "direct"
    :param options: as of a session with one model, whose model is not looked at
    :raises EngineError: the models cannot be used, lack an element, or an option makes no sense
    """

    def __init__(self, models: Sequence[Path], forces: str, options: SessionOptions) -> None:
        for name in _OF_ONE_MODEL:
            if getattr(options, name):
                raise EngineError(
                    f"{name} is for a session with one model, found {len(models)} in a committee: "
                    "leave it out, or name one model"
                )
        if options.model_options.inner:
            raise EngineError(
                "a committee has no inner model of its own: give multiple time stepping a second "
                "forcefield with the inner forces, and leave inner out"
            )
        set_threads(choose_threads(options.model_options.threads))
        template = read_template(options.template)
        keywords = options.model_options.engine_keywords()
        self.committee = Committee(models, forces, skin=options.skin, **keywords)
        self.committee.require_types(template.numbers.tolist())
        self._types = template.numbers
        self._periodic = template.pbc
        self._needs_virial = options.stress != "none"
        direct = forces == DIRECT
        missing = self.committee.can_give(
            Wanted(direct_virial=direct, conservative_virial=not direct)
        )
        if missing and self._needs_virial:
            raise EngineError(
                f"{missing}. If nothing in this run depends on the pressure (NVE or NVT), say so "
                "with the option stress: none"
            )
        self.evaluations = 0

    def evaluate(self, cells: Sequence[Array], positions: Sequence[Array]) -> list[_Result]:
        """Mean forces at several structures, one batch a model.

        :param cells: [3, 3] each, lattice vectors in *columns*, bohr
        :param positions: [N, 3] each, bohr
        :returns: for each structure the energy (hartree), forces [N, 3] (hartree/bohr), virial
            -dE/d(strain) [3, 3] (hartree) and extras (JSON)
        :raises EngineError: a model fails, or a cell contradicts the template
        """
        structures = [self._structure(c, p) for c, p in zip(cells, positions, strict=True)]
        found = self.committee.evaluate(structures, forces=True, virial=self._needs_virial)
        self.evaluations += len(found)
        return [_result(one) for one in found]

    @property
    def summary(self) -> str:
        """What was evaluated, for a log."""
        count = len(self.committee.models)
        what = "an ensemble" if self.committee.is_ensemble else f"{count} models"
        return f"{self.evaluations} evaluations of {self.committee.forces} forces of {what}"

    def _structure(self, cell: Array, positions: Array) -> Structure:
        vectors = np.asarray(cell, dtype=float).T / _ANGSTROM
        periodic = np.linalg.norm(vectors, axis=1) > 0
        if np.any(self._periodic & ~periodic):
            raise EngineError(
                "the template is periodic along a lattice vector that i-PI sent as zero; give i-PI "
                "the cell of the template (or a template without a cell for a molecule in vacuum)"
            )
        places = np.asarray(positions, dtype=float).reshape(-1, 3) / _ANGSTROM
        return Structure(self._types, places, vectors, periodic.tolist())


def _result(found: CommitteeEvaluation) -> _Result:
    assert found.forces is not None
    forces = _EV_PER_ANGSTROM * found.forces
    virial = np.zeros((3, 3)) if found.virial is None else _EV * found.virial
    extras: dict[str, object] = {
        "committee_pot": (_EV * found.energies).tolist(),
        "energy_std": _EV * found.energy_std,
    }
    if found.member_forces is not None and found.forces_std is not None:
        members = len(found.energies)
        extras["committee_force"] = _rows(_EV_PER_ANGSTROM * found.member_forces, members)
        extras["forces_std"] = (_EV_PER_ANGSTROM * found.forces_std).ravel().tolist()
        virials = found.member_virials
        if virials is None:
            virials = np.zeros((members, 3, 3))
        extras["committee_virial"] = _rows(_EV * virials, members)
    return _EV * found.energy, forces, virial, json.dumps(extras)


def _rows(values: Array, members: int) -> list[list[float]]:
    rows: list[list[float]] = values.reshape(members, -1).tolist()
    return rows
