"""How much of a LAMMPS step is not the model's forward and backward pass.

Runs boxes of the bundled water with each kind of forces and reads LAMMPS's timing breakdown and the
pair style's own table (keyword `timing`). Everything that is neither forward nor backward counts as
overhead: neighbour lists, packing, unpacking, ghosts, communication, integration, output.

With --scaling, the same for argon boxes of growing size and a cheap analytic model: time of
packing and ghosts per atom, which should not grow.

    python benchmarks/lammps_overhead.py
    python benchmarks/lammps_overhead.py --scaling --json
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write
from rich.console import Console
from rich.progress import track
from rich.table import Table

from md_bridge._paths import DATA
from md_bridge.lammps import run_lmp

TARGET = 0.05
STYLES = {
    "conservative": ("forces conservative", "run_style verlet", 0.5),
    "direct": ("forces direct", "run_style verlet", 0.5),
    "MTS M=4": ("", "run_style respa 2 4 inner 1 3.0 4.0 outer 2", 2.0),
}


def water(molecules_per_side: int) -> Atoms:
    """Molecules of random orientation on a grid, at the density of the liquid."""
    random = np.random.default_rng(0)
    atoms = Atoms(pbc=True, cell=[3.107 * molecules_per_side] * 3)
    for place in np.ndindex(*(molecules_per_side,) * 3):
        one = molecule("H2O")
        one.rotate(random.uniform(0, 360), random.normal(size=3))
        one.positions += 3.107 * np.array(place)
        atoms += one
    atoms.wrap()
    return atoms


def argon(cells: int) -> Atoms:
    """A rattled fcc crystal."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat(cells)
    atoms.rattle(0.1, seed=0)
    return atoms


def run(
    atoms: Atoms, elements: list[str], model: Path, style: str, steps: int, ranks: int, threads: int
) -> dict[str, float]:
    """Seconds of each part in one run, and of the whole loop."""
    keywords, run_style, timestep_fs = STYLES[style]
    masses = "\n".join(
        f"mass {n + 1} {Atoms(symbol).get_masses()[0]}" for n, symbol in enumerate(elements)
    )
    text = f"""
units metal
boundary p p p
read_data start.data
{masses}
velocity all create 300 1
pair_style mdbridge {model} timing yes {keywords}
pair_coeff * * {" ".join(elements)}
fix nve all nve
thermo 10
timestep {timestep_fs * 1e-3}
{run_style}
run 1
run {steps}
"""
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/start.data", atoms, format="lammps-data", specorder=elements)
        Path(folder, "in.lammps").write_text(text)
        command = ["-in", "in.lammps", "-log", "none"]
        done = run_lmp(
            command, ranks=ranks, threads=threads, cwd=folder, capture_output=True, text=True
        )
    if done.returncode != 0:
        raise click.ClickException(done.stdout[-2000:])
    return parse(done.stdout[done.stdout.rindex("Setting up") :])


def parse(log: str) -> dict[str, float]:
    """Read the tables of the last run."""
    table = re.findall(r"^  (\w[\w ]*?) {2,}(\d+\.\d+) +\d+\.\d+ %$", log, re.MULTILINE)
    seconds = {name: float(value) for name, value in table}
    loop = float(re.findall(r"Loop time of (\S+)", log)[0])
    pair = float(re.findall(r"^Pair +\| +\S+ +\| +(\S+)", log, re.MULTILINE)[0])
    # the pair style's table includes the set-up of the run, LAMMPS's does not: compare shares
    in_model = (seconds["forward"] + seconds["backward"]) / seconds["total"]
    return {**seconds, "loop": loop, "overhead": 1.0 - in_model * pair / loop}


@click.command()
@click.option("--steps", default=10, show_default=True, help="Outer steps to time.")
@click.option("--ranks", default=1, show_default=True, help="MPI ranks.")
@click.option("--threads", default=1, show_default=True, help="Threads per rank.")
@click.option("--scaling", is_flag=True, help="Argon of growing size with an analytic model.")
@click.option("--json", "as_json", is_flag=True, help="Print numbers only.")
def main(steps: int, ranks: int, threads: int, scaling: bool, as_json: bool) -> None:
    """Measure what LAMMPS and the pair style cost beside the model."""
    rows = scaling_rows(steps, ranks, threads) if scaling else water_rows(steps, ranks, threads)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)
    if not scaling and max(row["overhead %"] for row in rows) > 100 * TARGET:
        raise SystemExit(1)


def water_rows(steps: int, ranks: int, threads: int) -> list[dict[str, Any]]:
    """The bundled model; 192 and 648 atoms."""
    cases = [(side, style) for side in (4, 6) for style in STYLES]
    rows: list[dict[str, Any]] = []
    for side, style in track(cases, transient=True):
        atoms = water(side)
        found = run(atoms, ["O", "H"], DATA / "water.pt", style, steps, ranks, threads)
        row = {"atoms": len(atoms), "forces": style, "ms/outer step": 1e3 * found["loop"] / steps}
        rows.append({**row, "overhead %": 100 * found["overhead"]})
    return rows


def scaling_rows(steps: int, ranks: int, threads: int) -> list[dict[str, Any]]:
    """An analytic model with direct forces; 500 to 20,000 atoms."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
    import models

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        model = models.curl().export(Path(folder) / "curl.pt")
        for cells in track((5, 8, 12, 17), transient=True):
            atoms = argon(cells)
            found = run(atoms, ["Ar"], model, "conservative", steps, ranks, threads)
            per_atom = 1e6 / (len(atoms) * (steps + 1))
            row: dict[str, Any] = {"atoms": len(atoms)}
            for part in ("packing", "ghosts and forces", "unpacking", "communication"):
                row[f"{part}, µs/atom"] = found[part] * per_atom
            rows.append({**row, "overhead %": 100 * found["overhead"]})
    return rows


if __name__ == "__main__":
    main()
