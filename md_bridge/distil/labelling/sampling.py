"""Frames from short dynamics of the teacher, and strained and rattled copies of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from numpy.typing import NDArray

from md_bridge.ase import MultipleTimeStepLangevin
from md_bridge.distil.errors import DistilError
from md_bridge.distil.labelling.frames import Block, FrameStore
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.engine import NonFiniteError
from md_bridge.errors import MDBridgeError

__all__ = [
    "OUTER_STEPS_OF_BLOCK",
    "PAIRS_OF_BLOCK",
    "Run",
    "Sampler",
    "default_timestep",
]

Array = NDArray[np.float64]

INNER_STEPS = 4
"""Time steps between the neighbours of a pair: an outer step of the teacher's own multiple time
stepping, of which this many conserve energy."""
PAIRS_OF_BLOCK = 3
OUTER_STEPS_OF_PAIR = 4
"""The last two of them are the pair; in the others the frames forget the pair before."""
OUTER_STEPS_OF_BLOCK = PAIRS_OF_BLOCK * OUTER_STEPS_OF_PAIR
RELAXATION_FS = 200.0
"""Of the velocities under the thermostat."""
STRAIN, SHEAR, RATTLE = 0.03, 0.02, 0.06
"""Largest ones of the distorted copies; the last in Å."""
MOST_DROPPED = 0.01
"""Of all frames."""
_ATTEMPTS = 3
"""To measure what steps cost, each with other velocities."""
_NOT_FINITE = "Take a lower temperature, a shorter time step, or starts that the teacher knows"


def default_timestep(starts: Sequence[Atoms]) -> float:
    """0.5 fs with hydrogen; longer with the square root of the lightest mass, up to 2 fs.

    :param starts: at least one structure
    """
    lightest = min(float(atoms.get_masses().min()) for atoms in starts)
    return float(np.clip(round(0.5 * np.sqrt(lightest / 1.008), 1), 0.5, 2.0))


@dataclass(frozen=True)
class Run:
    """Dynamics from one start at one temperature."""

    number: int
    """From 1."""
    start: Atoms
    temperature_k: float


@dataclass
class _State:
    """Where the dynamics of a run is."""

    positions: Array
    momenta: Array


@dataclass
class Sampler:
    """Makes the blocks of runs.

    A block depends on the seed, its number and where the one before it ended, and on nothing else:
    the calculator, its pair list and the random numbers begin anew with each. So frames are the
    same, bit for bit, however often their making is interrupted.
    """

    teacher: Teacher
    timestep_fs: float
    seed: int
    planned_frames: int
    """Of all runs."""
    multiple_time_stepping: bool
    """Whether direct forces of the teacher drive its dynamics, corrected by conservative ones."""
    dropped: int = field(default=0)
    """Frames that were dropped so far."""

    def make(self, store: FrameStore, run: Run, number: int, distort: bool) -> Block:
        """A block, read if it is there, and else made and written.

        :param store: of the frames
        :param run: the run
        :param number: of the block, from 1; those before it are there
        :param distort: whether a distorted copy goes with it
        :raises DistilError: more frames than 1 % were dropped, the teacher fails, or the disk is
            full
        """
        if store.path(run.number, number).exists():
            block = store.read(run.number, number)
            self.dropped += block.dropped
            return block
        if number == 1:
            state = self._first_state(run)
        else:
            before = store.read(run.number, number - 1)
            state = _State(before.end_positions, before.end_momenta)
        block = self._block(run, number, state, distort)
        store.write(run.number, number, block)
        return block

    def seconds(self, run: Run, outer_steps: int) -> float:
        """What outer steps from the start of a run cost; steps without finite forces are tried
        again with other velocities, as they are when frames are made.

        :param run: the run
        :param outer_steps: how many
        :raises DistilError: the teacher fails in them, or gives no finite forces time after time
        """
        last: Exception | None = None
        for attempt in range(_ATTEMPTS):
            atoms = self._atoms(run, self._first_state(run, attempt))
            began = time.monotonic()
            try:
                self._step(self._dynamics(atoms, run, np.random.default_rng(attempt)), outer_steps)
                return time.monotonic() - began
            except (_NotFiniteError, NonFiniteError) as error:
                last = error
            except MDBridgeError:
                raise
            except Exception as error:  # calculators raise whatever they stumble over
                raise self._failed(run, error) from error
        raise DistilError(
            f"the teacher {self.teacher.name} gave no finite forces in the first "
            f"{INNER_STEPS * outer_steps} steps of {_ATTEMPTS} dynamics out of {_ATTEMPTS} (the "
            f"last at {run.temperature_k:g} K: {last}). {_NOT_FINITE}"
        ) from last

    def _first_state(self, run: Run, attempt: int = 0) -> _State:
        atoms = run.start.copy()
        atoms.set_constraint()
        rng = np.random.default_rng([self.seed, run.number, 0, *[attempt] * (attempt > 0)])
        MaxwellBoltzmannDistribution(atoms, temperature_K=run.temperature_k, rng=rng)
        Stationary(atoms, preserve_temperature=False)
        return _State(atoms.get_positions(), atoms.get_momenta())

    def _atoms(self, run: Run, state: _State) -> Atoms:
        atoms = run.start.copy()
        atoms.set_constraint()
        atoms.set_positions(state.positions)
        atoms.set_momenta(state.momenta)
        atoms.calc = self.teacher.calculator()
        return atoms

    def _dynamics(self, atoms: Atoms, run: Run, rng: np.random.Generator) -> MolecularDynamics:
        friction = 1 / (RELAXATION_FS * units.fs)
        timestep = self.timestep_fs * units.fs
        if self.multiple_time_stepping:
            return MultipleTimeStepLangevin(
                atoms,
                INNER_STEPS * timestep,
                INNER_STEPS,
                temperature_K=run.temperature_k,
                friction=friction,
                rng=rng,
                max_correction=math.inf,  # looked at before: see choose_driving()
            )
        return Langevin(
            atoms,
            timestep,
            temperature_K=run.temperature_k,
            friction=friction,
            fixcm=False,
            rng=rng,
        )

    def _step(self, dynamics: MolecularDynamics, outer_steps: int) -> None:
        each = 1 if self.multiple_time_stepping else INNER_STEPS
        for _ in range(each * outer_steps):
            dynamics.run(1)
            # before atoms are moved there, which not every calculator survives
            if not np.isfinite(dynamics.atoms.get_momenta()).all():
                raise _NotFiniteError("the forces were not finite")

    def _block(self, run: Run, number: int, state: _State, distort: bool) -> Block:
        rng = np.random.default_rng([self.seed, run.number, number])
        frames: list[_Labelled] = []
        dropped = 0
        atoms = self._atoms(run, state)
        dynamics = self._dynamics(atoms, run, rng)
        while len(frames) < 2 * PAIRS_OF_BLOCK:
            state = _State(atoms.get_positions(), atoms.get_momenta())
            try:
                frames += self._pair(dynamics, atoms, run)
            except (_NotFiniteError, NonFiniteError) as error:
                dropped += 1
                self._count_dropped(run, error)
                # from before the step that failed, with other velocities
                atoms = self._atoms(run, state)
                MaxwellBoltzmannDistribution(atoms, temperature_K=run.temperature_k, rng=rng)
                dynamics = self._dynamics(atoms, run, rng)
            except MDBridgeError:
                raise
            except Exception as error:  # calculators raise whatever they stumble over
                raise self._failed(run, error) from error
        while distort and len(frames) == 2 * PAIRS_OF_BLOCK:
            try:
                frames.append(self._distorted(atoms, rng))
            except (_NotFiniteError, NonFiniteError) as error:
                dropped += 1
                self._count_dropped(run, error)
        return Block(
            numbers=atoms.numbers.astype(np.int64),
            masses=atoms.get_masses(),
            pbc=atoms.pbc,
            positions=np.stack([frame.positions for frame in frames]),
            cells=np.stack([frame.cell for frame in frames]),
            forces=np.stack([frame.forces for frame in frames]),
            energies=np.array([frame.energy for frame in frames]),
            pairs=PAIRS_OF_BLOCK,
            end_positions=atoms.get_positions(),
            end_momenta=atoms.get_momenta(),
            dropped=dropped,
        )

    def _pair(self, dynamics: MolecularDynamics, atoms: Atoms, run: Run) -> list[_Labelled]:
        self._step(dynamics, OUTER_STEPS_OF_PAIR - 1)
        first = _label(atoms)
        self._step(dynamics, 1)
        temperature = atoms.get_temperature()
        if not temperature < 10 * run.temperature_k + 1000:
            raise _NotFiniteError(f"the temperature rose to {temperature:.0f} K")
        return [first, _label(atoms)]

    def _distorted(self, atoms: Atoms, rng: np.random.Generator) -> _Labelled:
        """A strained and rattled copy."""
        copy = atoms.copy()
        copy.calc = atoms.calc
        deformation = (1 + rng.uniform(-STRAIN, STRAIN)) * (
            np.eye(3) + rng.uniform(-SHEAR, SHEAR, (3, 3))
        )
        noise = rng.normal(size=copy.positions.shape) * rng.uniform(0, RATTLE)
        copy.set_cell(copy.cell.array @ deformation)
        copy.set_positions(copy.positions @ deformation + noise)
        return _label(copy)

    def _failed(self, run: Run, error: Exception) -> DistilError:
        return DistilError(
            f"the teacher {self.teacher.name} failed in its dynamics at {run.temperature_k:g} K: "
            f"{type(error).__name__}: {error}. Take a lower temperature or a shorter time step, or "
            "look at that start"
        )

    def _count_dropped(self, run: Run, error: Exception) -> None:
        self.dropped += 1
        if self.dropped > MOST_DROPPED * self.planned_frames:
            raise DistilError(
                f"the teacher {self.teacher.name} gave no finite forces for {self.dropped} of the "
                f"{self.planned_frames} frames that are wanted, more than {MOST_DROPPED:.0%} "
                f"(the last at {run.temperature_k:g} K: {error}). {_NOT_FINITE}"
            ) from error


class _NotFiniteError(MDBridgeError):
    """A frame that cannot be learned from."""


@dataclass(frozen=True)
class _Labelled:
    positions: Array
    cell: Array
    forces: Array
    energy: float


def _label(atoms: Atoms) -> _Labelled:
    energy, forces = float(atoms.get_potential_energy()), np.array(atoms.get_forces(), dtype=float)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise _NotFiniteError("energy or forces are not finite")
    return _Labelled(atoms.get_positions(), atoms.cell.array.copy(), forces, energy)
