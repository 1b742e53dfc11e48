"""A first guess of M, the inner steps of multiple time stepping, from one look at the forces.

Two things limit the outer step Δ = M δt:

**Resonance.** The correction is a train of impulses, one every Δ. It drives a vibration of period τ
into resonance where Δ comes near τ/2 (Biesiadecki and Skeel, J. Comput. Phys. 109, 318 (1993)). τ
is measured here: the stiffest vibration is the largest eigenvalue of the mass-weighted Hessian of
the conservative energy, found by the Lanczos method, each product with the Hessian being a finite
difference of forces. In a warm structure it is somewhat faster than the infrared spectrum says
(some bond is always compressed), which errs on the safe side.

**The size of the correction.** Each outer step kicks atom i by Δ (F_c − F_d)_i in momentum. If no
kick knew of the one before, the energy would grow at the rate

    Q = Δ · mean over atoms of |F_c − F_d|² / (2 m).

Kicks do know of each other: what varies slowly along the trajectory is integrated exactly to order
Δ² (their sum is a trapezoidal rule), and only the part that oscillates as fast as the kicks come
is left as heat. How large that part is depends on the vibrations and has no formula. It is taken as
η = 0.25 (Δ/τ)^2.65, which reproduces MD Bridge's bundled water model (27 molecules, 300 K, τ = 7.7
fs, force difference 33 meV/Å rms) in runs of 0.5 ps: drift Q η = 0.08 meV/atom/ps for Δ = 2 fs and
1.0 for 4 fs.

Two numbers of one system are a thin basis, and on the safe side: over 10 ps the drift at 2 fs is
not to be told from zero (docs/energy-drift.md), and for a direct head with 2.5 times the force
difference it is up to six times smaller than what this says. So it is a first guess, for a run that
measures.

Of two models, see :mod:`md_bridge.export.checks.two_models`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase import units

from md_bridge.export.checks.result import Check
from md_bridge.export.checks.runner import Predictor

__all__ = [
    "FirstGuess",
    "check_first_guess",
    "expected_drift",
    "fastest_period",
    "guess_in_words",
    "guess_inner_steps",
    "inner_step_of",
    "kick_heating",
]

DRIFT_TOLERANCE = 0.1  # meV/atom/ps: what the drift tests call conserved
INNER_STEPS_PER_PERIOD = 15  # of the fastest vibration
INNER_STEPS_OF_CHOICE = (0.25, 0.5, 1.0, 2.0, 4.0)  # fs
RESONANCE = 0.45  # of the period: with a margin to the wall, at half of it
MOST_INNER_STEPS = 8  # the gain is nearly used up: M F / (M − 1 + F) has 83 % of F at F = 2.7
_UNCANCELLED, _UNCANCELLED_POWER = 0.25, 2.65  # η of the module's docstring


@dataclass(frozen=True)
class FirstGuess:
    """What to try first.

    :param inner_steps: M
    :param inner_step: δt, fs
    :param drift: expected of the conserved quantity, meV/atom/ps
    :param period: of the fastest vibration, fs
    """

    inner_steps: int
    inner_step: float
    drift: float
    period: float


def guess_inner_steps(period: float, kick_heating: float) -> FirstGuess:
    """M and δt from the two limits; the formula is in the docstring of this module.

    :param period: of the fastest vibration, fs
    :param kick_heating: Q/Δ, the mean over atoms of |F_c − F_d|²/(2m), in eV/fs²
    """
    step = inner_step_of(period)
    resonance = RESONANCE * period
    # the Δ at which Q η is the tolerance
    rate = expected_drift(1.0, period, kick_heating)
    heating = (DRIFT_TOLERANCE / max(rate, 1e-300)) ** (1 / (1 + _UNCANCELLED_POWER))
    # a resonance is a wall; the drift is a guess that may as well be rounded up
    largest = min(int(resonance / step + 1e-9), round(min(heating / step, 1e6)), MOST_INNER_STEPS)
    inner_steps = max(largest, 1)
    drift = expected_drift(inner_steps * step, period, kick_heating)
    return FirstGuess(inner_steps, step, drift, period)


def inner_step_of(period: float) -> float:
    """δt, a usual one that resolves the fastest vibration (fs).

    :param period: of the fastest vibration, fs
    """
    wanted = period / INNER_STEPS_PER_PERIOD
    return min(INNER_STEPS_OF_CHOICE, key=lambda choice: abs(math.log(choice / wanted)))


def expected_drift(outer_step: float, period: float, kick_heating: float) -> float:
    """Q η of the module's docstring.

    :param outer_step: Δ, fs
    :param period: of the fastest vibration, fs
    :param kick_heating: Q/Δ, eV/fs²
    :returns: in meV/atom/ps
    """
    uncancelled = min(_UNCANCELLED * (outer_step / period) ** _UNCANCELLED_POWER, 1.0)
    return 1e6 * outer_step * kick_heating * uncancelled  # eV/fs -> meV/ps


def kick_heating(difference: np.ndarray, masses: np.ndarray) -> float:
    """Mean over atoms of |F_c − F_d|²/(2m), in eV/fs².

    :param difference: ``[N, 3]``, of conservative and direct forces, eV/Å
    :param masses: ``[N]``, u
    """
    square = np.sum(np.square(difference), axis=1)
    return float(np.mean(square / (2 * masses))) * units.fs**2


def fastest_period(runner: Predictor, atoms: ase.Atoms, iterations: int = 10) -> float:
    """Period of the fastest vibration of the conservative forces, in fs; infinite without one.

    :param runner: the model
    :param atoms: a structure, best one of the dynamics
    :param iterations: of the Lanczos method; each takes two evaluations of the forces
    """
    root_mass = np.sqrt(atoms.get_masses())[:, None]

    def product(vector: np.ndarray) -> np.ndarray:
        """The mass-weighted Hessian times a vector, by a central difference."""
        displacement = vector / root_mass
        step = 0.01 / np.abs(displacement).max()  # the atom that moves most moves 0.01 Å
        up, down = atoms.copy(), atoms.copy()
        up.positions += step * displacement
        down.positions -= step * displacement
        forces = [runner.evaluate([moved], direct=False)[0].forces for moved in (up, down)]
        assert forces[0] is not None
        assert forces[1] is not None
        return -(forces[0] - forces[1]) / (2 * step) / root_mass

    vector = np.random.default_rng(0).standard_normal((len(atoms), 3))
    basis: list[np.ndarray] = []
    products: list[np.ndarray] = []
    for _ in range(min(iterations, 3 * len(atoms))):
        for other in basis:
            vector = vector - np.sum(other * vector) * other
        length = np.linalg.norm(vector)
        if length < 1e-10:  # the space is used up
            break
        basis.append(vector / length)
        products.append(product(basis[-1]))
        vector = products[-1]
    small = np.array([[np.sum(u * w) for w in products] for u in basis])
    largest = float(np.linalg.eigvalsh(0.5 * (small + small.T))[-1])
    return 2 * np.pi / np.sqrt(largest) / units.fs if largest > 1e-8 else math.inf


def check_first_guess(runner: Predictor, structures: Sequence[ase.Atoms]) -> Check | None:
    """A first guess of M; None for a model without direct forces.

    :param runner: the model
    :param structures: of the dynamics; the fastest vibration is that of the first one
    """
    if not runner.has_direct:
        return None
    name = "first guess of M"
    filled = [atoms for atoms in structures if len(atoms) > 1]
    period = fastest_period(runner, filled[0]) if filled else math.inf
    if not math.isfinite(period):
        why = "not guessed: no vibration was found in the structures; give some of your dynamics"
        return Check(name, None, math.nan, "", None, why)
    differences, masses = [], []
    for atoms, prediction in zip(filled, runner.evaluate(filled), strict=True):
        assert prediction.forces is not None
        assert prediction.direct_forces is not None
        direct = prediction.direct_forces - prediction.direct_forces.mean(axis=0)
        differences.append(prediction.forces - direct)
        masses.append(atoms.get_masses())
    heating = kick_heating(np.concatenate(differences), np.concatenate(masses))
    guess = guess_inner_steps(period, heating)
    return Check(name, None, guess.inner_steps, "inner steps", None, guess_in_words(guess))


def guess_in_words(guess: FirstGuess, inner: str = "direct forces") -> str:
    """What was found, and what it is worth.

    :param guess: M, and what it rests on
    :param inner: what the inner forces are called
    """
    outer = guess.inner_steps * guess.inner_step
    text = (
        f"the fastest vibration has a period of {guess.period:.3g} fs, so an outer step of "
        f"{0.5 * guess.period:.2g} fs or more resonates; inner steps of {guess.inner_step:g} fs "
        f"and an outer step of {outer:g} fs may drift by {guess.drift:.1g} meV/atom/ps. A guess "
        "from a few structures, calibrated on water: md-bridge tune measures it"
    )
    if guess.inner_steps == 1:
        text += (
            f". M = 1 means that the {inner} are too far from the conservative ones for "
            "multiple time stepping to gain anything"
        )
    return text
