"""Energy conservation and constant pressure of the bundled water in LAMMPS, on any number of ranks.

With the ensemble nve: the drift of the total energy under multiple time stepping, for each number
of ranks. With npt: the mean volume under multiple time stepping and with conservative forces alone,
from one start; they should agree within their errors.

    python benchmarks/lammps_conservation.py --picoseconds 2 --ranks 1 --ranks 2 -M 4 -M 8
    python benchmarks/lammps_conservation.py --picoseconds 2 --ranks 2 --repeat 2     # 648 atoms
    python benchmarks/lammps_conservation.py --ensemble npt --picoseconds 10 --json
"""

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase.io import read, write
from rich.console import Console
from rich.progress import track
from rich.table import Table

from md_bridge._paths import DATA
from md_bridge.drift.judging.line import mean_estimate
from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE, Verdict, drift_statistics
from md_bridge.lammps import run_lmp

INNER_STEP = 0.5  # fs
SETTLING = 0.3  # of a run at constant pressure

INPUT = """
units metal
atom_style atomic
read_data start.data
replicate {repeat} {repeat} {repeat}
mass 1 15.999
mass 2 1.008
{velocities}
pair_style mdbridge {model}
pair_coeff * * O H
timestep {outer_step_ps}
{run_style}
fix move all {ensemble}
thermo_style custom step time temp etotal vol
thermo_modify format float %.12g norm no
thermo 1
run {steps}
"""
ENSEMBLES = {
    "nve": "nve",
    # stiff and fast: the mean is what counts, not the dynamics
    "npt": "npt temp 300 300 0.05 iso 1 1 0.2",
}


def run(
    ensemble: str, multiplicity: int, picoseconds: float, ranks: int, threads: int, repeat: int
) -> dict[str, np.ndarray]:
    """Thermo columns at each outer step; ``multiplicity`` 0: conservative forces, inner step."""
    outer_step = INNER_STEP * max(1, multiplicity)
    start = read(DATA / "water-start.xyz")
    text = INPUT.format(
        repeat=repeat,
        # of copies that all move alike the box would remember; the file's own temperature is 300 K
        velocities="velocity all create 300 7 loop geom",
        model=DATA / "water.pt",
        outer_step_ps=outer_step * 1e-3,
        run_style=f"run_style respa 2 {multiplicity} inner 1 3.0 4.0 outer 2"
        if multiplicity
        else "run_style verlet",
        ensemble=ENSEMBLES[ensemble],
        steps=round(1e3 * picoseconds / outer_step),
    )
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/start.data", start, format="lammps-data", specorder=["O", "H"])
        Path(folder, "in.lammps").write_text(text)
        done = run_lmp(
            ["-in", "in.lammps", "-log", "none"],
            ranks=ranks,
            threads=threads,
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise click.ClickException(done.stdout[-2000:] + done.stderr[-500:])
    return parse(done.stdout)


def parse(log: str) -> dict[str, np.ndarray]:
    """Read the thermo output of the last run, and the number of atoms."""
    header = re.findall(r"^ *Step .*$", log, re.MULTILINE)[-1]
    body = log[log.rindex(header) + len(header) : log.rindex("Loop time")]
    values = np.array([line.split() for line in body.strip().splitlines()], dtype=float).T
    columns = dict(zip(header.split(), values, strict=True))
    columns["atoms"] = np.array(int(re.findall(r"with (\d+) atoms", log)[-1]))
    return columns


def energy_row(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Drift of the total energy, and whether it counts as conserved."""
    drift = drift_statistics(
        columns["Time"],
        columns["TotEng"],
        columns["Temp"],
        int(columns["atoms"]),
        DEFAULT_TOLERANCE,
    )
    return {
        "drift, meV/atom/ps": drift.energy.slope,
        "± (95 %)": drift.energy.half_width,
        "rms, meV/atom": drift.energy.rms,
        "T, K": drift.mean_temperature,
        "verdict": drift.verdict.value,
    }


def volume_row(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Mean volume after settling."""
    first = int(SETTLING * len(columns["Volume"]))
    volume = mean_estimate(columns["Volume"][first:])
    return {
        "volume, Å³": volume.value,
        "± (95 %)": volume.half_width,
        "T, K": columns["Temp"][first:].mean(),
    }


@click.command()
@click.option("--ensemble", type=click.Choice(list(ENSEMBLES)), default="nve", show_default=True)
@click.option("--picoseconds", default=0.2, show_default=True, help="Length of each run.")
@click.option("-M", "multiplicities", multiple=True, default=(4,), show_default=True, type=int)
@click.option("--ranks", multiple=True, default=(1, 2), show_default=True, type=int)
@click.option("--threads", default=1, show_default=True, help="Threads per rank.")
@click.option("--repeat", default=1, show_default=True, help="Copies of the box in x, y and z.")
@click.option("--json", "as_json", is_flag=True, help="Print numbers only.")
def main(
    ensemble: str,
    picoseconds: float,
    multiplicities: tuple[int, ...],
    ranks: tuple[int, ...],
    threads: int,
    repeat: int,
    as_json: bool,
) -> None:
    """Run the bundled water with multiple time stepping and report what it conserves."""
    row_of: Callable[[dict[str, np.ndarray]], dict[str, Any]] = (
        energy_row if ensemble == "nve" else volume_row
    )
    cases = [(m, n) for m in multiplicities for n in ranks]
    if ensemble == "npt":
        cases = [(0, ranks[0]), *cases]
    rows = []
    for multiplicity, count in track(cases, transient=True, disable=as_json):
        columns = run(ensemble, multiplicity, picoseconds, count, threads, repeat)
        forces = f"MTS M={multiplicity}" if multiplicity else "conservative"
        first = {"atoms": int(columns["atoms"]), "ranks": count, "forces": forces}
        rows.append({**first, **row_of(columns)})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
        Console().print(table)
    if any(row.get("verdict") == Verdict.DRIFTS.value for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
