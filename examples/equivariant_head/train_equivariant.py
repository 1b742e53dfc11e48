"""Train scalars times vectors on water and export it: python train_equivariant.py"""

from __future__ import annotations

import sys
from pathlib import Path

import click
from scalars_times_vectors import ScalarsTimesVectors

from md_bridge.export import export_module

sys.path.insert(0, str(Path(__file__).parents[1]))
from fit_water import train

ELEMENTS, CUTOFF = [8, 1], 4.0


@click.command()
@click.option("--out", default="equivariant.pt", show_default=True, help="File to write.")
@click.option("--epochs", default=15, show_default=True, help="Passes over the training frames.")
@click.option("--frames", default=586, show_default=True, help="Training frames to use.")
@click.option("--width", default=128, show_default=True, help="Width of the perceptron.")
def main(out: str, epochs: int, frames: int, width: int) -> None:
    """Train a model with equivariant direct forces and export it for LAMMPS, i-PI and ASE.

    Example: python train_equivariant.py --epochs 30 --out equivariant.pt
    """
    module = train(
        lambda free_atoms: ScalarsTimesVectors(free_atoms, CUTOFF, width=width),
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
        layers=1,
        metadata={"name": "Scalars times vectors, liquid water", "description": "An example."},
    )
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
