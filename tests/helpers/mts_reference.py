"""The multiple-time-step scheme of MD Bridge, in plain numpy: the reference for every engine.

With F_c conservative, F_d direct, inner step dt and M inner steps per outer step, one outer step is

    v += (M dt / 2) (F_c − F_d) / m
    M times velocity Verlet (dt, F_d)
    v += (M dt / 2) (F_c − F_d) / m

which is reversible rRESPA (Tuckerman, Berne and Martyna, J. Chem. Phys. 97, 1990 (1992)) with the
correction F_c − F_d as the slow force. M = 1 is velocity Verlet with F_c. F_d may be any forces:
with two models, those of the inner one. With more levels each step of a level is one such step,
with the steps of the level below in place of velocity Verlet.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from md_bridge.engine import Engine, Pairs, structure_from_ase

Array = NDArray[np.float64]
Force = Callable[[Array], Array]


@dataclass
class Frame:
    """State at an outer step: positions and velocities, each (N, 3)."""

    positions: Array
    velocities: Array


def forces_of(path, atoms, kind: str, **options) -> Force:
    """The function of positions (Å) that the engine computes for these atoms, in eV/Å.

    ``kind``: "conservative" or "direct"; the options are those of the engine.
    """
    engine, pairs = Engine(path, **options), Pairs(1.0)

    def evaluate(positions: Array) -> Array:
        moved = atoms.copy()
        moved.positions = positions
        result = engine.evaluate(structure_from_ase(moved), pairs, **{f"{kind}_forces": True})
        return np.array(getattr(result, f"{kind}_forces"))

    return evaluate


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
    return nested_time_step(
        positions, velocities, masses, [direct, conservative], timestep, [multiplicity], outer_steps
    )


def nested_time_step(
    positions: Array,
    velocities: Array,
    masses: Array,
    forces: Sequence[Force],
    timestep: float,
    multiplicities: Sequence[int],
    outer_steps: int,
) -> list[Frame]:
    """The same with any number of levels.

    ``forces`` has the whole forces that each level goes by, innermost first; a level kicks by its
    own minus those of the level below. ``multiplicities``: steps of a level in one of the next.
    """
    x, v = np.array(positions, dtype=float), np.array(velocities, dtype=float)
    inverse_mass = 1.0 / np.asarray(masses, dtype=float).reshape(-1, 1)
    steps = [timestep * math.prod(multiplicities[:level]) for level in range(len(forces))]
    whole: list[Array] = [np.zeros_like(x)] * len(forces)
    kicks = list(whole)

    def evaluate(level: int) -> None:
        # the level below has been evaluated here just before
        whole[level] = forces[level](x)
        kicks[level] = whole[level] - whole[level - 1] if level else whole[level]

    def step(level: int) -> None:
        nonlocal x, v
        v += 0.5 * steps[level] * kicks[level] * inverse_mass
        if level == 0:
            x += timestep * v
        else:
            for _ in range(multiplicities[level - 1]):
                step(level - 1)
        evaluate(level)
        v += 0.5 * steps[level] * kicks[level] * inverse_mass

    for level in range(len(forces)):
        evaluate(level)
    frames = [Frame(x.copy(), v.copy())]
    for _ in range(outer_steps):
        step(len(forces) - 1)
        frames.append(Frame(x.copy(), v.copy()))
    return frames


def velocity_verlet(
    positions: Array, velocities: Array, masses: Array, force: Force, timestep: float, steps: int
) -> list[Frame]:
    """Integrate with one kind of forces and return the frames of all steps, the start included."""
    return multiple_time_step(positions, velocities, masses, force, force, timestep, 1, steps)
