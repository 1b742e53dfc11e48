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

# isort: split (md_bridge.engine loads the libraries that these need)
import torch
from metatomic.torch import (
    ModelEvaluationOptions,
    ModelOutput,
    System,
    load_atomistic_model,
)
from numpy.typing import NDArray
from vesin.metatomic import NeighborList

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

_DTYPES = {"float32": torch.float32, "float64": torch.float64}


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
    :raises EngineError: no model, one model twice, or options that an ensemble cannot have
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
        self._gradients: _EnsembleGradients | None = None
        if len(paths) == 1:
            self._open_ensemble(paths[0], options)

    def _open_ensemble(self, path: str, options: dict[str, Any]) -> None:
        try:
            self.engines[0].require(Wanted(committee=True))
        except ModelError as error:
            raise ModelError(
                f"{error}. A committee takes several models, or one with an ensemble"
            ) from error
        symmetrize = options.get("symmetrize", "none")
        if symmetrize != "none":
            raise EngineError(
                "the members of an ensemble are not averaged over rotated copies: expected "
                f"symmetrize none, found {symmetrize}"
            )
        self._gradients = _EnsembleGradients(path, options, self.engines[0])

    @property
    def is_ensemble(self) -> bool:
        """Whether this is one model with an ensemble."""
        return self._gradients is not None

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
        if self.is_ensemble and self.forces == DIRECT:
            return (
                "the members of an ensemble have energies and no direct forces: take forces "
                "'conservative', or several models"
            )
        return ""

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
        if self._gradients is None:
            return self._evaluate_files(structures, forces, virial)
        found = self._of_model(0, structures, forces, virial, committee=True)
        results = []
        for structure, evaluation in zip(structures, found, strict=True):
            member_forces = member_virials = None
            if members and (forces or virial) and not self.why_no_member_forces():
                member_forces, member_virials = self._gradients(structure)
            results.append(
                CommitteeEvaluation(
                    np.asarray(evaluation.committee),
                    evaluation.energy,
                    self._forces_of(evaluation) if forces else None,
                    self._virial_of(evaluation) if virial else None,
                    member_forces if forces else None,
                    member_virials if virial else None,
                )
            )
        return results

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
        committee: bool = False,
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
            committee=committee,
        )
        return found

    def _forces_of(self, evaluation: Evaluation) -> Array:
        direct = self.forces == DIRECT
        return np.asarray(evaluation.direct_forces if direct else evaluation.conservative_forces)

    def _virial_of(self, evaluation: Evaluation) -> Array:
        direct = self.forces == DIRECT
        return np.asarray(evaluation.direct_virial if direct else evaluation.conservative_virial)


class _EnsembleGradients:
    """Forces and virials of the members of one model, from one forward pass and as many backward.

    :param path: of the model
    :param options: keywords of the engine
    :param engine: of the same model, which knows the device
    """

    def __init__(self, path: str, options: dict[str, Any], engine: Engine) -> None:
        variant = options.get("uncertainty_variant") or options.get("variant", "")
        variant = "" if variant == "-" else variant
        self._output = engine.model.require_output("energy_ensemble", variant)
        extensions = options.get("extensions") or None
        self._device = torch.device(str(engine.info.device))
        self._model = load_atomistic_model(path, extensions).to(self._device)
        self._dtype = _DTYPES[engine.info.dtype]
        self._requests = self._model.requested_neighbor_lists()

    def __call__(self, structure: Structure) -> tuple[Array, Array]:
        """[M, N, 3] in eV/Å, and W = −dE/d(strain), [M, 3, 3] in eV, symmetric."""
        positions = torch.tensor(np.asarray(structure.positions), dtype=self._dtype)
        positions.requires_grad_(True)
        strain = torch.eye(3, dtype=self._dtype, requires_grad=True)
        system = System(
            types=torch.tensor(np.asarray(structure.types), dtype=torch.int32),
            positions=positions @ strain,
            cell=torch.tensor(np.asarray(structure.cell), dtype=self._dtype) @ strain,
            pbc=torch.tensor(list(structure.periodic)),
        )
        for request in self._requests:
            pairs = NeighborList(request, length_unit="angstrom", skin=0.0).compute(system)
            system.add_neighbor_list(request, pairs)
        outputs = {self._output: ModelOutput(unit="eV", sample_kind="system")}
        options = ModelEvaluationOptions(length_unit="angstrom", outputs=outputs)
        with torch.jit.optimized_execution(False):
            found = self._model([system.to(self._device)], options, check_consistency=False)
        energies = found[self._output].block().values.reshape(-1)
        forces, virials = [], []
        for member in range(len(energies)):
            gradients = torch.autograd.grad(
                energies[member], [positions, strain], retain_graph=True, allow_unused=True
            )
            of_positions, of_strain = (
                np.zeros(tuple(x.shape)) if g is None else g.detach().cpu().double().numpy()
                for x, g in zip((positions, strain), gradients, strict=True)
            )
            forces.append(-of_positions)
            virials.append(-0.5 * (of_strain + of_strain.T))
        if not (np.isfinite(forces).all() and np.isfinite(virials).all()):
            raise EngineError(f"forces of a member of {self._output} are not finite")
        return np.array(forces), np.array(virials)


def _deviation(values: Array | None) -> Array | None:
    return None if values is None else np.asarray(np.std(values, axis=0, ddof=1))
