"""Particle decays: A → R S, and each of the two into a pair of opposite charges.

Masses and momenta are in GeV. The chain has two kinds: R and S of 5 and 2 GeV, or of 4 and 3 GeV.
All four daughters are seen, but not who belongs to whom. Wanted are the kind of the decay, which
does not change in a rotation, and the momentum of the heavier of R and S, which turns with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["CHARGES", "Events", "decays"]

CHARGES = (1.0, -1.0, 1.0, -1.0)
"""Of the four daughters; those of one pair are not next to each other more often than not."""

_PARENT, _DAUGHTER = 10.0, 0.14
_KINDS = ((5.0, 2.0), (4.0, 3.0))
_BEAM = (0.0, 0.0, 6.0)
"""Mean momentum of the parent: experiments have a direction, whatever the laws of nature say."""
_SPREAD = 1.5


@dataclass
class Events:
    """Some decays."""

    momenta: np.ndarray
    """[E, 4, 3] of the daughters, GeV, in the order of :data:`CHARGES`"""
    kind: np.ndarray
    """[E], 0 or 1"""
    heavier: np.ndarray
    """[E, 3], momentum of the heavier of R and S, GeV"""


def decays(count: int, seed: int) -> Events:
    """Events with momenta as phase space has them.

    :param count: how many
    :param seed: of the random numbers
    """
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, 2, count)
    heavy, light = np.array(_KINDS)[kind].T
    parent = np.array(_BEAM) + _SPREAD * generator.standard_normal((count, 3))
    first, second = _decay(generator, parent, np.full(count, _PARENT), heavy, light)
    small = np.full(count, _DAUGHTER)
    positive, negative = _decay(generator, first, heavy, small, small)
    other_positive, other_negative = _decay(generator, second, light, small, small)
    momenta = np.stack([positive, negative, other_positive, other_negative], axis=1)
    swapped = generator.integers(0, 2, (2, count)).astype(bool)
    for charge, chosen in enumerate(swapped):
        places = [charge, charge + 2]
        momenta[np.ix_(chosen, places)] = momenta[np.ix_(chosen, places[::-1])]
    return Events(momenta, kind, first)


def _decay(
    generator: np.random.Generator,
    momentum: np.ndarray,
    mass: np.ndarray,
    mass1: np.ndarray,
    mass2: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Momenta of two daughters, isotropic where the parent rests, then boosted."""
    energy1 = (mass**2 + mass1**2 - mass2**2) / (2 * mass)
    size = np.sqrt(energy1**2 - mass1**2)
    direction = generator.standard_normal(momentum.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    at_rest = size[:, None] * direction
    energy = np.sqrt(mass**2 + (momentum**2).sum(axis=1))
    along = (at_rest * momentum).sum(axis=1)
    factor = along / (mass * (energy + mass)) + energy1 / mass
    first = at_rest + factor[:, None] * momentum
    return first, momentum - first
