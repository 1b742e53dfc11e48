"""Protocol ``smoothness``: by which power of the time step does the drift fall?

Protocol ``order`` looks at the fluctuation of H, which falls as δt² for any smooth potential. The
drift itself falls as δt^N, where N says how many derivatives the potential has, see
:mod:`md_bridge.drift.judging.smoothness`. It needs the energy that velocity Verlet nearly
conserves, and so the forces of every step: the runs are made here, not in a host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from md_bridge.drift.judging.smoothness import (
    FEWEST_SAMPLES,
    LIMIT,
    DriftExponent,
    Smoothness,
    drift_exponent,
    shadow_energy,
)
from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE
from md_bridge.drift.protocols.base import (
    Curve,
    Plot,
    Progress,
    ProtocolRequest,
    ProtocolResult,
    Row,
)
from md_bridge.errors import ArgumentError
from md_bridge.text import significant, with_error

__all__ = ["DIVISORS", "VerletRun", "run", "velocity_verlet"]

DIVISORS = (1, 2, 4)
"""The steps are δt, δt/2 and δt/4."""

_PS = 1000 * units.fs
_MEV = 1000.0
_HARDLY = 0.01
"""Of the tolerance: heating that nobody needs to care about."""
_SHIFT = np.array([0.37, 0.11, 0.71])
"""Å, by which all atoms are moved to see the round-off of the forces."""


@dataclass(frozen=True)
class VerletRun:
    """What velocity Verlet left of every step, in ASE's units."""

    timestep: float
    kinetic: NDArray[np.float64]
    potential: NDArray[np.float64]
    squared_forces: NDArray[np.float64]
    """Σ |F_i|²/m_i."""
    temperature: float
    """Mean kinetic temperature (K)."""

    @property
    def shadow(self) -> NDArray[np.float64]:
        """See :func:`~md_bridge.drift.judging.smoothness.shadow_energy`; eV."""
        return shadow_energy(self.kinetic, self.potential, self.squared_forces, self.timestep)

    @property
    def time_ps(self) -> NDArray[np.float64]:
        """Of the samples of :attr:`shadow`."""
        return np.arange(1.0, len(self.kinetic) - 1.0) * (self.timestep / _PS)


def velocity_verlet(
    start: Atoms, calculator: Calculator, timestep: float, steps: int, report: Callable[[int], None]
) -> VerletRun:
    """Run NVE from a start.

    :param start: positions and velocities; left as it is
    :param calculator: of energy and forces
    :param timestep: in ASE's unit
    :param steps: how many
    :param report: called with the number of steps done
    """
    atoms = start.copy()
    atoms.set_constraint()
    atoms.calc = calculator
    masses = atoms.get_masses()[:, None]
    velocities = atoms.get_velocities()
    forces = atoms.get_forces()
    numbers = []
    for step in range(steps + 1):
        if step:
            velocities = velocities + 0.5 * timestep * forces / masses
            atoms.positions += timestep * velocities
            forces = atoms.get_forces()
            velocities = velocities + 0.5 * timestep * forces / masses
            report(step)
        kinetic = 0.5 * float(np.sum(masses * velocities**2))
        numbers.append((kinetic, atoms.get_potential_energy(), np.sum(forces**2 / masses)))
    kinetic_energies, potential, squared = np.array(numbers).T
    freedom = max(3 * len(atoms) - 3, 3)
    temperature = 2 * float(kinetic_energies.mean()) / (freedom * units.kB)
    return VerletRun(timestep, kinetic_energies, potential, squared, temperature)


def run(request: ProtocolRequest, progress: Progress) -> ProtocolResult:
    """Three runs with conservative forces from one start, and the exponent of their drift.

    :param request: model, start with velocities, largest step, length
    :param progress: called with a text and the share done, from 0 to 1
    :raises ArgumentError: the run is shorter than 98 steps
    :raises md_bridge.engine.EngineError: the model cannot be loaded or fails
    """
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.engine import set_threads

    set_threads(request.threads)
    longest = round(1000 * request.length_ps / request.timestep_fs)
    if longest < FEWEST_SAMPLES + 2:
        raise ArgumentError(
            "length_ps",
            f"must be at least {FEWEST_SAMPLES + 2} steps of {request.timestep_fs:g} fs, found "
            f"{request.length_ps:g} ps",
        )
    calculator = MDBridgeCalculator(request.model, **request.model_options.engine_keywords())
    total, done = longest * sum(DIVISORS), 0
    runs = []
    for divisor in DIVISORS:
        step_fs = request.timestep_fs / divisor
        before = done

        def report(steps: int, before: int = before, step_fs: float = step_fs) -> None:
            progress(f"conservative, {step_fs:g} fs", (before + steps) / total)

        steps = longest * divisor
        runs.append(velocity_verlet(request.start, calculator, step_fs * units.fs, steps, report))
        done += steps
    error = _round_off(request.start, calculator)
    floors = [_walk_of_round_off(request.start, error, one) for one in runs]
    fit = drift_exponent(
        [request.timestep_fs / divisor for divisor in DIVISORS],
        [one.time_ps for one in runs],
        [one.shadow for one in runs],
        floors,
    )
    temperature = float(np.mean([one.temperature for one in runs]))
    return _result(request, fit, temperature)


def _round_off(atoms: Atoms, calculator: Calculator) -> float:
    """Root mean square error of a component of the forces, from those of shifted atoms (eV/Å)."""
    forces = []
    for shift in (0.0, 1.0):
        moved = atoms.copy()
        moved.positions += shift * _SHIFT
        moved.calc = calculator
        forces.append(moved.get_forces())
    return float(np.sqrt(np.mean((forces[1] - forces[0]) ** 2) / 2))


def _walk_of_round_off(atoms: Atoms, error: float, one: VerletRun) -> float:
    """D (eV²/ps) of the walk that errors of the forces cause which no step shares with the next:
    every step adds Σ v·δF δt, of variance Σ v² error² δt²."""
    squared_speed = 3 * units.kB * one.temperature * float(np.sum(1 / atoms.get_masses()))
    return 0.5 * squared_speed * error**2 * one.timestep * _PS


def _result(request: ProtocolRequest, fit: DriftExponent, temperature: float) -> ProtocolResult:
    count = len(request.start)
    # D/kT, per atom
    scale = _MEV / (units.kB * temperature * count)
    heating = scale * np.array(fit.diffusion)
    steps = np.array(fit.timesteps)
    verdict, good = _verdict(fit, heating)
    cells = (
        "conservative",
        "-" if fit.hidden else with_error(fit.exponent, fit.stderr),
        *(significant(float(rate), 2) for rate in heating),
    )
    guides = tuple(
        Curve(f"N = {n}", steps, heating[0] * (steps / steps[0]) ** (2 * n)) for n in (1, 2, 3)
    )
    return ProtocolResult(
        protocol="smoothness",
        title="Smoothness of the potential",
        lead=f"NVE with conservative forces for {request.length_ps:g} ps from one start at "
        f"{temperature:.0f} K with steps of {', '.join(f'{step:g} fs' for step in steps)}. The "
        "drift of the energy must fall faster than its fluctuation, as δt^N with N above 2.",
        columns=(
            ("forces", ""),
            ("N", ""),
            *((f"heating at {step:g} fs", "meV/atom/ps") for step in steps),
        ),
        rows=(Row(cells, verdict, good),),
        sentences=(_sentence(fit, heating, verdict),),
        summary={
            "exponent": fit.exponent if np.isfinite(fit.stderr) else None,
            "stderr": fit.stderr if np.isfinite(fit.stderr) else None,
            "half_width_95": fit.half_width if np.isfinite(fit.stderr) else None,
            "limit": LIMIT,
            "verdict": verdict,
            "timesteps_fs": steps.tolist(),
            "heating_meV_per_atom_per_ps": heating.tolist(),
            "round_off_share": fit.round_off_share,
            "temperature_K": temperature,
        },
        plots=(
            Plot(
                "Heating by the wandering of the energy",
                "time step (fs)",
                "D/kT (meV/atom/ps)",
                (Curve("conservative", steps, heating, markers=True), *guides),
                (True, True),
            ),
        ),
    )


def _verdict(fit: DriftExponent, heating: NDArray[np.float64]) -> tuple[str, bool | None]:
    hardly = bool(heating.max() < _HARDLY * DEFAULT_TOLERANCE)
    if hardly and fit.verdict is not Smoothness.SMOOTH:
        return "no drift seen", True
    if fit.hidden:
        return "inconclusive", None
    good = {Smoothness.SMOOTH: True, Smoothness.NOT_SMOOTH: False}.get(fit.verdict)
    return fit.verdict.value, good


def _sentence(fit: DriftExponent, heating: NDArray[np.float64], verdict: str) -> str:
    exponent = f"N = {fit.exponent:.2f} ± {fit.half_width:.2f} (95 %)"
    if fit.hidden:
        rate = significant(float(heating.max()), 2)
        return (
            f"Round-off hides the drift at {min(fit.timesteps):g} fs: as far as the energy "
            f"wanders, it heats by {rate} meV/atom/ps at most. To see by which power it falls, "
            "take a larger time step."
        )
    if verdict == "no drift seen":
        rate = significant(float(heating.max()), 2)
        return (
            f"As far as the energy wanders, it heats by {rate} meV/atom/ps at most, which nobody "
            f"needs to care about, whatever the power of δt by which that falls ({exponent})."
        )
    if fit.verdict is Smoothness.SMOOTH:
        return (
            f"The drift falls as δt^N with {exponent}, faster than the fluctuation: a smaller step "
            "makes an end of it."
        )
    if fit.verdict is Smoothness.NOT_SMOOTH:
        return (
            f"The drift falls only as δt^N with {exponent}, more slowly than the fluctuation of "
            "the energy: a low derivative of the potential jumps (0: the energy itself, 1: the "
            "forces), as at a cutoff without an envelope or a limit on the number of neighbours. A "
            "smaller step repairs little; `md-bridge check` looks for jumps."
        )
    return (
        f"The drift falls as δt^N with {exponent}, which may lie on either side of 2: run longer, "
        "or from a hotter start, where atoms go further."
    )
