"""Layer by layer: what of each angular momentum and parity do the features of a network carry?"""

from __future__ import annotations

from md_bridge.symmetry.layers.api import analyse_layers, analyse_layers_of
from md_bridge.symmetry.layers.capture import Capture, capture
from md_bridge.symmetry.layers.layer_map import Layer, LayerMap, Sectors

__all__ = [
    "Capture",
    "Layer",
    "LayerMap",
    "Sectors",
    "analyse_layers",
    "analyse_layers_of",
    "capture",
]
