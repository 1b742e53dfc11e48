"""The picture of relaxations: how forces and energy of the first start went down."""

from __future__ import annotations

import numpy as np

from md_bridge.drift.protocols.base import Curve, Plot
from md_bridge.statics.relaxing.request import Relaxations

__all__ = ["path_plots"]


def path_plots(found: Relaxations) -> tuple[Plot, ...]:
    """Two panels, a line for each row: largest force, and energy above the lowest of all.

    :param found: what was relaxed
    """
    first = {row: found.relaxed[row][0] for row in found.request.rows}
    paths = {row: each for row, each in first.items() if len(each.energies) > 1}
    if not paths:
        return ()
    name = found.request.starts[0].name
    forces = [
        Curve(row.label, np.arange(float(len(each.gradients))), each.gradients)
        for row, each in paths.items()
    ]
    # averages change the energy: lines are compared with the lowest of their own average
    lowest = {
        row.symmetrize: min(
            other.energies.min() for own, other in paths.items() if own.symmetrize == row.symmetrize
        )
        for row in paths
    }
    energies = [
        Curve(
            row.label,
            np.arange(float(len(each.energies))),
            1e3 * (each.energies - lowest[row.symmetrize]) / len(each.end),
        )
        for row, each in paths.items()
    ]
    return (
        Plot(f"Largest force, {name}", "step", "eV/Å", tuple(forces), (False, True)),
        Plot(
            f"Energy above the lowest, {name}", "step", "meV/atom", tuple(energies), (False, True)
        ),
    )
