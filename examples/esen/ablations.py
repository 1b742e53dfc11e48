"""Conservation of a trained eSEN, and of what is left when one of its parts is taken away.

Example: python ablations.py water-esen.pt --grid-model water-esen-s2.pt
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.io import read
from calculator import EsenCalculator
from network import Settings, ablated, load

from md_bridge.drift.protocols.smoothness import velocity_verlet
from md_bridge.drift.runs.starts import thermalise

START = Path(__file__).parents[2] / "md_bridge" / "data" / "water-start.xyz"


class Direct(EsenCalculator):
    """The forces of the head as if they were all that there is."""

    def calculate(self, *arguments: Any, **keywords: Any) -> None:
        """As the calculator that it derives from, with the direct forces as ``forces``."""
        atoms = keywords.get("atoms", arguments[0] if arguments else None)
        super().calculate(atoms, ["energy", "direct_forces"])
        self.results["forces"] = self.results["direct_forces"]


def rows(with_grid: bool) -> list[tuple[str, str, bool]]:
    """Name, ablation, and whether it is one of the network that works on a grid."""
    whole = ["full model", "direct forces", "capped neighbours", "no envelope"]
    grids = ["coarse grid", "fine grid"] if with_grid else []
    return [*((name, name, False) for name in whole), *((name, name, True) for name in grids)]


def conservation(
    start: Atoms, calculator: Calculator, timestep_fs: float, steps: int
) -> dict[str, float]:
    """One run at constant energy.

    :param start: with velocities
    :param calculator: of energy and forces
    :returns: ``drift`` in meV/atom/ps, the slope of the energy that velocity Verlet conserves to
        fourth order, ``wandering``, its largest excursion in meV/atom, and ``seconds`` a step
    """
    began = time.process_time()
    run = velocity_verlet(start, calculator, timestep_fs * units.fs, steps, lambda _: None)
    seconds = (time.process_time() - began) / steps
    shadow = 1000 * run.shadow / len(start)
    time_ps = 1e-3 * timestep_fs * np.arange(len(shadow))
    slope = float(np.polyfit(time_ps, shadow, 1)[0])
    return {"drift": slope, "wandering": float(np.ptp(shadow)), "seconds": seconds}


@click.command()
@click.argument("checkpoint")
@click.option("--grid-model", help="Checkpoint of train.py --activation s2, for rows of the grid.")
@click.option("--start", "start_path", default=str(START), help="Structure.")
@click.option("--timestep", default=0.5, show_default=True, help="In fs.")
@click.option("--steps", default=1000, show_default=True, help="Of each run.")
@click.option("--equilibration", default=400, show_default=True, help="Steps before all runs.")
@click.option("--temperature", default=300.0, show_default=True, help="In K.")
@click.option("--double", is_flag=True, help="Run the network in double precision.")
@click.option("--out", default="ablations.json", show_default=True, help="Numbers.")
def main(
    checkpoint: str,
    grid_model: str | None,
    start_path: str,
    timestep: float,
    steps: int,
    equilibration: int,
    temperature: float,
    double: bool,
    out: str,
) -> None:
    """Run all rows from one start, print a table, and write the numbers.

    Example: python ablations.py water-esen.pt --grid-model water-esen-s2.pt
    """
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dtype = torch.float64 if double else torch.float32
    whole = load(checkpoint, dtype)
    grids = load(grid_model, dtype) if grid_model else None
    if grids is not None and grids.settings.activation != "s2":
        raise click.UsageError(
            f"'{grid_model}' has no grid: train one with --activation s2, found activation "
            f"'{grids.settings.activation}' (the default is '{Settings.activation}')"
        )
    atoms = read(start_path)
    assert isinstance(atoms, Atoms)
    start = thermalise(
        atoms, EsenCalculator(whole), temperature, timestep, equilibration, 1, lambda _: None
    )
    numbers = {}
    click.echo(f"{'':20s} drift, meV/atom/ps   wandering, meV/atom")
    for name, ablation, on_grid in rows(grids is not None):
        network = grids if on_grid else whole
        assert network is not None
        direct = name == "direct forces"
        calculator = Direct(network) if direct else EsenCalculator(ablated(network, ablation))
        numbers[name] = found = conservation(start, calculator, timestep, steps)
        click.echo(f"{name:20s} {found['drift']:12.4g} {found['wandering']:20.4g}")
        Path(out).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
