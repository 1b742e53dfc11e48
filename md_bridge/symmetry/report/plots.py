"""The picture of a spectrum: √B by angular momentum, and what averages leave."""

from __future__ import annotations

import numpy as np

from md_bridge.drift.protocols.base import Curve, Plot
from md_bridge.symmetry.models.quantities import Quantity
from md_bridge.symmetry.models.request import ModelSymmetry

__all__ = ["spectrum_plots"]

_LABELS = {1: "σ = +", -1: "σ = −", 0: "both parities"}


def spectrum_plots(found: ModelSymmetry) -> tuple[Plot, ...]:
    """One panel for each quantity: bars √B of a component, lines for what sets leave.

    Nothing is drawn below the rounding.

    :param found: the measurement
    """
    return tuple(_plot(found, quantity) for quantity in found.quantities)


def _plot(found: ModelSymmetry, quantity: Quantity) -> Plot:
    response = found.responses[quantity.name]
    spectrum, components = response.B["z"], response.components
    degrees = np.arange(found.request.lmax + 1, dtype=float)
    curves = []
    for column, sigma in enumerate(spectrum.sigmas):
        values = spectrum.values[:, column].copy()
        values[values <= spectrum.floors[:, column]] = np.nan
        if sigma != -1:
            values[0] = np.nan  # the symmetric part
        curves.append(Curve(_LABELS[sigma], degrees, np.sqrt(values / components), bars=True))
    ends = np.array([-0.5, found.request.lmax + 0.5])
    for copies in ("none", *(name for name in found.sets if "inversion" not in name)):
        left = found.left_by(quantity.name, copies)
        if left > response.floor / np.sqrt(components):
            label = "A" if copies == "none" else f"left by {copies}"
            curves.append(Curve(label, ends, np.full(2, left)))
    title = quantity.words.capitalize()
    return Plot(title, "angular momentum λ", f"√B ({quantity.unit})", tuple(curves), (False, True))
