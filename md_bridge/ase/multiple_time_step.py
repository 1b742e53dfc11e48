"""Molecular dynamics with multiple time steps: cheap forces inside, conservative ones outside."""

from __future__ import annotations

import logging
import os
from typing import IO, Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.md.logger import MDLogger
from ase.md.md import MolecularDynamics
from numpy.typing import NDArray

from md_bridge.ase.calculator import ParameterError
from md_bridge.ase.force_levels import ForceLevels, force_levels
from md_bridge.forces import LARGEST_CORRECTION, ForceAgreement

__all__ = ["MultipleTimeStep", "MultipleTimeStepLangevin"]

_LOGGER = logging.getLogger(__name__)

Array = NDArray[np.float64]


class MultipleTimeStep(MolecularDynamics):
    """NVE dynamics by reversible multiple time stepping (rRESPA).

    An outer step of length Δt is half a kick by the correction (outer minus inner forces), M steps
    of velocity Verlet with the inner forces, and the other half of the kick. What is conserved is
    the kinetic energy plus the potential energy of the outer forces, at outer steps. Above 4 fs an
    outer step resonates with bonds to hydrogen.

    The outer forces are those of ``atoms.calc``. The inner ones:

    - of a :class:`MDBridgeCalculator` alone, the direct forces of its model, in the same forward
      pass where both are wanted;
    - with ``inner``, those of another calculator or model, which may be any that is cheaper.

    Nothing is evaluated twice: an outer step costs M inner evaluations and one outer one (of one
    model M − 1 and one for both). As with all dynamics of ASE, ``run(steps)`` counts (outer) steps,
    and observers, logfile and trajectory see the state at outer steps, where energy, forces and
    stress of the atoms are known.

    Constraints work as in ASE's ``VelocityVerlet``; those that are potentials act at inner steps.

    :param atoms: N atoms with a calculator
    :param timestep: Δt, the outer step, in ASE's units of time
    :param inner_steps: M, a whole number from 1 on; the inner step is Δt / M
    :param inner: of the inner forces: an ASE calculator or the path of an exported model (its
        direct forces if it has them); None: the direct forces of the atoms' own model
    :param max_correction: when it begins, inner and outer forces at one place are compared (their
        difference is :attr:`agreement`, a line of ``logfile`` and of :mod:`logging`); dynamics
        whose correction is larger than this, in terms of the outer forces, stops: the forces belong
        to different potential energy surfaces. Outer forces below 0.3 eV/Å are taken for that.
        Atoms at rest (outer forces below 0.005 eV/Å) are compared again at each outer step until
        they move
    :param trajectory: as for every dynamics of ASE
    :param logfile: as for every dynamics of ASE, with the line on how the forces agree
    :param loginterval: the same
    :param options: further ones of ``ase.md.md.MolecularDynamics``
    :raises ParameterError: the atoms have no calculator, it does not give the forces that are
        needed, or M is no whole number
    :raises md_bridge.engine.ModelError: a model lacks its forces
    """

    agreement: ForceAgreement | None = None
    """How far the inner forces are from the outer ones where the dynamics began; None before, and
    while the atoms are at rest."""

    def __init__(
        self,
        atoms: Atoms,
        timestep: float,
        inner_steps: int,
        inner: BaseCalculator | str | os.PathLike[str] | None = None,
        trajectory: str | None = None,
        logfile: IO[str] | str | None = None,
        loginterval: int = 1,
        *,
        max_correction: float = LARGEST_CORRECTION,
        **options: Any,
    ) -> None:
        if not isinstance(inner_steps, int | np.integer) or inner_steps < 1:
            raise ParameterError(
                f"inner_steps, the number of inner steps in an outer one, must be a whole number "
                f"from 1 on, found {inner_steps!r}"
            )
        if not max_correction > 0:
            raise ParameterError(f"max_correction must be positive, found {max_correction!r}")
        self.inner_steps = int(inner_steps)
        self.max_correction = float(max_correction)
        self._inner = inner
        self._levels: ForceLevels = force_levels(atoms, inner)
        super().__init__(atoms, timestep, trajectory, logfile, loginterval, **options)

    def todict(self) -> dict[str, Any]:
        """What a trajectory file says of its dynamics."""
        return {**super().todict(), "inner-steps": self.inner_steps}

    def step(self) -> Array:
        """Take one outer step.

        :returns: the outer forces at its end, [N, 3], eV/Å
        :raises ParameterError: in the first one with forces, the correction is larger than
            ``max_correction``
        """
        self._follow_calculator()
        inner = self._levels.inner
        outer = self._levels.outer(self.atoms)
        fast = inner(self.atoms)
        if self.agreement is None:
            self._compare(outer, fast)
        self._kick(0.5 * self.dt, outer - fast)
        time = self.dt / self.inner_steps
        for left in reversed(range(self.inner_steps)):
            self._kick(0.5 * time, fast)
            self._move(time)
            fast = inner(self.atoms, outer_follows=left == 0)
            self._kick(0.5 * time, fast)
        outer = self._levels.outer(self.atoms)
        self._kick(0.5 * self.dt, outer - fast)
        return outer

    def _follow_calculator(self) -> None:
        if not self._levels.serves(self.atoms):
            self._levels = force_levels(self.atoms, self._inner)
            self.agreement = None

    def _compare(self, outer: Array, inner: Array) -> None:
        """Whether both belong to one potential energy surface, where both are there anyway."""
        found = ForceAgreement.of(outer, inner)
        if found.correction > found.allowed(self.max_correction):
            raise ParameterError(
                f"{found}. They do not belong to one potential energy surface (largest correction "
                f"allowed: {self.max_correction:g} times the conservative forces): choose another "
                "inner model or calculator, or another variant, or allow for it by max_correction"
            )
        if found.at_rest:
            return
        self.agreement = found
        _LOGGER.info("multiple time stepping: %s", found)
        for observer, *_ in self.observers:
            if isinstance(observer, MDLogger):
                observer.logfile.write(f"# multiple time stepping: {found}\n")
                observer.logfile.flush()

    def _refresh_properties(self) -> None:
        """ASE's observers find the results of the outer forces in the calculator."""
        self._follow_calculator()
        self._levels.outer(self.atoms)
        super()._refresh_properties()

    def _kick(self, time: float, forces: Array) -> None:
        self.atoms.set_momenta(self.atoms.get_momenta() + time * forces)

    def _move(self, time: float) -> None:
        """The positions, and what a thermostat does to the momenta meanwhile."""
        self._drift(time)

    def _drift(self, time: float) -> None:
        atoms = self.atoms
        start, momenta = atoms.get_positions(), atoms.get_momenta()
        atoms.set_positions(start + time * momenta / self.masses)
        if atoms.constraints:  # their part in the motion belongs to the momenta (RATTLE)
            momenta = (atoms.get_positions() - start) * self.masses / time
            atoms.set_momenta(momenta, apply_constraint=False)


class MultipleTimeStepLangevin(MultipleTimeStep):
    """NVT dynamics: :class:`MultipleTimeStep` with friction and noise in the middle of each inner
    step (BAOAB, Leimkuhler and Matthews, J. Chem. Phys. 138, 174102 (2013)).

    :param atoms: N atoms with a calculator
    :param timestep: the outer step, in ASE's units of time
    :param inner_steps: M, a whole number from 1 on
    :param inner: of the inner forces, as for :class:`MultipleTimeStep`
    :param temperature_K: K
    :param friction: inverse of the time in which momenta are forgotten, in ASE's units, as for
        ASE's ``Langevin``
    :param rng: a generator of numpy, or its seed; None: another one in each run
    :param options: those of :class:`MultipleTimeStep`
    :raises ParameterError: as :class:`MultipleTimeStep`, and for a negative temperature or friction
    :raises md_bridge.engine.ModelError: a model lacks its forces
    """

    heat: float
    """Energy that the thermostat has given to the atoms, eV: the total energy minus this is
    conserved."""

    def __init__(
        self,
        atoms: Atoms,
        timestep: float,
        inner_steps: int,
        inner: BaseCalculator | str | os.PathLike[str] | None = None,
        *,
        temperature_K: float,  # noqa: N803 (as ASE calls it)
        friction: float,
        rng: np.random.Generator | int | None = None,
        **options: Any,
    ) -> None:
        for name, value in (("temperature_K", temperature_K), ("friction", friction)):
            if not (np.isfinite(value) and value >= 0.0):
                raise ParameterError(f"{name} must be a number from 0 on, found {value!r}")
        self.temperature_K, self.friction = float(temperature_K), float(friction)
        self.rng = np.random.default_rng(rng)
        self.heat = 0.0
        super().__init__(atoms, timestep, inner_steps, inner, **options)

    def todict(self) -> dict[str, Any]:
        """What a trajectory file says of its dynamics."""
        own = {"temperature_K": self.temperature_K, "friction": self.friction}
        return {**super().todict(), **own}

    def _move(self, time: float) -> None:
        self._drift(0.5 * time)
        self._thermalise(time)
        self._drift(0.5 * time)

    def _thermalise(self, time: float) -> None:
        before = self.atoms.get_kinetic_energy()
        momenta = self.atoms.get_momenta()
        kept = np.exp(-self.friction * time)
        thermal = np.sqrt((1.0 - kept**2) * units.kB * self.temperature_K * self.masses)
        noise = self.rng.standard_normal(momenta.shape)
        self.atoms.set_momenta(kept * momenta + thermal * noise)
        self.heat += self.atoms.get_kinetic_energy() - before
