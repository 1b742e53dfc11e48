"""Train the model of transformer.py on water and export it: python train_transformer.py"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from transformer import NeighbourTransformer

from md_bridge.export import export_module

sys.path.insert(0, str(Path(__file__).parents[1]))
from fit_water import train

ELEMENTS, CUTOFF, LAYERS = [8, 1], 4.0, 2


@click.command()
@click.option("--out", default="transformer.pt", show_default=True, help="File to write.")
@click.option("--epochs", default=6, show_default=True, help="Passes over the training frames.")
@click.option("--frames", default=586, show_default=True, help="Training frames to use.")
@click.option("--width", default=64, show_default=True, help="Length of a token.")
def main(out: str, epochs: int, frames: int, width: int) -> None:
    """Train a transformer with direct forces and export it for LAMMPS, i-PI and ASE.

    Example: python train_transformer.py --epochs 12 --out transformer.pt
    """
    module = train(
        lambda free_atoms: NeighbourTransformer(free_atoms, CUTOFF, LAYERS, width),
        elements=ELEMENTS,
        cutoff=CUTOFF,
        epochs=epochs,
        frames=frames,
    )
    export_module(
        module,
        out,
        elements=ELEMENTS,
        cutoff=CUTOFF,
        layers=LAYERS,
        metadata={"name": "Small transformer, liquid water", "description": "An example."},
    )
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
