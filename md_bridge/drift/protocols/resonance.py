"""Protocol ``resonance``: how fast multiple time stepping heats at every M, from one short run.

NVE with the outer (conservative) forces at the inner step, where the inner forces are evaluated
too: the power of their difference tells it all, see :mod:`md_bridge.drift.judging.resonance`.
Nothing is integrated with multiple time steps, so a model, or a pair of them, is judged for all M
before the first run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from ase import units
from numpy.typing import NDArray

from md_bridge.drift.judging.resonance import (
    FEWEST_SAMPLES,
    HeatingForecast,
    forecast_heating,
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
from md_bridge.text import with_error

if TYPE_CHECKING:
    from ase import Atoms

    from md_bridge.ase.force_levels import ForceLevels

__all__ = ["largest_below", "power_of_correction", "run"]

Array = NDArray[np.float64]

NEIGHBOURS = 3.0
"""Å; the powers of atoms that are closer may know of each other: bonds, and angles."""
MULTIPLICITIES = (2, 3, 4, 5, 6, 7, 8)
_CURVE_POINTS = 200
_PS = 1000 * units.fs


def run(request: ProtocolRequest, progress: Progress) -> ProtocolResult:
    """One run, and the heating rate of every M.

    :param request: model (and inner model), start with velocities, inner step, length
    :param progress: called with a text and the share done, from 0 to 1
    :raises ArgumentError: the run is shorter than 64 steps
    :raises md_bridge.engine.EngineError: a model cannot be loaded, or lacks its forces
    """
    steps = round(1000 * request.length_ps / request.timestep_fs)
    if steps < FEWEST_SAMPLES:
        raise ArgumentError(
            "length_ps",
            f"must be at least {FEWEST_SAMPLES} steps of {request.timestep_fs:g} fs, found "
            f"{request.length_ps:g} ps",
        )
    power, temperature = power_of_correction(
        request, steps, lambda done: progress("forces of both levels", done / steps)
    )
    near = request.start.get_all_distances(mic=bool(request.start.pbc.any())) < NEIGHBOURS
    forecast = forecast_heating(power, request.timestep_fs / 1000, temperature, near)
    return _result(request, forecast, temperature)


def power_of_correction(
    request: ProtocolRequest, steps: int, report: Callable[[int], None]
) -> tuple[Array, float]:
    """v·(F_outer − F_inner) of each atom along velocity Verlet with the outer forces.

    :param request: model, start, inner step
    :param steps: how many
    :param report: called with the number of steps done
    :returns: ``[steps, N]`` in eV/ps, and the mean kinetic temperature (K)
    """
    from md_bridge.engine import set_threads

    set_threads(request.threads)
    atoms = request.start.copy()
    atoms.set_constraint()
    levels = _levels(request, atoms)
    masses = atoms.get_masses()[:, None]
    velocities = atoms.get_velocities()
    timestep = request.timestep_fs * units.fs
    power, temperatures = [], []
    inner = levels.inner(atoms, outer_follows=True)
    outer = levels.outer(atoms)
    for step in range(1, steps + 1):
        velocities = velocities + 0.5 * timestep * outer / masses
        atoms.positions += timestep * velocities
        inner = levels.inner(atoms, outer_follows=True)
        outer = levels.outer(atoms)
        velocities = velocities + 0.5 * timestep * outer / masses
        power.append(np.sum(velocities * (outer - inner), axis=1) * _PS)
        temperatures.append(np.mean(masses * velocities**2) / units.kB)
        report(step)
    return np.array(power), float(np.mean(temperatures))


def _word(rate: float, error: float) -> str:
    if rate + 2 * error <= DEFAULT_TOLERANCE:
        return "conserves"
    return "heats" if rate - 2 * error > DEFAULT_TOLERANCE else "at the limit"


def largest_below(
    forecast: HeatingForecast, timestep_fs: float, tolerance: float = DEFAULT_TOLERANCE
) -> int:
    """The largest M up to which every one heats less than the tolerance; 1: not even two.

    :param forecast: of the correction
    :param timestep_fs: inner step (fs)
    :param tolerance: meV/atom/ps
    """
    largest = 1
    for multiplicity in MULTIPLICITIES:
        if forecast.rate(multiplicity * timestep_fs / 1000) > tolerance:
            break
        largest = multiplicity
    return largest


def _levels(request: ProtocolRequest, atoms: Atoms) -> ForceLevels:
    from md_bridge.ase import MDBridgeCalculator
    from md_bridge.ase.force_levels import force_levels
    from md_bridge.engine import open_inner

    options = request.model_options
    atoms.calc = MDBridgeCalculator(request.model, **options.engine_keywords())
    if not options.inner:
        return force_levels(atoms, None)
    _, kind = open_inner(options)  # says what is wrong with it
    return force_levels(
        atoms, MDBridgeCalculator(options.inner, forces=kind, **options.inner_keywords())
    )


def _result(
    request: ProtocolRequest, forecast: HeatingForecast, temperature: float
) -> ProtocolResult:
    step = request.timestep_fs
    rows, numbers = [], []
    for multiplicity in MULTIPLICITIES:
        outer = multiplicity * step / 1000
        rate, error = forecast.rate(outer), forecast.stderr(outer)
        word = _word(rate, error)
        cells = (f"M = {multiplicity}", f"{1000 * outer:g}", with_error(rate, error))
        rows.append(Row(cells, word, None, observed=True))
        numbers.append(
            {
                "M": multiplicity,
                "outer_step_fs": 1000 * outer,
                "heating_meV_per_atom_per_ps": rate,
                "stderr": error,
            }
        )
    largest = largest_below(forecast, step)
    x = np.linspace(MULTIPLICITIES[0] * step, MULTIPLICITIES[-1] * step, _CURVE_POINTS)
    y = np.array([forecast.rate(outer / 1000) for outer in x])
    at_m = np.array([multiplicity * step for multiplicity in MULTIPLICITIES])
    points = np.array([number["heating_meV_per_atom_per_ps"] for number in numbers])
    inner = request.model_options.inner or "the direct forces"
    return ProtocolResult(
        protocol="resonance",
        title="Heating at every outer step",
        lead=f"NVE with conservative forces for {request.length_ps:g} ps at {temperature:.0f} K; "
        f"the power of their difference from the inner forces ({inner}), folded at the frequency "
        "of the kicks, is the mean heating rate of multiple time stepping.",
        columns=(("M", ""), ("outer step", "fs"), ("heating", "meV/atom/ps")),
        rows=tuple(rows),
        sentences=(_sentence(largest, forecast, step), _resonances(x, y)),
        summary={
            "largest_M": largest,
            "tolerance_meV_per_atom_per_ps": DEFAULT_TOLERANCE,
            "temperature_K": temperature,
            "rates": numbers,
            "curve": {"outer_step_fs": x.tolist(), "heating_meV_per_atom_per_ps": y.tolist()},
        },
        plots=(
            Plot(
                "Heating of multiple time stepping",
                "outer step (fs)",
                "mean heating rate (meV/atom/ps)",
                (Curve("any outer step", x, y), Curve("whole M", at_m, points, markers=True)),
                (False, True),
            ),
        ),
    )


def _sentence(largest: int, forecast: HeatingForecast, step: float) -> str:
    if largest == 1:
        return (
            f"Even M = 2 would heat by more than {DEFAULT_TOLERANCE:g} meV/atom/ps: the inner "
            "forces are too far from the outer ones, or the inner step is too long."
        )
    following = forecast.rate((largest + 1) * step / 1000)
    text = f"M = {largest} is the largest that heats by less than {DEFAULT_TOLERANCE:g} meV/atom/ps"
    if largest == MULTIPLICITIES[-1]:
        return text + " of those looked at; `md-bridge tune` measures it."
    return f"{text}; M = {largest + 1} would by {following:.2g}. `md-bridge tune` measures it."


def _resonances(x: Array, y: Array) -> str:
    """Where the curve has a peak that stands out of both sides by half."""
    peaks = [
        i
        for i in range(1, len(y) - 1)
        if y[i] == y[max(0, i - 10) : i + 11].max()
        and y[i] > 1.5 * y[i:].min()
        and y[i] > 1.5 * y[: i + 1].min()
    ]
    if not peaks:
        return "The curve has no resonance in this range."
    places = ", ".join(f"{x[i]:.2g}" for i in peaks)
    return f"It resonates at outer steps of {places} fs: take one between them."
