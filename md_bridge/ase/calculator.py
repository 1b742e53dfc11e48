"""ASE calculator on the engine."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import (
    InputError,
    PropertyNotImplementedError,
    all_changes,
)
from ase.stress import full_3x3_to_voigt_6_stress

from md_bridge.ase.missing import ExplainingCalculator, no_volume
from md_bridge.engine import (
    DEFAULT_SKIN,
    Engine,
    EngineError,
    Evaluation,
    Pairs,
    Wanted,
    set_threads,
    structure_from_ase,
)
from md_bridge.errors import MDBridgeError
from md_bridge.model_names import is_python_model
from md_bridge.model_options import ModelOptions
from md_bridge.text import nearest

__all__ = ["MDBridgeCalculator", "ParameterError"]

_KINDS = ("conservative", "direct")

# what metatomic's calculator calls them
_OTHER_NAMES = {
    "extensions_directory": "extensions",
    "non_conservative": "forces='direct' and stress='direct'",
    "variants": "variant, direct_variant and uncertainty_variant",
    "uncertainty_threshold": "the property 'energy_uncertainty'",
}

_OF_COPIES = {"energy_rot_std": "energy", "forces_rot_std": "forces", "stress_rot_std": "stress"}
"""Deviations over rotated copies, and what of."""

_DIRECT_STRESSES = (
    "the direct stress is known of the whole structure only: for the stresses of the atoms, which "
    "are shares of the derivative of the energy, say stress='conservative'"
)


class ParameterError(MDBridgeError, InputError, ValueError):
    """A parameter of the calculator is unknown, or has a value that it cannot have."""


class MDBridgeCalculator(ExplainingCalculator):
    """Energy, forces and stress of a trained model, in ASE's units: eV, eV/Å, eV/Å³.

    ======================  ========  ==========================================================
    property                shape     what it is
    ======================  ========  ==========================================================
    ``energy``              scalar    the energy of the model, whichever forces are chosen
    ``free_energy``         scalar    the same number, which ASE's optimisers ask for
    ``energies``            [N]       energies of the atoms, which add up to ``energy``
    ``forces``              [N, 3]    conservative or direct ones
    ``stress``              [6]       xx, yy, zz, yz, xz, xy; positive under tension
    ``stresses``            [N, 6]    shares of the atoms in ``stress``, which add up to it
    ``energy_uncertainty``  [N]       standard deviation of the energy of each atom
    ``energy_rot_std``      scalar    standard deviation over the rotated copies of ``symmetrize``
    ``forces_rot_std``      [N, 3]    the same of each component of the forces
    ``stress_rot_std``      [6]       the same of each component of the stress
    ======================  ========  ==========================================================

    The conservative stress is dE/d(strain) over the volume of the cell, as everywhere in ASE: also
    for a slab or a wire, whose volume contains the vacuum, so that only stress × volume has a
    meaning of its own. Without three cell vectors there is no stress. The direct stress is defined
    for structures that are periodic in all directions.

    ``stresses`` give half of what each pair contributes to either of its atoms, divided by the
    volume of the whole cell, as ASE's own calculators have it. They are those of the conservative
    stress, and there where the energy of the model depends on pair vectors alone.

    Where ``symmetrize`` averages over a set of copies, their standard deviations are among the
    results whenever the averages are.

    What this calculator, its model or the structure cannot give raises ASE's
    ``PropertyNotImplementedError``; :attr:`implemented_properties` of an instance lists what its
    model gives.

    The parameters can be changed by :meth:`set`, and :meth:`todict` gives those that are not the
    default ones: ASE stores them in databases and trajectories, and
    ``MDBridgeCalculator(**atoms.calc.parameters)`` makes the calculator again. Copies (by
    ``copy.deepcopy`` or ``pickle``) load the model by its path; a process holds it once.

    :param model: path of an exported model, or ``python:package.module:factory`` of a function that
        returns a calculator, whose forces are then averaged, checked and fused as those of a file
    :param forces: "conservative" (minus the gradient of the energy) or "direct" (predicted by the
        model: cheaper, but dynamics on them do not conserve energy)
    :param device: "auto" (CUDA if the machine and the model have it), "cpu", "cuda" or "cuda:N"
    :param skin: skin of the pair list in Å; the list is reused while no atom has moved further than
        half of it
    :param stress: "conservative" or "direct"; None: as ``forces``
    :param variant: variant of the outputs, for models with several; empty: the default one
    :param direct_variant: variant of the direct forces and stress, where it is another one; "-":
        the default one
    :param uncertainty_variant: the same for the uncertainty
    :param extensions: folder of compiled TorchScript extensions; empty: none
    :param symmetrize: average over rotated copies, one of
        :data:`md_bridge.engine.SYMMETRIZATIONS`, or a grid such as ``lebedev:6``
    :param direct_symmetrize: of the direct forces and stress, where that is another set: "none" for
        inner forces of :class:`md_bridge.ase.MultipleTimeStep` that are not averaged
    :param seed: of ``symmetrize="random"``; None: 0
    :param charge: total charge of each structure, for models that ask for it; None: what the model
        takes for this, if it does
    :param spin_multiplicity: the same, 1 for a singlet
    :param threads: threads of torch, for the whole process; 0: as torch is set
    :param remove_net_force: remove the net force (for molecules also the net torque) from the
        direct forces
    :param check_consistency: let metatomic verify each call; slow
    :param atoms_per_forward: rotated copies go through the model together up to so many atoms; 0:
        256 on a CPU, 2048 on a GPU
    :raises ParameterError: a parameter is unknown or has a value that it cannot have
    :raises md_bridge.engine.ModelError: the model cannot be loaded, or lacks what was chosen
    """

    name = "mdbridge"
    implemented_properties = [  # noqa: RUF012 (as ASE declares it)
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "stresses",
        "energy_uncertainty",
        "energy_rot_std",
        "forces_rot_std",
        "stress_rot_std",
    ]
    default_parameters = {  # noqa: RUF012 (as ASE declares it)
        "forces": "conservative",
        "stress": None,
        "skin": DEFAULT_SKIN,
        "remove_net_force": True,
        "check_consistency": False,
        "atoms_per_forward": 0,
        "threads": 0,
        **ModelOptions().engine_keywords(),
    }
    # what the model does not see leaves its results as they are
    ignored_changes = {"initial_charges", "initial_magmoms"}  # noqa: RUF012 (as ASE declares it)

    engine: Engine
    """The engine that evaluates the model; another one after :meth:`set`."""

    def __init__(
        self,
        model: str | os.PathLike[str],
        forces: str = "conservative",
        device: str = "auto",
        skin: float = DEFAULT_SKIN,
        *,
        stress: str | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__(
            model=model, forces=forces, device=device, skin=skin, stress=stress, **parameters
        )

    def set(self, **parameters: Any) -> dict[str, Any]:
        """Change parameters; results are forgotten if one is another than before.

        :param parameters: those of the class, by name
        :returns: those that were changed
        :raises ParameterError: as the class; then nothing is changed
        :raises md_bridge.engine.ModelError: as the class; then nothing is changed
        """
        if "model" in parameters:
            parameters["model"] = os.fspath(parameters["model"])
        for name in parameters:
            if name != "model" and name not in self.default_parameters:
                raise ParameterError(_unknown(name, ("model", *self.default_parameters)))
        wanted = {**self.parameters, **parameters}
        _check_kind("forces", wanted["forces"], _KINDS)
        _check_kind("stress", wanted["stress"], (*_KINDS, None))
        changed = {
            name: value
            for name, value in parameters.items()
            if name not in self.parameters or self.parameters[name] != value
        }
        if changed:
            self._open(wanted)
            self.parameters.update(changed)
            self.reset()
        return changed

    def _open(self, parameters: dict[str, Any]) -> None:
        """Load the model, and see what it gives."""
        if parameters["threads"]:
            set_threads(parameters["threads"])
        own = ("model", "forces", "stress", "skin", "threads")
        options = {name: value for name, value in parameters.items() if name not in own}
        engine = Engine(parameters["model"], **options)
        direct = parameters["forces"] == "direct"
        engine.require(
            Wanted(
                conservative_forces=not direct,
                direct_forces=direct,
                direct_virial=parameters["stress"] == "direct",
            )
        )
        direct_stress = (parameters["stress"] or parameters["forces"]) == "direct"
        missing = {
            "stress": _missing(
                engine,
                Wanted(direct_virial=direct_stress, conservative_virial=not direct_stress),
            ),
            "stresses": _DIRECT_STRESSES
            if direct_stress
            else _missing(engine, Wanted(halved_atomic_virials=True)),
            "energy_uncertainty": _missing(engine, Wanted(uncertainty=True)),
            "energies": _missing(engine, Wanted(atomic_energies=True)),
        }
        if engine.copies == 1:
            of_copies = _missing(engine, Wanted(energy_rot_std=True))
            missing.update(dict.fromkeys(_OF_COPIES, of_copies))
        if missing["stress"]:
            missing["stress_rot_std"] = missing["stress"]
            if direct_stress:
                missing["stress"] += ". For the derivative of the energy say stress='conservative'"
        self.engine = engine
        self._pairs = Pairs(parameters["skin"])
        self._missing = {name: sentence for name, sentence in missing.items() if sentence}
        self.implemented_properties = [
            name for name in type(self).implemented_properties if name not in self._missing
        ]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.todict().items())
        return f"{type(self).__name__}({given})"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("engine", "_pairs"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open(self.parameters)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Compute what is asked for in one forward pass, and what comes with it for nothing.

        :param atoms: the structure; None: that of the last calculation
        :param properties: of :attr:`implemented_properties`; None: the energy
        :param system_changes: what is new since the last calculation; empty: results are added to
        :raises PropertyNotImplementedError: the model or the structure does not have a property
        :raises md_bridge.engine.EngineError: the model fails, lacks an element, or a number is not
            finite
        """
        super().calculate(atoms, properties, system_changes)
        wanted = set(properties or ["energy"])
        for name in wanted & set(self._missing):
            raise PropertyNotImplementedError(self._missing[name])
        wanted |= {name for deviation, name in _OF_COPIES.items() if deviation in wanted}
        no_stress = self._missing.get("stress") or self._why_no_stress()
        if wanted & {"stress", "stresses"} and no_stress:
            raise PropertyNotImplementedError(no_stress)

        direct_forces, direct_stress = self._direct
        # A gradient that is made gives conservative forces and stress, any forward pass the direct
        # ones; and who asks for one of them often asks for the other next.
        gradient = (
            ("forces" in wanted and not direct_forces)
            or ("stress" in wanted and not direct_stress)
            or "stresses" in wanted
        )
        if wanted & {"forces", "stress", "stresses"}:
            if direct_forces or gradient:
                wanted.add("forces")
            if not no_stress and (direct_stress or gradient) and self._stress_comes_along:
                wanted.add("stress")
        forces, stress = "forces" in wanted, "stress" in wanted
        copies = self.engine.copies > 1
        result = self.engine.evaluate(
            structure_from_ase(self.atoms),
            self._pairs,
            conservative_forces=forces and not direct_forces,
            conservative_virial=stress and not direct_stress,
            direct_forces=forces and direct_forces,
            direct_virial=stress and direct_stress,
            halved_atomic_virials="stresses" in wanted,
            atomic_energies="energies" in wanted,
            uncertainty="energy_uncertainty" in wanted,
            energy_rot_std=copies,
            conservative_forces_rot_std=copies and forces and not direct_forces,
            conservative_virial_rot_std=copies and stress and not direct_stress,
            direct_forces_rot_std=copies and forces and direct_forces,
            direct_virial_rot_std=copies and stress and direct_stress,
        )
        if system_changes:
            self.results = {}
        self.results.update(energy=result.energy, free_energy=result.energy)
        if "energies" in wanted:
            self.results["energies"] = result.atomic_energies
        if "energy_uncertainty" in wanted:
            self.results["energy_uncertainty"] = result.uncertainty
        if forces:
            self.results["forces"] = (
                result.direct_forces if direct_forces else result.conservative_forces
            )
        if stress:
            virial = result.direct_virial if direct_stress else result.conservative_virial
            self.results["stress"] = _stress_of(virial, self.atoms)
        if "stresses" in wanted:
            self.results["stresses"] = _stress_of(result.halved_atomic_virials, self.atoms)
        if copies:
            self._take_deviations(result, forces, stress)

    @property
    def _stress_comes_along(self) -> bool:
        """Whether a stress that nobody asked for costs nothing: not every calculator that Python
        evaluates has one of a slab."""
        return bool(self.atoms.pbc.all()) or not is_python_model(self.parameters["model"])

    def _take_deviations(self, result: Evaluation, forces: bool, stress: bool) -> None:
        """Those over the rotated copies, of what was evaluated."""
        direct_forces, direct_stress = self._direct
        self.results["energy_rot_std"] = result.energy_rot_std
        if forces:
            self.results["forces_rot_std"] = (
                result.direct_forces_rot_std
                if direct_forces
                else result.conservative_forces_rot_std
            )
        if stress:
            virial = (
                result.direct_virial_rot_std
                if direct_stress
                else result.conservative_virial_rot_std
            )
            self.results["stress_rot_std"] = np.abs(_stress_of(virial, self.atoms))

    def remember(self, atoms: Atoms, evaluation: Evaluation) -> None:
        """Take what was evaluated elsewhere by :attr:`engine` as the results for a structure.

        :param atoms: the structure
        :param evaluation: with energy, conservative forces and, where the model has one, virial
        """
        self.atoms = atoms.copy()
        direct_forces, direct_stress = self._direct
        self.results = {"energy": evaluation.energy, "free_energy": evaluation.energy}
        if not direct_forces:
            self.results["forces"] = evaluation.conservative_forces
        virial = evaluation.conservative_virial
        if not direct_stress and atoms.cell.rank == 3 and virial is not None:
            self.results["stress"] = _stress_of(virial, atoms)

    @property
    def _direct(self) -> tuple[bool, bool]:
        """Whether forces, and stress, are the direct ones."""
        forces = self.parameters["forces"]
        return forces == "direct", (self.parameters["stress"] or forces) == "direct"

    def _why_no_stress(self) -> str:
        """What the structure lacks for a stress; empty if nothing."""
        pbc = self.atoms.pbc
        if self._direct[1] and not pbc.all():
            return (
                "the direct stress is defined for structures that are periodic in all directions, "
                f"found pbc {pbc.tolist()}. For the derivative of the energy say "
                "stress='conservative'"
            )
        return no_volume(self.atoms)


def _stress_of(virials: np.ndarray, atoms: Atoms) -> np.ndarray:
    """In ASE's order and sign, [..., 6], of virials [..., 3, 3]."""
    return full_3x3_to_voigt_6_stress(-np.asarray(virials) / atoms.cell.volume)


def _missing(engine: Engine, wanted: Wanted) -> str:
    """Why the model cannot give what is wanted; empty if it can."""
    try:
        engine.require(wanted)
    except EngineError as error:
        return str(error)
    return ""


def _check_kind(name: str, value: object, kinds: tuple[str | None, ...]) -> None:
    if value not in kinds:
        names = " or ".join(repr(kind) for kind in kinds)
        raise ParameterError(f"{name} must be {names}, found {value!r}")


def _unknown(name: str, names: tuple[str, ...]) -> str:
    """The sentence about a parameter that does not exist."""
    if name in _OTHER_NAMES:
        return f"unknown parameter '{name}': MD Bridge calls it {_OTHER_NAMES[name]}"
    near = nearest(name, names)
    hint = f"did you mean '{near}'? " if near else ""
    return f"unknown parameter '{name}': {hint}There are {', '.join(names)}"
