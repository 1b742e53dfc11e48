"""Two models compared, of which the cheap one is to give the inner forces of mts:M.

What limits M is the part of the correction that changes fast, more than its size: what changes
slowly along the trajectory is integrated exactly to second order of the outer step. So its rate of
change is measured too, by moving the atoms a little along their velocities.

The guess of M rests on that rate dC/dt, not on the size of the correction C. Were C to oscillate as
fast as the fastest vibration (period τ), its size would be τ/2π times its rate. Kicks of this size
that know nothing of each other would heat, with an outer step Δ, at the rate

    Q = Δ · mean over atoms of |dC/dt τ/2π|² / (2 m),

and the part of it that is left is taken as η = 500 (Δ/τ)^7.75, at most 1. Both numbers are those of
the bundled water model and its student (300 K, τ = 7.7 fs, dC/dt = 8.4 meV/Å/fs rms): heating rates
of 0.02 to 0.04 meV/atom/ps in dynamics with Δ = 2 fs, and of 0.9 with 3 fs as the spectrum of the
correction foretells (``md-bridge protocol resonance``). So steep a law makes little of how good an
inner model is, and much of the outer step, as it is found: what heats is the part of the correction
at the frequency of the kicks, which falls off fast, and which no look at one moment can tell.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms, units

from md_bridge.export.checks.costs import EvaluationCosts, evaluation_costs
from md_bridge.export.checks.differences import rms
from md_bridge.export.checks.first_guess import (
    DRIFT_TOLERANCE,
    RESONANCE,
    FirstGuess,
    fastest_period,
    guess_in_words,
    inner_step_of,
    kick_heating,
)
from md_bridge.export.checks.result import Check, judge
from md_bridge.forces import ForceAgreement
from md_bridge.model_options import ModelOptions, require_use_of_inner

if TYPE_CHECKING:
    from md_bridge.engine import Engine

__all__ = [
    "Forces",
    "ModelComparison",
    "compare_models",
    "drift_from_change",
    "engine_forces",
    "force_asymmetry",
    "force_matrix",
    "guess_from_change",
    "rate_of_change",
    "sampled_asymmetry",
]

MULTIPLICITIES = range(2, 9)
_LARGEST_GUESS = 16  # a cheap model gains by every M that conserves
_UNCANCELLED, _UNCANCELLED_POWER = 500.0, 7.75  # η of the module's docstring
_TEMPERATURE = 300.0  # K
_TIME = 0.5  # fs, moved each way
_PROBES = 16
_PROBE_STEP = 0.01  # Å

Array = np.ndarray
Forces = Callable[[Atoms], Array]


@dataclass(frozen=True)
class ModelComparison:
    """The forces of two models on some structures: eV, Å, fs. Root mean squares are over Cartesian
    components, of all atoms or of those of an element."""

    conservative_rms: float
    """Of the conservative forces of the outer model (eV/Å)."""
    difference_rms: float
    """Of these minus the inner forces: the correction (eV/Å)."""
    difference_by_element: dict[str, float]
    asymmetry: float
    """λ = ‖J − Jᵀ‖ / (2 ‖J‖) of the Jacobian J of the inner forces: 0 if they have a potential."""
    conservative_change: float
    """Of the rate at which the conservative forces change along the trajectory (eV/Å/fs)."""
    change: float
    """The same of the correction."""
    conservative_change_by_element: dict[str, float]
    change_by_element: dict[str, float]
    own_velocities: bool
    """Whether the structures had velocities; else they were drawn, at 300 K."""
    costs: EvaluationCosts
    guess: FirstGuess | None
    """None where no vibration was found, or no M gains anything."""

    @property
    def speedup_bounds(self) -> dict[int, float]:
        """S(M) of M = 2 to 8."""
        return {m: self.costs.speedup_bound(m) for m in MULTIPLICITIES}

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        values = asdict(self)
        del values["costs"]
        values["outer_s"], values["inner_s"] = self.costs.outer_s, self.costs.inner_s
        values["speedup_bounds"] = {str(m): bound for m, bound in self.speedup_bounds.items()}
        return values

    def checks(self) -> list[Check]:
        """As the other checks of a model: only the size of the difference can fail."""
        return [
            self._agreement(),
            Check(
                "asymmetry of the inner",
                None,
                100 * self.asymmetry,
                "%",
                None,
                "of the Jacobian of the inner forces, ‖J − Jᵀ‖ / (2 ‖J‖): 0 for forces that are "
                "the gradient of an energy",
            ),
            self._change(),
            self._costs(),
            self._guess(),
        ]

    def _agreement(self) -> Check:
        by_element = ", ".join(
            f"{element} {1000 * value:.3g}" for element, value in self.difference_by_element.items()
        )
        share = self.difference_rms / max(self.conservative_rms, 1e-12)
        detail = (
            f"root mean square of conservative minus inner forces, {100 * share:.3g} % of the "
            f"{1000 * self.conservative_rms:.4g} meV/Å of the conservative ones; by element: "
            f"{by_element} meV/Å"
        )
        allowed = ForceAgreement(self.conservative_rms, self.difference_rms).allowed()
        if self.difference_rms > allowed:
            detail += (
                ". They do not belong to one potential energy surface: choose another inner model, "
                "or another variant of one of the two"
            )
            return judge(
                "inner = conservative", 1000 * self.difference_rms, "meV/Å", 1000 * allowed, detail
            )
        return Check(
            "inner = conservative", None, 1000 * self.difference_rms, "meV/Å", None, detail
        )

    def _change(self) -> Check:
        scale = self.conservative_change_by_element
        parts = ", ".join(
            f"{element} {1000 * value:.3g} of {1000 * scale[element]:.4g}"
            for element, value in self.change_by_element.items()
        )
        how = "their velocities" if self.own_velocities else f"velocities at {_TEMPERATURE:g} K"
        return Check(
            "change of the correction",
            None,
            100 * self.change / max(self.conservative_change, 1e-12),
            "%",
            None,
            "rate at which conservative minus inner forces change along the trajectory, in that of "
            f"the conservative forces; by element, rms in meV/Å/fs: {parts} (by {how}). What "
            "changes fast limits M",
        )

    def _costs(self) -> Check:
        bounds = ", ".join(f"{m}: {bound:.3g}" for m, bound in self.speedup_bounds.items())
        return Check(
            "outer / inner cost",
            None,
            self.costs.ratio,
            "",
            None,
            f"an evaluation of the outer model takes {1000 * self.costs.outer_s:.3g} ms, one of "
            f"the inner model {1000 * self.costs.inner_s:.3g} ms; the most that M can gain over "
            f"conservative forces, S(M) = M·c_o/(M·c_i + c_o), is {bounds}",
        )

    def _guess(self) -> Check:
        name = "first guess of M, two models"
        if self.costs.ratio <= 1.0:
            why = (
                "no gain: an evaluation of the inner model costs as much as one of the outer model "
                "or more, so every M is slower than conservative forces alone"
            )
            return Check(name, None, math.nan, "", None, why)
        if self.guess is None:
            why = "not guessed: no vibration was found in the structures"
            return Check(name, None, math.nan, "", None, why)
        text = guess_in_words(self.guess, "inner forces")
        bound = self.costs.speedup_bound(self.guess.inner_steps)
        if self.guess.inner_steps > 1 and bound <= 1.0:
            text = f"no gain: with this M the inner model costs more than it saves; {text}"
        return Check(name, None, self.guess.inner_steps, "inner steps", None, text)


def compare_models(
    model: str | os.PathLike[str],
    structures: Sequence[Atoms],
    options: ModelOptions,
    progress: Callable[[str], None] | None = None,
) -> ModelComparison:
    """Compare the conservative forces of a model with the forces of an inner model.

    :param model: path of the outer model, or ``python:package.module:factory``
    :param structures: of the dynamics, at least one with two atoms; velocities, if they have some,
        are used
    :param options: with the inner model
    :param progress: called with what is done, in words
    :raises ArgumentError: the inner model is the outer one, or there are no structures
    :raises EngineError: a model cannot be loaded, or lacks an element or its forces
    """
    from md_bridge.engine import Engine, choose_threads, open_inner
    from md_bridge.export.checks.calculator_runner import open_predictor

    require_use_of_inner(model, options, ["mts"])
    filled = [atoms for atoms in structures if len(atoms) > 1]
    say = progress or (lambda what: None)
    outer = Engine(model, **options.engine_keywords())
    inner, kind = open_inner(options)
    numbers = sorted({int(number) for atoms in filled for number in atoms.numbers})
    outer.require_types(numbers)
    inner.require_types(numbers)
    conservative, cheap = engine_forces(outer, "conservative"), engine_forces(inner, kind)

    say("the difference of the models")
    symbols = np.array([symbol for atoms in filled for symbol in atoms.get_chemical_symbols()])
    masses = np.concatenate([atoms.get_masses() for atoms in filled])
    outside = np.concatenate([conservative(atoms) for atoms in filled])
    difference = outside - np.concatenate([cheap(atoms) for atoms in filled])

    say("how fast the correction changes")
    of_outer = np.concatenate([rate_of_change(conservative, atoms) for atoms in filled])
    of_difference = of_outer - np.concatenate([rate_of_change(cheap, atoms) for atoms in filled])

    say("the asymmetry of the inner forces")
    asymmetry = 0.0 if kind == "conservative" else force_asymmetry(cheap, filled[0])
    say("the costs of both")
    costs = evaluation_costs(model, filled[0], options, choose_threads(options.threads))
    say("the first guess of M")
    period = fastest_period(open_predictor(model, options), filled[0])
    return ModelComparison(
        rms(outside),
        rms(difference),
        _by_element(difference, symbols),
        asymmetry,
        rms(of_outer),
        rms(of_difference),
        _by_element(of_outer, symbols),
        _by_element(of_difference, symbols),
        all(_has_velocities(atoms) for atoms in filled),
        costs,
        guess_from_change(period, kick_heating(of_difference, masses))
        if math.isfinite(period) and costs.ratio > 1.0
        else None,
    )


def force_matrix(forces: Callable[[Array], Array], probes: Array, step: float) -> Array:
    """Vᵀ J V of the Jacobian J of a force field, by central differences.

    :param forces: from a displacement to the forces, shapes (n,), Å and eV/Å
    :param probes: V, shape (k, n)
    :param step: largest change of a coordinate, Å
    :returns: shape (k + 1, k): the last row has the squared lengths of J v
    """
    columns = []
    for probe in probes:
        h = step / float(np.abs(probe).max())
        columns.append((forces(h * probe) - forces(-h * probe)) / (2 * h))
    products = np.array(columns)  # [k, n], rows are J v
    return np.vstack([probes @ products.T, np.sum(products**2, axis=1)])


def sampled_asymmetry(found: Array) -> float:
    """λ = ‖J − Jᵀ‖ / (2 ‖J‖) from random signs u, v: (uᵀJv − vᵀJu)² is ‖J − Jᵀ‖² on average, and
    |Jv|² is ‖J‖².

    :param found: of :func:`force_matrix`, from at least two probes of independent signs
    """
    matrix, squares = found[:-1], found[-1]
    pairs = np.triu_indices(len(matrix), 1)
    antisymmetric = float(np.mean((matrix - matrix.T)[pairs] ** 2))
    whole = float(np.mean(squares))
    return 0.5 * math.sqrt(antisymmetric / whole) if whole > 0 else 0.0


def force_asymmetry(forces: Forces, atoms: Atoms) -> float:
    """λ of any forces, of which nothing but their values is known: :func:`sampled_asymmetry` of
    central differences of 0.01 Å.

    :param forces: of a structure, ``[N, 3]``, eV/Å
    :param atoms: at which they are differentiated, N atoms, Å
    :returns: without unit; 0 of forces that do not change
    """

    def at(displacement: Array) -> Array:
        there = atoms.copy()
        there.positions += displacement.reshape(-1, 3)
        return forces(there).ravel()

    probes = np.random.default_rng(0).choice([-1.0, 1.0], size=(_PROBES, 3 * len(atoms)))
    return sampled_asymmetry(force_matrix(at, probes, _PROBE_STEP))


def guess_from_change(period: float, change_heating: float) -> FirstGuess:
    """The largest M that neither resonates nor heats by more than is tolerated.

    :param period: τ, of the fastest vibration, fs
    :param change_heating: the mean over atoms of |dC/dt|²/(2m), in eV/fs⁴
    :returns: with M = 1 where there is none
    """
    step = inner_step_of(period)
    sound = [
        m
        for m in range(1, _LARGEST_GUESS + 1)
        if m * step <= RESONANCE * period
        and drift_from_change(m * step, period, change_heating) <= DRIFT_TOLERANCE
    ]
    steps = max(sound, default=1)
    return FirstGuess(steps, step, drift_from_change(steps * step, period, change_heating), period)


def drift_from_change(outer_step: float, period: float, change_heating: float) -> float:
    """Q η of the module's docstring.

    :param outer_step: Δ, fs
    :param period: τ, of the fastest vibration, fs
    :param change_heating: the mean over atoms of |dC/dt|²/(2m), in eV/fs⁴
    :returns: in meV/atom/ps
    """
    uncancelled = min(_UNCANCELLED * (outer_step / period) ** _UNCANCELLED_POWER, 1.0)
    kicks = change_heating * (period / (2 * math.pi)) ** 2
    return 1e6 * outer_step * kicks * uncancelled  # eV/fs -> meV/ps


def engine_forces(engine: Engine, kind: str) -> Forces:
    """The forces of a model as a function of a structure.

    :param engine: of the model
    :param kind: ``conservative`` or ``direct``
    :returns: from N atoms (Å) to ``[N, 3]``, eV/Å
    """
    from md_bridge.engine import structure_from_ase

    def forces(atoms: Atoms) -> Array:
        found = engine.evaluate(
            structure_from_ase(atoms),
            energy=False,
            conservative_forces=kind == "conservative",
            direct_forces=kind == "direct",
        )
        return np.array(getattr(found, f"{kind}_forces"))

    return forces


def _has_velocities(atoms: Atoms) -> bool:
    return bool(np.any(atoms.get_momenta()))


def rate_of_change(forces: Forces, atoms: Atoms) -> Array:
    """dF/dt along the trajectory, by a central difference over straight lines.

    :param forces: of a structure, ``[N, 3]``, eV/Å
    :param atoms: with velocities, or they are drawn at 300 K
    :returns: ``[N, 3]``, eV/Å/fs
    """
    velocities = atoms.get_velocities()
    if not _has_velocities(atoms):
        spread = np.sqrt(units.kB * _TEMPERATURE / atoms.get_masses())[:, None]
        velocities = spread * np.random.default_rng(0).standard_normal((len(atoms), 3))
    later, earlier = atoms.copy(), atoms.copy()
    later.positions += _TIME * units.fs * velocities
    earlier.positions -= _TIME * units.fs * velocities
    return (forces(later) - forces(earlier)) / (2 * _TIME)


def _by_element(values: Array, symbols: Array) -> dict[str, float]:
    return {str(symbol): rms(values[symbols == symbol]) for symbol in np.unique(symbols)}
