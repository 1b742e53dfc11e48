"""Committees: what several models say of one structure, or the members of one model's ensemble.

>>> committee = Committee(["a.pt", "b.pt", "c.pt"])
>>> found = committee.evaluate([structure_from_ase(atoms)], forces=True)[0]
>>> found.energy, found.energy_std, found.forces, found.forces_std
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from md_bridge.engine import (
    DEFAULT_SKIN,
    Engine,
    EngineError,
    Evaluation,
    ModelError,
    Pairs,
    Structure,
    Wanted,
)
from md_bridge.forces import CONSERVATIVE, DIRECT

__all__ = ["Committee", "CommitteeEvaluation"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CommitteeEvaluation:
    """What M members say of one structure of N atoms; None for what was not asked for.

    Standard deviations are those of a sample, with M − 1 in the denominator, as i-PI has them.
    """

    energies: Array
    """Of the members, [M], eV."""
    energy: float
    """Mean of the members; of one model with an ensemble, the energy of the model (eV)."""
    forces: Array | None = None
    """Likewise, [N, 3], eV/Å."""
    virial: Array | None = None
    """Likewise, W = −dE/d(strain), [3, 3], eV."""
    member_forces: Array | None = None
    """[M, N, 3], eV/Å."""
    member_virials: Array | None = None
    """[M, 3, 3], eV."""

    @property
    def energy_std(self) -> float:
        """Standard deviation of the energy over the members (eV)."""
        return float(np.std(self.energies, ddof=1))

    @property
    def forces_std(self) -> Array | None:
        """The same of each component of the forces, [N, 3], eV/Å."""
        return _deviation(self.member_forces)

    @property
    def virial_std(self) -> Array | None:
        """The same of each component of the virial, [3, 3], eV."""
        return _deviation(self.member_virials)


class Committee:
    """Several models of one kind of system, or the ensemble of one model.

    The members of one file are the columns of its output ``energy_ensemble``. Their energies come
    with the energy of the model, from one forward pass; their forces are minus the gradient of
    each, so they cost as many backward passes as there are members.

    :param models: files of exported models; one: of a model with an ensemble
    :param forces: "conservative" or "direct"; an ensemble has conservative ones only
    :param skin: of the pair lists, Å
    :param options: keywords of :class:`md_bridge.engine.Engine`, for every model
    :raises ModelError: a model cannot be loaded, or lacks the forces or the ensemble
    :raises EngineError: no model, or one model twice
    """

    def __init__(
        self,
        models: Sequence[str | os.PathLike[str]],
        forces: str = CONSERVATIVE,
        *,
        skin: float = DEFAULT_SKIN,
        **options: Any,
    ) -> None:
        paths = [os.fspath(model) for model in models]
        if not paths:
            raise EngineError("a committee needs models, found none")
        for path in paths:
            if [os.path.realpath(p) for p in paths].count(os.path.realpath(path)) > 1:
                raise EngineError(
                    f"a committee needs different models, found {path} twice: leave one of them out"
                )
        self.models = tuple(paths)
        self.forces = forces
        self.engines = [Engine(path, **options) for path in paths]
        self._skin = skin
        self._pairs: list[list[Pairs]] = [[] for _ in paths]
        direct = forces == DIRECT
        for engine in self.engines:
            engine.require(Wanted(direct_forces=direct, conservative_forces=not direct))
        self._no_member_forces = ""
        if self.is_ensemble:
            self._require_ensemble()

    def _require_ensemble(self) -> None:
        try:
            self.engines[0].require(Wanted(committee=True))
        except ModelError as error:
            raise ModelError(
                f"{error}. A committee takes several models, or one with an ensemble"
            ) from error
        if self.forces == DIRECT:
            self._no_member_forces = (
                "the members of an ensemble have energies and no direct forces: take forces "
                "'conservative', or several models"
            )
        else:
            self._no_member_forces = self.can_give(Wanted(committee_forces=True))

    @property
    def is_ensemble(self) -> bool:
        """Whether this is one model with an ensemble."""
        return len(self.engines) == 1

    def require_types(self, types: Sequence[int]) -> None:
        """Refuse elements that a model does not know.

        :param types: atomic numbers
        :raises ModelError: naming the element
        """
        for engine in self.engines:
            engine.require_types(list(types))

    def can_give(self, wanted: Wanted) -> str:
        """Why a model cannot give what is wanted; empty if all can.

        :param wanted: quantities
        """
        for engine in self.engines:
            try:
                engine.require(wanted)
            except EngineError as error:
                return str(error)
        return ""

    def why_no_member_forces(self) -> str:
        """Why there are no forces of the members; empty if there are."""
        return self._no_member_forces

    def evaluate(
        self,
        structures: Sequence[Structure],
        *,
        forces: bool = False,
        virial: bool = False,
        members: bool = True,
    ) -> list[CommitteeEvaluation]:
        """What the members say of each structure; several models evaluate a batch each.

        :param structures: any number of them; the same places in the list reuse their pair lists
        :param forces: mean forces, and those of the members
        :param virial: likewise
        :param members: False: forces and virials of an ensemble's members are left out, which saves
            their gradients
        :returns: one a structure
        :raises EngineError: a model fails, lacks an element, or a number is not finite
        """
        if not self.is_ensemble:
            return self._evaluate_files(structures, forces, virial)
        of_members = members and not self.why_no_member_forces()
        found = self._of_model(
            0,
            structures,
            forces,
            virial,
            committee=True,
            committee_forces=of_members and forces,
            committee_virials=of_members and virial,
        )
        return [
            CommitteeEvaluation(
                np.asarray(one.committee),
                one.energy,
                self._forces_of(one) if forces else None,
                self._virial_of(one) if virial else None,
                one.committee_forces,
                one.committee_virials,
            )
            for one in found
        ]

    def _evaluate_files(
        self, structures: Sequence[Structure], forces: bool, virial: bool
    ) -> list[CommitteeEvaluation]:
        by_model = [self._of_model(i, structures, forces, virial) for i in range(len(self.engines))]
        results = []
        for found in zip(*by_model, strict=True):
            energies = np.array([one.energy for one in found])
            of_members = np.array([self._forces_of(one) for one in found]) if forces else None
            virials = np.array([self._virial_of(one) for one in found]) if virial else None
            results.append(
                CommitteeEvaluation(
                    energies,
                    float(energies.mean()),
                    None if of_members is None else of_members.mean(axis=0),
                    None if virials is None else virials.mean(axis=0),
                    of_members,
                    virials,
                )
            )
        return results

    def _of_model(
        self,
        index: int,
        structures: Sequence[Structure],
        forces: bool,
        virial: bool,
        **of_members: bool,
    ) -> list[Evaluation]:
        pairs = self._pairs[index]
        pairs += [Pairs(self._skin) for _ in range(len(structures) - len(pairs))]
        direct = self.forces == DIRECT
        found: list[Evaluation] = self.engines[index].evaluate(
            list(structures),
            pairs[: len(structures)],
            conservative_forces=forces and not direct,
            conservative_virial=virial and not direct,
            direct_forces=forces and direct,
            direct_virial=virial and direct,
            **of_members,
        )
        return found

    def _forces_of(self, evaluation: Evaluation) -> Array:
        direct = self.forces == DIRECT
        return np.asarray(evaluation.direct_forces if direct else evaluation.conservative_forces)

    def _virial_of(self, evaluation: Evaluation) -> Array:
        direct = self.forces == DIRECT
        return np.asarray(evaluation.direct_virial if direct else evaluation.conservative_virial)


def _deviation(values: Array | None) -> Array | None:
    return None if values is None else np.asarray(np.std(values, axis=0, ddof=1))
