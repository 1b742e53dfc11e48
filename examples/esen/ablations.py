"""Conservation of a trained eSEN, and of what is left when one of its parts is taken away.

Example: python ablations.py water-esen.pt --grid-model water-esen-s2.pt
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.io import read
from calculator import DIRECT, EsenCalculator, of_row
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from network import Esen, load
from numpy.typing import NDArray

from md_bridge.drift.judging.heating import slow_cosines
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.smoothness import run as smoothness
from md_bridge.drift.protocols.smoothness import velocity_verlet
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.runs.starts import thermalise
from md_bridge.text import with_error

HERE = Path(__file__).parent
START = HERE.parents[1] / "md_bridge" / "data" / "water-start.xyz"
CONTROL = "another start"
"""Full model, other velocities: how much the measure differs where nothing is taken away."""
LARGEST_RATIO = 100.0
"""Of the heating to that of the full model, which is to wander ten times as far."""
MODES = 24
"""Of the slowest cosines, in which a walk is large and a bounded fluctuation small."""
SAMPLES = 200
"""Of each run, for the picture."""
HIDES = 0.3
"""Share of noise in the wandering at the smallest step above which N says nothing. It is that of
forces of shifted atoms: round-off, or with a grid the roll of the frames."""
HEADINGS = [
    *("", "wanders, meV/atom", "drift, meV/atom/ps", "heating, meV/atom/ps"),
    *("of the full model's", "N", "beside the full model"),
]


@dataclass(frozen=True)
class Row:
    """What one run is made with."""

    name: str
    """Of :data:`network.ABLATIONS`, :data:`calculator.DIRECT`, or :data:`CONTROL`."""
    trained: str = "whole"
    """Which of the checkpoints: "whole", "grid" or "sharp"."""

    @property
    def part(self) -> str:
        """What its calculator is asked for."""
        return "full model" if self.name == CONTROL else self.name

    @property
    def seed(self) -> int:
        """Of the velocities of its start."""
        return 2 if self.name == CONTROL else 1


ROWS = (
    Row("full model"),
    Row(CONTROL),
    Row(DIRECT),
    Row("capped neighbours"),
    Row("no envelope"),
    Row("sharp radial basis", "sharp"),
    Row("coarse grid", "grid"),
    Row("fine grid", "grid"),
)


@dataclass(frozen=True)
class Effort:
    """How long the runs are."""

    timestep_fs: float = 0.5
    steps: int = 200
    exponent_steps: int = 98
    """Of the first of three runs, with twice the time step; 0: no exponents."""


def conservation(
    start: Atoms, calculator: Calculator, timestep_fs: float, steps: int
) -> dict[str, Any]:
    """One run at constant energy.

    :param start: with velocities
    :param calculator: of energy and forces
    :returns: ``drift`` in meV/atom/ps, the slope of the energy that velocity Verlet conserves to
        fourth order, ``wandering``, its largest excursion in meV/atom, its :func:`heating`,
        ``seconds`` of CPU a step, and the energy itself: ``time_ps`` and ``change_meV_per_atom``
    """
    began = time.process_time()
    run = velocity_verlet(start, calculator, timestep_fs * units.fs, steps, lambda _: None)
    seconds = (time.process_time() - began) / steps
    shadow = 1000 * (run.shadow - run.shadow[0]) / len(start)
    slope = float(np.polyfit(run.time_ps, shadow, 1)[0])
    every = max(1, len(shadow) // SAMPLES)
    return {
        "drift": slope,
        "wandering": float(np.ptp(shadow)),
        "heating": heating(run.time_ps, shadow, len(start), start.get_temperature()),
        "seconds": seconds,
        "time_ps": run.time_ps[::every].round(5).tolist(),
        "change_meV_per_atom": [float(f"{value:.4g}") for value in shadow[::every]],
    }


def heating(
    time_ps: NDArray[np.float64], per_atom: NDArray[np.float64], count: int, temperature: float
) -> float:
    """D/kT of the walk of the energy, a steady drift in it: meV/atom/ps.

    As in :mod:`md_bridge.drift.judging.smoothness`, but with the noise of the energies left in it.

    :param time_ps: evenly spaced, shape (n,)
    :param per_atom: the energy, meV/atom, shape (n,)
    :param count: of atoms
    :param temperature: of the start, K
    """
    length = float(time_ps[-1] - time_ps[0]) * len(time_ps) / (len(time_ps) - 1)
    diffusion = float(np.mean(slow_cosines(count * per_atom, length, MODES) ** 2))
    return diffusion / (1000 * units.kB * temperature * count)


def exponent(
    start: Atoms, checkpoint: str, row: Row, double: bool, effort: Effort
) -> dict[str, Any]:
    """What ``md-bridge protocol smoothness python:calculator.py:make`` finds of a row.

    To be called in a process of its own: a model that is in use is not opened again, and the
    environment that says which row it is would come too late.
    """
    os.environ |= {
        "ESEN_CHECKPOINT": checkpoint,
        "ESEN_ROW": row.part,
        "ESEN_DOUBLE": str(int(double)),
    }
    largest = 2 * effort.timestep_fs
    request = ProtocolRequest(
        f"python:{HERE / 'calculator.py'}:make",  # type: ignore[arg-type]
        start,
        Path("."),
        timestep_fs=largest,
        length_ps=1e-3 * largest * effort.exponent_steps,
    )
    return dict(smoothness(request, lambda *_: None).summary)


def judge(numbers: Mapping[str, dict[str, Any]]) -> None:
    """Say of each row whether it conserves energy as the full model does: ``passed``.

    :param numbers: by name, the full model among them
    """
    reference = numbers["full model"]["heating"]
    for found in numbers.values():
        found["ratio"] = found["heating"] / reference
        found["passed"] = bool(found["ratio"] < LARGEST_RATIO)


def markdown(numbers: Mapping[str, Mapping[str, Any]]) -> str:
    """The table.

    :param numbers: by name of the row
    """
    rows = [HEADINGS, ["---", *["---:"] * (len(HEADINGS) - 1)]]
    rows += [cells(name, found) for name, found in numbers.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cells(name: str, found: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    return [
        name,
        f"{found['wandering']:.2g}",
        f"{found['drift']:.2g}",
        f"{found['heating']:.2g}",
        f"{found['ratio']:.2g} ×",
        exponent_words(found),
        "passes" if found["passed"] else "fails",
    ]


def exponent_words(found: Mapping[str, Any]) -> str:
    """N with half of its 95 % interval."""
    fit = found.get("smoothness")
    if fit is None or fit["exponent"] is None:
        return "-"
    if fit["round_off_share"] > HIDES:
        return "hidden by noise"
    return with_error(fit["exponent"], fit["half_width_95"], 1)


def draw(numbers: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """The energy of every row against time, and how fast it heats.

    :param numbers: by name
    :param path: of the picture
    """
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    smallest = min(found["wandering"] for found in numbers.values())
    others = [name for name in numbers if name != CONTROL]
    colours = {CONTROL: "0.55"} | dict(zip(others, OKABE_ITO, strict=False))
    for name, found in numbers.items():
        left.plot(
            found["time_ps"],
            found["change_meV_per_atom"],
            color=colours[name],
            lw=1,
            label=name,
        )
    left.axhline(0, color="0.7", lw=0.5, zorder=0)
    left.set_yscale("symlog", linthresh=10 ** math.ceil(math.log10(smallest)))
    left.set_xlabel("time (ps)")
    left.set_ylabel("[E(t) − E(0)] / atoms (meV)")
    names = list(numbers)[::-1]
    sizes = [numbers[name]["heating"] for name in names]
    right.barh(names, sizes, color=[colours[name] for name in names], height=0.6)
    right.set_xscale("log")
    right.set_xlim(0.1 * min(sizes), 1e4 * max(sizes))
    right.axvline(LARGEST_RATIO * numbers["full model"]["heating"], color="0.5", lw=0.8, ls="--")
    right.set_xlabel("heating (meV/atom/ps); dashed: the limit")
    for place, name in enumerate(names):
        words = exponent_words(numbers[name])
        text = f" N = {words}" if words[0].isdigit() or words[0] == "−" else ""
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        right.text(1.2 * sizes[place], place, text, va="center", size=8, bbox=box if text else None)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def keep(numbers: Mapping[str, Mapping[str, Any]], out: str) -> None:
    """Write the numbers and the picture.

    :param numbers: by name
    :param out: both names without their ends
    """
    Path(f"{out}.json").write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    draw(numbers, Path(f"{out}.png"))


def chosen(checkpoints: Mapping[str, str | None]) -> list[tuple[Row, str]]:
    """The rows whose checkpoint there is, with it.

    :param checkpoints: by the names in :attr:`Row.trained`
    """
    found = [(row, checkpoints[row.trained]) for row in ROWS]
    return [(row, path) for row, path in found if path]


def checked(path: str, kind: str, dtype: torch.dtype) -> Esen:
    """A network that is what the option says.

    :raises click.UsageError: it is not
    """
    network = load(path, dtype)
    if kind == "grid" and network.settings.activation != "s2":
        raise click.UsageError(
            f"'{path}' has no grid: train one with --activation s2, found activation "
            f"'{network.settings.activation}'"
        )
    if kind == "sharp" and network.settings.basis < 512:
        raise click.UsageError(
            f"'{path}' has no sharp radial basis: train one with --basis 512, found "
            f"{network.settings.basis} functions"
        )
    return network


@click.command()
@click.argument("checkpoint")
@click.option("--grid-model", help="Checkpoint of train.py --activation s2, for rows of the grid.")
@click.option("--sharp-model", help="Checkpoint of train.py --basis 512, for the sharp basis.")
@click.option("--start", "start_path", default=str(START), help="Structure.")
@click.option("--timestep", default=Effort.timestep_fs, show_default=True, help="In fs.")
@click.option("--steps", default=Effort.steps, show_default=True, help="Of each run.")
@click.option(
    "--exponent-steps",
    default=Effort.exponent_steps,
    show_default=True,
    help="Of twice the time step, for N.",
)
@click.option("--equilibration", default=60, show_default=True, help="Steps before all runs.")
@click.option("--temperature", default=300.0, show_default=True, help="In K.")
@click.option("--single", is_flag=True, help="Run the network in single precision.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([row.name for row in ROWS]),
    help="This row; others stay as OUT.json has them, from a run with the same options.",
)
@click.option("--out", default="ablations", show_default=True, help="Of numbers and picture.")
def main(
    checkpoint: str,
    grid_model: str | None,
    sharp_model: str | None,
    start_path: str,
    timestep: float,
    steps: int,
    exponent_steps: int,
    equilibration: int,
    temperature: float,
    single: bool,
    only: tuple[str, ...],
    out: str,
) -> None:
    """Run all rows; print a table, write OUT.json and OUT.png.

    Example: python ablations.py water-esen.pt --grid-model water-esen-s2.pt
    """
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dtype = torch.float32 if single else torch.float64
    effort = Effort(timestep, steps, exponent_steps)
    paths = {"whole": checkpoint, "grid": grid_model, "sharp": sharp_model}
    networks = {kind: checked(path, kind, dtype) for kind, path in paths.items() if path}
    atoms = read(start_path)
    assert isinstance(atoms, Atoms)
    first = EsenCalculator(networks["whole"])
    rows = [one for one in chosen(paths) if not only or one[0].name in only]
    starts = {
        seed: thermalise(atoms, first, temperature, timestep, equilibration, seed, lambda _: None)
        for seed in sorted({row.seed for row, _ in rows})
    }
    before = json.loads(Path(f"{out}.json").read_text(encoding="utf-8")) if only else {}
    for row, _ in rows:
        calculator = of_row(networks[row.trained], row.part)
        before[row.name] = found = conservation(starts[row.seed], calculator, timestep, steps)
        click.echo(f"{row.name}: {found['heating']:.2g} meV/atom/ps", err=True)
    numbers = {row.name: before[row.name] for row in ROWS if row.name in before}
    judge(numbers)
    for row, path in rows:
        keep(numbers, out)  # what is there, should the rest take too long
        if exponent_steps:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                asked = process.submit(exponent, starts[row.seed], path, row, not single, effort)
                numbers[row.name]["smoothness"] = asked.result()
            click.echo(f"{row.name}: N = {exponent_words(numbers[row.name])}", err=True)
    keep(numbers, out)
    click.echo(markdown(numbers))


if __name__ == "__main__":
    main()
