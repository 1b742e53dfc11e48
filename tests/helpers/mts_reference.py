"""The multiple-time-step scheme of MD Bridge, in plain numpy: the reference for every engine.

With F_c conservative, F_d direct, inner step dt and M inner steps per outer step, one outer step is

    v += (M dt / 2) (F_c − F_d) / m
    M times velocity Verlet (dt, F_d)
    v += (M dt / 2) (F_c − F_d) / m

which is reversible rRESPA (Tuckerman, Berne and Martyna, J. Chem. Phys. 97, 1990 (1992)) with the
correction F_c − F_d as the slow force. M = 1 is velocity Verlet with F_c. F_d may be any forces:
with two models, those of the inner one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Force = Callable[[Array], Array]


@dataclass
class Frame:
    """State at an outer step: positions and velocities, each (N, 3)."""

    positions: Array
    velocities: Array


def multiple_time_step(
    positions: Array,
    velocities: Array,
    masses: Array,
    conservative: Force,
    direct: Force,
    timestep: float,
    multiplicity: int,
    outer_steps: int,
) -> list[Frame]:
    """Integrate and return the frames of all outer steps, the start included.

    Any consistent units: ``conservative`` and ``direct`` map positions (N, 3) to forces (N, 3), and
    force / mass must be length / time². ``timestep`` is the inner one.
    """
    x, v = np.array(positions, dtype=float), np.array(velocities, dtype=float)
    inverse_mass = 1.0 / np.asarray(masses, dtype=float).reshape(-1, 1)
    half_outer = 0.5 * multiplicity * timestep
    fast = direct(x)
    correction = conservative(x) - fast
    frames = [Frame(x.copy(), v.copy())]
    for _ in range(outer_steps):
        v += half_outer * correction * inverse_mass
        for _ in range(multiplicity):
            v += 0.5 * timestep * fast * inverse_mass
            x += timestep * v
            fast = direct(x)
            v += 0.5 * timestep * fast * inverse_mass
        correction = conservative(x) - fast
        v += half_outer * correction * inverse_mass
        frames.append(Frame(x.copy(), v.copy()))
    return frames


def velocity_verlet(
    positions: Array, velocities: Array, masses: Array, force: Force, timestep: float, steps: int
) -> list[Frame]:
    """Integrate with one kind of forces and return the frames of all steps, the start included."""
    return multiple_time_step(positions, velocities, masses, force, force, timestep, 1, steps)
