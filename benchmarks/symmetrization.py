"""What averaging over orientations costs, and what it does to the bundled water model.

Evaluates one box of 27 molecules with each set, in turns, and prints the median time and its ratio
to a plain evaluation; --spread adds how much the results change when the box is turned (standard
deviation over a few random orientations), which takes some minutes.

    python benchmarks/symmetrization.py
    python benchmarks/symmetrization.py --spread 4 --json
"""

import json
import statistics
import time
from typing import Any

import click
import numpy as np
from ase import Atoms
from ase.io import read
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.spatial.transform import Rotation

from md_bridge._paths import DATA
from md_bridge.engine import SYMMETRIZATIONS, Engine, Pairs, Structure, set_threads

WANTED: dict[str, dict[str, bool]] = {
    "conservative": {"conservative_forces": True, "conservative_virial": True},
    "direct": {"direct_forces": True},
}


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Evaluations of each kind, in turns.")
@click.option("--threads", default=2, show_default=True)
@click.option("--spread", default=0, metavar="N", help="Orientations to compare results over.")
@click.option("--json", "as_json", is_flag=True, help="Print numbers as JSON.")
def main(rounds: int, threads: int, spread: int, as_json: bool) -> None:
    """Time, and optionally spread, of each `symmetrize` for water (81 atoms)."""
    set_threads(threads)
    engines = {name: Engine(DATA / "water.pt", symmetrize=name) for name in SYMMETRIZATIONS}
    atoms = read(DATA / "water-start.xyz")
    assert isinstance(atoms, Atoms)
    rows: list[dict[str, Any]] = [
        {"symmetrize": name, "copies": engine.copies} for name, engine in engines.items()
    ]
    for kind, seconds in times(engines, turned(atoms, np.eye(3)), rounds).items():
        for row in rows:
            row[f"{kind} ms"] = 1e3 * seconds[row["symmetrize"]]
            row[f"{kind} ratio"] = seconds[row["symmetrize"]] / seconds["none"]
    if spread > 1:
        for row in track(rows, "spread", transient=True):
            row.update(spreads(engines[row["symmetrize"]], atoms, spread))
    if as_json:
        click.echo(json.dumps(rows))
        return
    # one word a line, or a terminal of 80 columns cuts them
    table = Table(
        *(name.replace(" ", "\n") for name in rows[0]), title=f"Water, 81 atoms, {threads} threads"
    )
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)


def turned(atoms: Atoms, rotation: np.ndarray) -> Structure:
    """A rotated copy."""
    positions, cell = atoms.positions @ rotation.T, atoms.cell.array @ rotation.T
    return Structure(atoms.numbers, positions, cell, [True] * 3)


def times(
    engines: dict[str, Engine], structure: Structure, rounds: int
) -> dict[str, dict[str, float]]:
    """Median seconds of an evaluation, by kind of forces and set."""
    pairs = Pairs(1.0)
    taken: dict[tuple[str, str], list[float]] = {}
    for wanted in WANTED.values():  # not timed: torch warms up
        engines["none"].evaluate(structure, pairs, **wanted)
    for _ in track(range(rounds), "time", transient=True):
        for kind, wanted in WANTED.items():
            for name, engine in engines.items():
                repeats = 8 if engine.copies == 1 else 1
                start = time.perf_counter()
                for _ in range(repeats):
                    engine.evaluate(structure, pairs, **wanted)
                taken.setdefault((kind, name), []).append((time.perf_counter() - start) / repeats)
    return {
        kind: {name: statistics.median(taken[kind, name]) for name in engines} for kind in WANTED
    }


def spreads(engine: Engine, atoms: Atoms, orientations: int) -> dict[str, float]:
    """Standard deviation of the results over orientations of the box, turned back."""
    energies, conservative, direct = [], [], []
    for rotation in Rotation.random(orientations, random_state=0).as_matrix():
        result = engine.evaluate(
            turned(atoms, rotation), conservative_forces=True, direct_forces=True
        )
        energies.append(result.energy / len(atoms))
        conservative.append(result.conservative_forces @ rotation)
        direct.append(result.direct_forces @ rotation)

    def deviation(values: Any) -> float:
        return 1e3 * float(np.sqrt(np.mean(np.var(values, axis=0, ddof=1))))

    difference = np.array(conservative) - np.array(direct)
    return {
        "energy, meV/atom": deviation(energies),
        "conservative, meV/Å": deviation(conservative),
        "direct, meV/Å": deviation(direct),
        "difference of the two, meV/Å": 1e3 * float(np.sqrt(np.mean(difference**2))),
    }


if __name__ == "__main__":
    main()
