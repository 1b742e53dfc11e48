"""The picture of a spectrum: √B by angular momentum, and what averages leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from md_bridge.drift.protocols.base import Curve, Plot
from md_bridge.symmetry.models.quantities import QUANTITIES

__all__ = ["spectrum_plots"]

_LABELS = {1: "σ = +", -1: "σ = −", 0: "both parities"}
_SETS = ("octahedral", "icosahedral")


def spectrum_plots(summary: Mapping[str, Any]) -> tuple[Plot, ...]:
    """One panel for each quantity: bars √B of a component, lines for A and what sets leave.

    Nothing is drawn below the rounding.

    :param summary: of a measurement, as ``summary.json`` has it
    """
    return tuple(
        _plot(name, quantity, summary["lmax"]) for name, quantity in summary["quantities"].items()
    )


def _plot(name: str, quantity: Mapping[str, Any], lmax: int) -> Plot:
    curves = []
    for sigma, label in _LABELS.items():
        heights = np.full(lmax + 1, np.nan)
        own = [s for s in quantity["sectors"] if s["frame"] == "z" and s["sigma"] == sigma]
        for sector in own:
            no_error = sector["lambda"] == 0 and sigma != -1  # the symmetric part
            if sector["above_rounding"] and not no_error:
                heights[sector["lambda"]] = sector["root"]
        if np.isfinite(heights).any():
            curves.append(Curve(label, np.arange(lmax + 1.0), heights, bars=True))
    lines = {"A": quantity["rms"]}
    lines |= {f"left by {each}": quantity["averages"][each]["predicted"] for each in _SETS}
    ends = np.array([-0.5, lmax + 0.5])
    curves += [
        Curve(label, ends, np.full(2, value))
        for label, value in lines.items()
        if value > quantity["rounding"]
    ]
    known = QUANTITIES.get(name)  # an output of any function has its own name
    title = (known.words if known else name).capitalize()
    unit = f" ({quantity['unit']})" if quantity["unit"] else ""
    return Plot(title, "angular momentum λ", f"√B{unit}", tuple(curves), (False, True))
