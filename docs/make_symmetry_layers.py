"""The picture and the numbers of docs/symmetry-layers.md: the layers of the bundled PET.

Example: python docs/make_symmetry_layers.py
"""

from __future__ import annotations

from pathlib import Path

from ase.io import iread
from rich.console import Console

from md_bridge._paths import DATA
from md_bridge.symmetry.layers import analyse_layers

IMAGES = Path(__file__).parent / "images"
PATTERN = [
    *("edge_vectors", "edge_distances", "gnn_layers.?.edge_embedder", "gnn_layers.?.compress"),
    *("gnn_layers.?.trans.layers.?.attention_*", "gnn_layers.?_*", "combination_mlps.?"),
    *("node_heads.energy.?", "edge_heads.energy.?"),
    *("node_last_layers.energy.0.*", "edge_last_layers.energy.0.*"),
]


def main() -> None:
    """Write images/symmetry-layers.png, and print the table."""
    boxes = list(iread(DATA / "water-start.xyz"))
    found = analyse_layers(DATA / "water.pt", boxes, PATTERN, lmax=4, samples=32)
    found.plot(IMAGES / "symmetry-layers.png")
    console = Console(width=160)
    console.print(found.table())
    console.print(found.table(centred=False))


if __name__ == "__main__":
    main()
