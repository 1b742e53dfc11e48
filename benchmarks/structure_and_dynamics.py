"""Does a cheap model inside change what is sampled? Structure and dynamics, with errors.

Pairs of NVE runs in LAMMPS, from the same starts and equally long: conservative forces with the
inner step, and two models with multiple time stepping. Of both: g(r) of all pairs of elements, the
spectrum of the velocities, self-diffusion and temperature of each element. Every run is cut into
blocks; errors are those of the scatter between blocks. Two quantities agree if the chi-square of
the differences of paired blocks is not larger than exchanging the two dynamics at random makes it;
the rate of false alarms, of all quantities together, is 1 %.

    python benchmarks/structure_and_dynamics.py                  # a short look
    python benchmarks/structure_and_dynamics.py --inner inner.pt --m 4 --picoseconds 20 --replicas 4

Prints a table, and writes structure-and-dynamics.json and .png into --out. Exit status 1 if
something differs.
"""

import itertools
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from trajectories.comparison import FALSE_ALARM, Comparison, blocks_needed, compare, verdict
from trajectories.observables import (
    Trajectory,
    diffusion,
    radial_distribution,
    spectrum,
    temperature,
)
from trajectories.runs import Settings, equilibrate, run

from md_bridge._paths import DATA
from md_bridge.structures import read_structure

NAME = "structure-and-dynamics"
FRAME_STRIDE_FS = 20.0
"""Between frames for g(r): molecules hardly move in less."""
FASTEST = 4500.0
"""End of the spectra, 1/cm."""
KINDS = {"one": False, "two": True}
"""Conservative forces, and two models."""
Curve = tuple[np.ndarray, np.ndarray]


def curves(elements: list[str]) -> dict[str, Callable[[Trajectory], Curve]]:
    """What is a curve: abscissa and values of a block."""

    def rdf(a: str, b: str) -> Callable[[Trajectory], Curve]:
        return lambda t: radial_distribution(
            t, a, b, every=max(1, round(FRAME_STRIDE_FS / t.interval_fs))
        )

    def vibrations(element: str) -> Callable[[Trajectory], Curve]:
        def of(trajectory: Trajectory) -> Curve:
            x, y = spectrum(trajectory, element)
            return x[x < FASTEST], y[x < FASTEST]

        return of

    pairs = itertools.combinations_with_replacement(elements, 2)
    return {
        **{f"g(r) {a}-{b}": rdf(a, b) for a, b in pairs},
        **{f"spectrum {a}": vibrations(a) for a in elements},
    }


def numbers(elements: list[str]) -> dict[str, Callable[[Trajectory], float]]:
    """What is a number, with its unit."""
    return {
        **{f"diffusion {a}, Å²/ps": partial(diffusion, element=a) for a in elements},
        **{f"temperature {a}, K": partial(temperature, element=a) for a in elements},
    }


def compared(
    pairs: list[tuple[Trajectory, Trajectory]], blocks: int
) -> tuple[dict[str, Comparison], dict[str, np.ndarray]]:
    """All quantities of paired trajectories, and the abscissas of the curves.

    :param pairs: conservative and two models, a pair for each replica
    :param blocks: in each trajectory
    """
    elements = sorted(set(pairs[0][0].symbols))
    one = [block for first, _ in pairs for block in first.blocks(blocks)]
    two = [block for _, second in pairs for block in second.blocks(blocks)]
    found: dict[str, Comparison] = {}
    axes: dict[str, np.ndarray] = {}
    for name, curve in curves(elements).items():
        axes[name] = curve(one[0])[0]
        found[name] = compare(*(np.array([curve(b)[1] for b in part]) for part in (one, two)))
    for name, number in numbers(elements).items():
        found[name] = compare(*(np.array([[number(b)] for b in part]) for part in (one, two)))
    return found, axes


def rows_of(found: dict[str, Comparison]) -> list[dict[str, Any]]:
    """A row for each quantity, ready to print."""
    level = FALSE_ALARM / len(found)
    rows = []
    for name, c in found.items():
        row = {"quantity": name, "bins": len(c.first), "conservative": "", "two models": ""}
        row |= {"difference": "", "found 9 in 10": ""}
        if len(c.first) == 1:
            row["conservative"] = f"{c.first[0]:.4g} ± {c.first_error[0]:.2g}"
            row["two models"] = f"{c.second[0]:.4g} ± {c.second_error[0]:.2g}"
            row["difference"] = f"{c.difference[0]:+.2g} ± {c.difference_error[0]:.2g}"
            row["found 9 in 10"] = f"{c.detectable(level)[0]:.2g}"
        else:
            peak = np.abs(c.first).max()
            row["difference"] = f"at most {100 * np.abs(c.difference).max() / peak:.1f} % of peak"
            row["found 9 in 10"] = f"{100 * np.median(c.detectable(level)) / peak:.1f} % of peak"
        row |= {"chi²/bin": f"{c.chi_square:.2f}", "p": f"{c.p:.3f}", "memory": f"{c.memory:+.2f}"}
        rows.append(row)
    return rows


def draw(found: dict[str, Comparison], axes: dict[str, np.ndarray], path: Path) -> None:
    """Curves of both, with bands of two standard errors, into a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.5), layout="constrained")
    columns = (len(axes) + 1) // 2
    for place, (name, x) in enumerate(axes.items()):
        c = found[name]
        panel = figure.add_subplot(2, columns, place + 1)
        for label, y, error in (
            ("conservative", c.first, c.first_error),
            ("two models", c.second, c.second_error),
        ):
            (line,) = panel.plot(x, y, label=label, linewidth=1.2)
            panel.fill_between(x, y - 2 * error, y + 2 * error, color=line.get_color(), alpha=0.25)
        panel.set_title(name, fontsize=10)
        panel.set_xlabel("r, Å" if name.startswith("g(r)") else "1/cm")
    panel.legend(fontsize=8)
    figure.savefig(path, dpi=130)


def simulated(
    settings: Settings, start: Path, replicas: int, picoseconds: float, equilibration: float
) -> tuple[list[tuple[Trajectory, Trajectory]], dict[str, list[float]]]:
    """Trajectories of all replicas, and drift and cost of each run."""
    atoms = read_structure(start)
    pairs: list[tuple[Trajectory, Trajectory]] = []
    runs: dict[str, list[float]] = {f"{k} {n}": [] for k in ("drift", "cost") for n in KINDS}
    for replica in track(range(replicas), console=Console(stderr=True), transient=True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            equilibrate(atoms, settings, 1000 + replica, equilibration, folder)
            both = []
            for kind, two_models in KINDS.items():
                trajectory, drift, cost = run(atoms, settings, two_models, picoseconds, folder)
                runs[f"drift {kind}"].append(drift)
                runs[f"cost {kind}"].append(cost)
                both.append(trajectory)
            pairs.append((both[0], both[1]))
    return pairs, runs


@click.command(help=__doc__)
@click.option("--inner", type=click.Path(path_type=Path), default=DATA / "water-inner.pt",
              help="Model inside.")  # fmt: skip
@click.option("--outer", type=click.Path(path_type=Path), default=DATA / "water.pt",
              help="Model outside.")  # fmt: skip
@click.option("--start", type=click.Path(path_type=Path), default=DATA / "water-start.xyz",
              help="Structure in a box of right angles.")  # fmt: skip
@click.option("--m", "multiplicity", type=click.IntRange(2), default=4, show_default=True,
              help="Inner steps in an outer one.")  # fmt: skip
@click.option("--timestep", default=0.5, show_default=True, help="Inner step, fs.")
@click.option("--temperature", "kelvin", default=300.0, show_default=True, help="Of starts, K.")
@click.option("--picoseconds", default=2.0, show_default=True, help="Length of a run.")
@click.option("--replicas", default=2, show_default=True, help="Pairs of runs.")
@click.option("--block", default=0.25, show_default=True, help="Length of a block, ps.")
@click.option("--equilibration", default=1.0, show_default=True, help="Before each pair, ps.")
@click.option("--threads", default=1, show_default=True, help="Of torch.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(),
              help="Folder for the numbers and the picture.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def main(
    inner: Path,
    outer: Path,
    start: Path,
    multiplicity: int,
    timestep: float,
    kelvin: float,
    picoseconds: float,
    replicas: int,
    block: float,
    equilibration: float,
    threads: int,
    out: Path,
    as_json: bool,
) -> None:
    """Run, compare, print."""
    for path in (outer, inner, start):
        if not path.is_file():
            raise click.ClickException(f"there is no file {path}")
    elements = sorted(set(read_structure(start).get_chemical_symbols()))
    quantities = len(curves(elements)) + len(numbers(elements))
    blocks = int(picoseconds / block + 1e-9)
    if replicas * blocks < blocks_needed(quantities):
        raise click.ClickException(
            f"{replicas} replicas of {blocks} blocks are too few for a verdict on {quantities} "
            f"quantities: expected at least {blocks_needed(quantities)} blocks in all. Give more "
            "--replicas or --picoseconds, or shorter ones with --block"
        )
    settings = Settings(outer.resolve(), inner.resolve(), multiplicity, timestep, kelvin, threads)
    pairs, runs = simulated(settings, start, replicas, picoseconds, equilibration)
    found, axes = compared(pairs, blocks)
    differ = verdict(found)
    means = {name: float(np.mean(values)) for name, values in runs.items()}
    speed_up = means["cost one"] / means["cost two"]
    conclusion = (
        f"differ: {', '.join(differ)}" if differ else f"all {len(found)} agree within errors"
    )

    out.mkdir(parents=True, exist_ok=True)
    draw(found, axes, out / f"{NAME}.png")
    record = {
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in vars(settings).items()},
        "picoseconds": picoseconds, "replicas": replicas, "blocks": replicas * blocks,
        "false_alarm": FALSE_ALARM, "verdict": conclusion, "runs": runs, "speed_up": speed_up,
        "axes": axes, "quantities": {name: asdict(c) for name, c in found.items()},
    }  # fmt: skip
    text = json.dumps(record, indent=1, default=lambda array: array.tolist())
    (out / f"{NAME}.json").write_text(text, encoding="utf-8")
    if as_json:
        print(text)
    else:
        rows = rows_of(found)
        title = f"{replicas} pairs of {picoseconds:g} ps, M = {multiplicity}, {blocks} blocks each"
        table = Table(*rows[0], title=title)
        for row in rows:
            table.add_row(*map(str, row.values()))
        Console().print(table)
        print(f"drift: conservative {means['drift one']:+.3f}, two models "
              f"{means['drift two']:+.3f} meV/atom/ps; speed-up {speed_up:.2f}")  # fmt: skip
        print(f"{conclusion} (false alarms: {100 * FALSE_ALARM:g} % in all)")
    if differ:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
