"""The engine: evaluate a trained model on structures, in eV, Å, eV/Å and atomic numbers.

>>> engine = Engine("model.pt")
>>> structure = structure_from_ase(atoms)
>>> result = engine.evaluate(structure, conservative_forces=True, direct_forces=True)
>>> result.energy, result.conservative_forces, result.direct_forces
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, overload

import numpy as np

from md_bridge import _versions
from md_bridge.model_options import ModelOptions
from md_bridge.text import nearest

_versions.require_match()

# These load the C++ libraries that _core is linked to, so they come first.
import metatomic.torch  # noqa: E402, F401
import torch  # noqa: E402, F401

from md_bridge import _core  # noqa: E402

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "DEFAULT_SKIN",
    "ROTATION_GRIDS",
    "SYMMETRIZATIONS",
    "Engine",
    "EngineError",
    "Evaluation",
    "FusedForces",
    "ModelError",
    "ModelInfo",
    "NonFiniteError",
    "Pairs",
    "Structure",
    "Wanted",
    "available_cores",
    "cheapest_forces",
    "choose_threads",
    "get_threads",
    "model_info",
    "model_inputs",
    "open_inner",
    "require_teacher_variant",
    "rotation_group",
    "rotation_set",
    "set_threads",
    "structure_from_ase",
]

EngineError = _core.EngineError
ModelError = _core.ModelError
NonFiniteError = _core.NonFiniteError
Evaluation = _core.Evaluation
FusedForces = _core.FusedForces
ModelInfo = _core.ModelInfo
Pairs = _core.Pairs
Structure = _core.Structure
Wanted = _core.Wanted
available_cores = _core.available_cores
choose_threads = _core.choose_threads
rotation_group = _core.rotation_group
rotation_set = _core.rotation_set
get_threads = _core.get_threads
set_threads = _core.set_threads

SYMMETRIZATIONS: tuple[str, ...] = _core.SYMMETRIZATIONS
"""What ``symmetrize`` may be: none, octahedral, octahedral/inversion, icosahedral, ..., random; and
one of :data:`ROTATION_GRIDS`."""

ROTATION_GRIDS: tuple[str, ...] = _core.ROTATION_GRIDS
"""The names of grids of any degree L: ``lebedev:L``, ``hexagonal:L``, each also with inversion."""

DEFAULT_SKIN = 1.0
"""Skin of the pair lists in Å, where a host does not say otherwise."""


class Engine(_core.Engine):
    """A model, ready to be evaluated.

    :param model: path of an exported model, or ``python:package.module:factory`` of a function that
        returns an ASE calculator, see docs/python-models.md; a process holds one copy of it,
        however many engines
    :param device: "auto" (CUDA if there is one and the model supports it), "cpu", "cuda", "cuda:N"
    :param variant: variant of the outputs, for models with several; empty for the default one
    :param direct_variant: variant of the direct forces and stress, if it is another one; "-" is the
        default variant
    :param uncertainty_variant: the same for the uncertainty
    :param extensions: directory of compiled TorchScript extensions, if the model needs any
    :param remove_net_force: remove the net force (for molecules also the net torque) from the
        direct forces
    :param check_consistency: let metatomic verify each call; slow
    :param symmetrize: average over rotated copies of each structure, one of
        :data:`SYMMETRIZATIONS` or a grid such as ``lebedev:6``; see docs/symmetry.md for what
        each costs and achieves
    :param direct_symmetrize: of the direct forces and virial alone, where that is another set than
        the energy's, and a fixed one or "none"; empty: as ``symmetrize``
    :param seed: of ``symmetrize="random"``; None: 0
    :param atoms_per_forward: structures of a batch, and rotated copies, go through the model
        together up to so many atoms, which bounds the memory; 0: 256 on a CPU, 2048 on a GPU.
        Where that is too much for the memory, the engine goes on with less
    :param charge: total charge of each structure (elementary charges), for models that ask for it;
        None: what the model takes for this, if it does
    :param spin_multiplicity: the same, 1 for a singlet
    :raises ModelError: if the model cannot be loaded, or needs a charge or spin multiplicity
    :raises EngineError: if a charge or spin multiplicity means nothing to it, a symmetrisation is
        unknown, that of the direct forces makes no sense beside the other, or a seed has nothing to
        act on
    :raises TypeError: for an unknown keyword, naming the nearest one
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        device: str = "auto",
        *,
        variant: str = "",
        direct_variant: str = "",
        uncertainty_variant: str = "",
        extensions: str = "",
        remove_net_force: bool = True,
        check_consistency: bool = False,
        symmetrize: str = "none",
        direct_symmetrize: str = "",
        seed: int | None = None,
        atoms_per_forward: int = 0,
        charge: float | None = None,
        spin_multiplicity: float | None = None,
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            _refuse_keyword("Engine", next(iter(unknown)), _KEYWORDS)
        if seed is not None and not 0 <= seed < 2**64:
            raise EngineError(f"seed must be a whole number from 0 to 2**64 - 1, found {seed}")
        loaded = _core.Model.load(os.fspath(model), device, extensions)
        options = _core.EngineOptions(
            variant=variant,
            direct_variant=direct_variant,
            uncertainty_variant=uncertainty_variant,
            remove_net_force=remove_net_force,
            check_consistency=check_consistency,
            symmetrize=symmetrize,
            direct_symmetrize=direct_symmetrize,
            seed=seed,
            atoms_per_forward=atoms_per_forward,
            charge=charge,
            spin_multiplicity=spin_multiplicity,
        )
        super().__init__(loaded, options)

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""
        return self.model.info

    def set_draw(self, draw: int) -> None:
        """What :meth:`set_rotation_counter` was called before the first release.

        :param draw: as there
        """
        warnings.warn(
            "Engine.set_draw is called set_rotation_counter now", FutureWarning, stacklevel=2
        )
        self.set_rotation_counter(draw)

    @overload
    def evaluate(
        self,
        structures: Structure,
        pairs: Pairs | None = None,
        *,
        energy: bool = True,
        conservative_forces: bool = False,
        conservative_virial: bool = False,
        direct_forces: bool = False,
        direct_virial: bool = False,
        atomic_energies: bool = False,
        uncertainty: bool = False,
        committee: bool = False,
        committee_forces: bool = False,
        committee_virials: bool = False,
        committee_direct_forces: bool = False,
        atomic_virials: bool = False,
        halved_atomic_virials: bool = False,
        energy_rot_std: bool = False,
        conservative_forces_rot_std: bool = False,
        conservative_virial_rot_std: bool = False,
        direct_forces_rot_std: bool = False,
        direct_virial_rot_std: bool = False,
    ) -> Evaluation: ...

    @overload
    def evaluate(
        self,
        structures: Sequence[Structure],
        pairs: Sequence[Pairs] | None = None,
        *,
        energy: bool = True,
        conservative_forces: bool = False,
        conservative_virial: bool = False,
        direct_forces: bool = False,
        direct_virial: bool = False,
        atomic_energies: bool = False,
        uncertainty: bool = False,
        committee: bool = False,
        committee_forces: bool = False,
        committee_virials: bool = False,
        committee_direct_forces: bool = False,
        atomic_virials: bool = False,
        halved_atomic_virials: bool = False,
        energy_rot_std: bool = False,
        conservative_forces_rot_std: bool = False,
        conservative_virial_rot_std: bool = False,
        direct_forces_rot_std: bool = False,
        direct_virial_rot_std: bool = False,
    ) -> list[Evaluation]: ...

    def evaluate(
        self,
        structures: Structure | Sequence[Structure],
        pairs: Pairs | Sequence[Pairs] | None = None,
        *,
        energy: bool = True,
        conservative_forces: bool = False,
        conservative_virial: bool = False,
        direct_forces: bool = False,
        direct_virial: bool = False,
        atomic_energies: bool = False,
        uncertainty: bool = False,
        committee: bool = False,
        committee_forces: bool = False,
        committee_virials: bool = False,
        committee_direct_forces: bool = False,
        atomic_virials: bool = False,
        halved_atomic_virials: bool = False,
        energy_rot_std: bool = False,
        conservative_forces_rot_std: bool = False,
        conservative_virial_rot_std: bool = False,
        direct_forces_rot_std: bool = False,
        direct_virial_rot_std: bool = False,
        **unknown: object,
    ) -> Evaluation | list[Evaluation]:
        """Evaluate one structure, or several in one forward pass.

        What is not asked for is None in the result; no gradient is computed unless a conservative
        quantity is asked for.

        :param structures: one structure, or a sequence of them
        :param pairs: the pair list of each structure, kept by the caller and reused from call to
            call; None makes new ones
        :param energy: potential energy, eV
        :param conservative_forces: minus the gradient of the energy with respect to the positions,
            [atoms, 3], eV/Å
        :param conservative_virial: W = -dE/d(strain), symmetric [3, 3], eV; the stress (positive:
            tension) is -W / volume
        :param direct_forces: forces that the model predicts directly, [atoms, 3], eV/Å, with the
            net force (for molecules also the net torque) removed unless the engine was told not to
        :param direct_virial: minus the volume times the directly predicted stress, symmetric
            [3, 3], eV; only for structures that are periodic in all directions
        :param atomic_energies: energy of each atom, [atoms], eV
        :param uncertainty: standard deviation of the energy of each atom as the model gives it,
            [atoms], eV
        :param committee: energy that each member of the model's committee gives, [members], eV
        :param committee_forces: minus the gradient of each of these with respect to the positions,
            [members, atoms, 3], eV/Å: a backward pass a member
        :param committee_virials: the same with respect to a strain, [members, 3, 3], eV
        :param committee_direct_forces: forces that each member predicts directly, [members, atoms,
            3], eV/Å, net forces removed; of a committee of models only
        :param atomic_virials: share of each atom in the virial, [atoms, 3, 3], eV, not symmetric:
            -r_ij (x) dE_i/dr_ij of each pair with its neighbour j (Fan et al., PRB 92, 094301
            (2015)); only of models that see pair vectors alone
        :param halved_atomic_virials: the same with half of each pair with each of its atoms,
            symmetrised
        :param energy_rot_std: standard deviation of the energy over the rotated copies of
            ``symmetrize``, eV: √⟨(z − ⟨z⟩)²⟩ with the weights of the set, each copy turned back. It
            is that over all orientations if the set is exact up to twice the largest angular
            momentum of the model's error
        :param conservative_forces_rot_std: the same of each component of the conservative forces,
            [atoms, 3], eV/Å
        :param conservative_virial_rot_std: the same of the conservative virial, [3, 3], eV
        :param direct_forces_rot_std: the same of the direct forces with their net force in,
            [atoms, 3], eV/Å
        :param direct_virial_rot_std: the same of the direct virial, [3, 3], eV
        :returns: an :class:`Evaluation`, or a list of them
        :raises ModelError: if the model cannot give what is wanted, or lacks an element
        :raises NonFiniteError: if a result is NaN or infinite
        :raises EngineError: for everything else, such as running out of memory, or a standard
            deviation without a set of copies
        :raises TypeError: for an unknown keyword, naming the nearest one
        """
        if unknown:
            _refuse_keyword("evaluate", next(iter(unknown)), _QUANTITIES)
        batch = [structures] if isinstance(structures, Structure) else list(structures)
        if pairs is None:
            lists = [Pairs(0.0) for _ in batch]
        else:
            lists = [pairs] if isinstance(pairs, Pairs) else list(pairs)
        wanted = Wanted(
            energy=energy,
            conservative_forces=conservative_forces,
            conservative_virial=conservative_virial,
            direct_forces=direct_forces,
            direct_virial=direct_virial,
            atomic_energies=atomic_energies,
            uncertainty=uncertainty,
            committee=committee,
            committee_forces=committee_forces,
            committee_virials=committee_virials,
            committee_direct_forces=committee_direct_forces,
            atomic_virials=atomic_virials,
            halved_atomic_virials=halved_atomic_virials,
            energy_rot_std=energy_rot_std,
            conservative_forces_rot_std=conservative_forces_rot_std,
            conservative_virial_rot_std=conservative_virial_rot_std,
            direct_forces_rot_std=direct_forces_rot_std,
            direct_virial_rot_std=direct_virial_rot_std,
        )
        results = self.evaluate_batch(batch, lists, wanted)
        return results[0] if isinstance(structures, Structure) else results


def model_info(
    model: str | os.PathLike[str], device: str = "auto", extensions: str = ""
) -> ModelInfo:
    """What a model says of itself, also where it could not be evaluated without a charge.

    :param model: as of :class:`Engine`, as all others
    :param device: see there
    :param extensions: see there
    :raises ModelError: if the model cannot be loaded
    """
    return _core.Model.load(os.fspath(model), device, extensions).info


def model_inputs(
    model: str | os.PathLike[str], device: str = "auto", extensions: str = ""
) -> dict[str, bool]:
    """What a model asks for besides the atoms, and whether it can do without.

    :param model: as of :class:`Engine`, as all others
    :param device: see there
    :param extensions: see there
    :returns: by ``charge`` and ``spin_multiplicity``
    :raises ModelError: if the model cannot be loaded
    """
    return dict(_core.Model.load(os.fspath(model), device, extensions).inputs)


def cheapest_forces(engine: Engine) -> str:
    """The kind of forces of a model that costs least: "direct" if it has them, else "conservative".

    :param engine: of the model
    """
    try:
        engine.require(Wanted(energy=False, direct_forces=True))
    except ModelError:
        return "conservative"
    return "direct"


def open_inner(options: ModelOptions, **keywords: Any) -> tuple[Engine, str]:
    """The model of the inner forces, and the kind of them.

    :param options: with an inner model
    :param keywords: further ones of :class:`Engine`
    :returns: its engine, and "direct" or "conservative"
    :raises ModelError: if it cannot be loaded, lacks the forces, or was made for another variant of
        the outer model
    """
    inner = _core.Model.load(options.inner, options.device, options.extensions)
    # of every structure, where both models ask for it
    inputs = {name: getattr(options, name) for name in inner.inputs}
    engine = Engine(options.inner, **options.inner_keywords(), **inputs, **keywords)
    require_teacher_variant(engine, options.variant)
    kind = options.inner_forces
    if kind == "auto":
        kind = cheapest_forces(engine)
    direct = kind == "direct"
    engine.require(Wanted(energy=False, direct_forces=direct, conservative_forces=not direct))
    return engine, kind


TEACHER_VARIANT = "teacher_variant"
"""In the metadata of a model that was made to stand in for another one: which variant of that."""


def require_teacher_variant(inner: Engine, variant: str) -> None:
    """Refuse an inner model that stands in for another variant of the outer model than the one that
    is used: its forces belong to another potential energy surface.

    :param inner: the inner model; one that does not say what it was made for is taken
    :param variant: of the outer model
    :raises ModelError: another one
    """
    made_for = inner.info.extra.get(TEACHER_VARIANT, variant)
    if made_for != variant:
        raise ModelError(
            f"the inner model {inner.info.path} was made for {_variant_text(made_for)} of the "
            f"outer model, and {_variant_text(variant)} of it is chosen: choose the other variant, "
            "or an inner model that was made for this one"
        )


def _variant_text(variant: str) -> str:
    return f"the variant {variant}" if variant else "the default variant"


_KEYWORDS = [
    name
    for name, parameter in inspect.signature(Engine).parameters.items()
    if name != "model" and parameter.kind is not parameter.VAR_KEYWORD
]
_QUANTITIES = [name for name in vars(Evaluation) if not name.startswith("_")]
_TWO_KINDS = {"forces": "forces", "virial": "virial", "stress": "virial"}
"""Quantities that a model gives in two ways: as users call them, and the end of our names."""


def _refuse_keyword(function: str, name: str, known: Iterable[str]) -> NoReturn:
    near = nearest(name, known)
    if function == "evaluate" and name in _TWO_KINDS:
        hint = f"; did you mean 'conservative_{_TWO_KINDS[name]}' or 'direct_{_TWO_KINDS[name]}'?"
    elif near:
        hint = f"; did you mean {near!r}?"
    else:
        hint = f": expected one of {', '.join(known)}"
    raise TypeError(f"{function}() does not know the keyword {name!r}{hint}")


def structure_from_ase(atoms: Atoms) -> Structure:
    """An ASE ``Atoms`` object as a structure; lattice vectors along open directions are dropped.

    :param atoms: N atoms, Å
    :raises EngineError: if a position is not finite, or the cell is flat
    """
    periodic = np.asarray(atoms.pbc, dtype=bool)
    cell = np.where(periodic[:, None], atoms.cell.array, 0.0)
    return Structure(atoms.numbers, atoms.positions, cell, periodic.tolist())
