"""A map of layers: λ on one axis, the layers on the other, shares as colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from md_bridge.symmetry.layers.layer_map import LayerMap

__all__ = ["draw"]

_SMALLEST = 1e-8
"""Of the colours: what is less is as good as nothing."""
_TITLES = {
    1: "σ = +: proper tensors",
    -1: "σ = −: pseudotensors",
    0: "both parities",
}


def draw(found: LayerMap, centred: bool) -> Figure:
    """The picture.

    :param found: the layers
    :param centred: features without what all samples have in common
    """
    sectors = [layer.centred if centred else layer.whole for layer in found.layers]
    sigmas = sectors[0].spectrum.sigmas
    width = 2.0 + 0.34 * len(sectors)
    height = 2.1 + 0.24 * (found.lmax + 2) * len(sigmas)
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(len(sigmas), 1, sharex=True))
    norm = LogNorm(_SMALLEST, 1.0)
    for i, (axes, sigma) in enumerate(zip(panels, sigmas, strict=True)):
        shares = np.array([each.fractions[:, i] for each in sectors]).T
        image = axes.imshow(
            np.clip(shares, _SMALLEST, 1.0),
            norm=norm,
            cmap="viridis",
            origin="lower",
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_title(_TITLES[sigma], fontsize=9, loc="left")
        axes.set_ylabel("λ")
        axes.set_yticks(range(0, found.lmax + 1, 2 if found.lmax > 5 else 1))
    panels[-1].set_xticks(range(len(sectors)), [layer.name for layer in found.layers])
    panels[-1].tick_params(axis="x", rotation=90, labelsize=7)
    bar = figure.colorbar(image, ax=list(panels), extend="min")
    what = "share, common part left out" if centred else "share of the features"
    bar.set_label(what, fontsize=8)
    return figure
