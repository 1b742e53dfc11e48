"""Cutoffs that follow the density: for each atom one within which it has so many neighbours.

Two rules of metatrain's (its documentation of PET, ``adaptive_cutoff_method``), both with a count
of neighbours n(r) that is smooth because those near r count in part, by the bump function b:

    n(r) = sum_j b(d_j; r, w) + T (r / R)^3

with the number T that is wanted, the largest cutoff R and the width w. ``solver`` is the root of
n(r) = T; ``grid`` averages over a grid of r, weighted by how near n(r) comes to T there.
"""

from __future__ import annotations

import math

import torch

from md_bridge.compiled.pet.neighborhoods import rows_of_pairs

__all__ = ["atomic_cutoffs"]

_EDGE = 1e-6  # of the bump, where its formula would divide by zero
_NEWTON_STEPS = 11


def atomic_cutoffs(
    vectors: torch.Tensor,
    places: torch.Tensor,
    rows: torch.Tensor,
    *,
    method: str,
    target: float,
    largest: float,
    width: float,
) -> torch.Tensor:
    """The cutoff of each atom, ``[N]`` in Å; differentiable with respect to the vectors.

    :param vectors: ``[P, 3]``, pairs within the largest cutoff, in Å
    :param places: ``[P]``, as in :class:`~md_bridge.compiled.pet.neighborhoods.Neighborhoods`
    :param rows: ``[N, W]``, likewise
    :param method: ``solver`` or ``grid``
    :param target: number of neighbours that is wanted, T
    :param largest: R, in Å
    :param width: w, in Å
    """
    lengths = torch.sqrt((vectors**2).sum(-1) + 1e-15)
    distances = rows_of_pairs(lengths[:, None], rows, places)[:, :, 0]
    # what is no neighbour lies where nothing counts
    distances = torch.where(rows == vectors.shape[0], 2.0 * largest, distances)
    if method.lower() == "solver":
        return _root(distances, target, largest, width)
    return _weighted(distances, target, largest, width)


def _root(distances: torch.Tensor, target: float, largest: float, width: float) -> torch.Tensor:
    """Newton's method within a shrinking bracket, without gradient; then one step that has it.

    That step changes nothing at the root but the gradient, which it gives by the theorem of
    implicit functions: dr/dd = -(dn/dd) / (dn/dr).
    """
    fixed = distances.detach()
    low = torch.zeros_like(fixed[:, 0])
    high = torch.full_like(low, largest)
    r = 0.5 * high
    for _ in range(_NEWTON_STEPS):
        count, slope = _count_and_slope(fixed, r, target, largest, width)
        excess = count - target
        low = torch.where(excess <= 0, r, low)
        high = torch.where(excess <= 0, high, r)
        step = r - excess / slope.clamp_min(1e-6)
        within = (step >= low) & (step <= high)
        r = torch.where(within, step, 0.5 * (low + high))
    _, slope = _count_and_slope(fixed, r, target, largest, width)
    count = _bump(distances, r[:, None], width).sum(1) + target * (r / largest) ** 3
    return (r - (count - target) / slope.clamp_min(1e-6)).clamp(largest / 16.0, largest)


def _weighted(distances: torch.Tensor, target: float, largest: float, width: float) -> torch.Tensor:
    grid = torch.arange(0.5, largest, width / 4.0, dtype=distances.dtype)
    count = _bump(distances[:, :, None], grid, width).sum(1)  # [N, points]
    fraction = torch.linspace(0.0, 1.0, len(grid), dtype=distances.dtype)
    excess = count - target + target * fraction**3
    if len(grid) == 1:
        spread = excess.abs() * 0.5 + 1e-12
    else:
        (spread,) = torch.gradient(excess, dim=-1)
        spread = spread.abs().clamp_min(1e-12)
    weights = torch.softmax(-0.5 * (excess / spread) ** 2, dim=1)
    return weights @ grid


def _bump(distances: torch.Tensor, cutoffs: torch.Tensor, width: float) -> torch.Tensor:
    """1 below ``cutoffs - width``, 0 above ``cutoffs``, smooth between."""
    s = ((distances - (cutoffs - width)) / width).clamp(_EDGE, 1.0 - _EDGE)
    return 0.5 * (1.0 + torch.tanh(1.0 / torch.tan(math.pi * s)))


def _count_and_slope(
    distances: torch.Tensor, r: torch.Tensor, target: float, largest: float, width: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """n(r) and dn/dr, ``[N]`` each."""
    s = (distances - (r[:, None] - width)) / width
    between = (s > 0.0) & (s < 1.0)
    angle = math.pi * s.clamp(_EDGE, 1.0 - _EDGE)
    sine = torch.sin(angle)
    tanh = torch.tanh(torch.cos(angle) / sine)
    counted = torch.where(between, 0.5 * (1.0 + tanh), (s <= 0.0).to(s.dtype))
    slopes = (0.5 * math.pi / width) * (1.0 - tanh * tanh) / (sine * sine)
    slopes = torch.where(between, slopes, torch.zeros_like(slopes))
    x = r / largest
    return counted.sum(1) + target * x**3, slopes.sum(1) + 3.0 * target * x * x / largest
