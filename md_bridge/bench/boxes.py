"""Periodic boxes of the wanted sizes, with velocities."""

from __future__ import annotations

import math
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary

from md_bridge._paths import DATA
from md_bridge.bench.errors import BenchError
from md_bridge.structures import read_structure

__all__ = ["box", "write_box"]

_TEMPERATURE_K = 300.0
_RATTLE = 0.01
"""Å, so that copies are not copies for ever."""


def box(atoms: int, start: Path | None = None) -> Atoms:
    """A box with about so many atoms: copies of a smaller one, nearly a cube of them.

    Velocities are drawn at 300 K; copies would else move alike for ever.

    :param atoms: wanted; what is nearest is taken, and may be 10 % off
    :param start: periodic structure to copy; None: boxes of water of 81 and 192 atoms
    :returns: positions, cell, velocities
    :raises BenchError: no number of copies comes near
    """
    paths = [start] if start else [DATA / "water-start.xyz", DATA / "water-192.xyz"]
    choices = []
    for path in paths:
        one = read_structure(path)
        copies = _copies(max(1, round(atoms / len(one))))
        choices.append((abs(len(one) * math.prod(copies) - atoms), one, copies))
    off, one, copies = min(choices, key=lambda choice: choice[0])
    if off > 0.1 * atoms:
        sizes = " and ".join(str(len(choice[1])) for choice in choices)
        raise BenchError(
            f"there is no box of about {atoms} atoms: boxes are copies of {sizes} atoms, "
            f"the nearest has {len(one) * math.prod(copies)}"
        )
    whole = one.repeat(copies)
    generator = np.random.default_rng(0)
    if math.prod(copies) > 1:
        whole.positions += generator.normal(scale=_RATTLE, size=whole.positions.shape)
    MaxwellBoltzmannDistribution(whole, temperature_K=_TEMPERATURE_K, rng=generator)
    Stationary(whole)
    whole.calc = None
    return whole


def write_box(atoms: Atoms, path: Path) -> Path:
    """As extended XYZ with velocities, for all hosts.

    :param atoms: of :func:`box`
    :param path: of the file
    :returns: the path
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    kept.set_momenta(atoms.get_momenta())
    assert units.fs > 0
    ase.io.write(path, kept, format="extxyz")
    return path


def _copies(count: int) -> tuple[int, int, int]:
    """Nearly a cube of copies: three counts that differ little, with a product near ``count``."""
    side = max(1, round(count ** (1 / 3)))
    near = range(max(1, side - 1), side + 2)
    choices = [(a, b, c) for a in near for b in near for c in near if a <= b <= c]
    if count <= 4:  # a row, a square
        choices.append((1, 1, count))
    return min(choices, key=lambda found: (abs(math.prod(found) - count), found[2] - found[0]))
