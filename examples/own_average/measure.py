"""What the fine-tuning did: two models side by side, in numbers and in a picture.

Example: python measure.py ../../md_bridge/data/water.pt tuned.pt ../train_water/data/test.xyz.xz
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from own_average import answers
from rich.progress import Progress, track

from md_bridge.drift.protocols.differentiable import DifferentiableForces
from md_bridge.drift.protocols.jacobian import full_jacobian, jacobian_asymmetry
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.engine import Engine, Structure, set_threads
from md_bridge.export.evaluation import QUANTITIES, error_table, evaluate_structures, read_labels
from md_bridge.structures import read_structures, spread
from md_bridge.symmetry import Response, analyse

LAWS = dict(zip(QUANTITIES, ["scalar", "vector", "vector", "stress", "stress"], strict=True))


def responses(engine: Engine, frames: list[Atoms], lmax: int) -> dict[str, Response]:
    """How each quantity changes with the orientation; all frames must have the same atoms."""

    def f(positions: np.ndarray, cells: np.ndarray) -> dict[str, np.ndarray]:
        copies = zip(positions, cells, strict=True)
        found = answers(engine, [Structure(frames[0].numbers, *c, [True] * 3) for c in copies])
        return {name: 1e3 * values for name, values in found.items()}  # eV -> meV

    with Progress() as progress:
        task = progress.add_task("turned copies of a frame", total=None)
        return analyse(
            f,
            [(atoms.positions, atoms.cell[:]) for atoms in frames],
            law=LAWS,
            lmax=lmax,
            copies_per_call=12,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )


def errors(engine: Engine, frames: list[Atoms]) -> dict[str, Any]:
    """Against the labels, and of the direct forces against the conservative ones."""
    steps = evaluate_structures(engine, frames, [read_labels(atoms) for atoms in frames])
    samples = [s for several in track(steps, "labelled frames", len(frames)) for s in several]
    rows = {row["quantity"]: row for row in error_table(samples) if row["by"] == "all"}
    direct, conservative = (
        np.concatenate([s.predicted for s in samples if s.quantity == f"{kind} force"])
        for kind in ("direct", "conservative")
    )
    correction = float(np.sqrt(np.mean((direct - conservative) ** 2)))
    return {
        **{name: {"mae": row["mae"], "rmse": row["rmse"]} for name, row in rows.items()},
        "direct − conservative": {"rms": correction},
    }


def orientation(response: Response) -> dict[str, Any]:
    """A of a component, √B of the sectors it is made of, and what the 24 copies will leave."""
    root = response.components**0.5
    return {
        "A": response.rms,
        "rounding": response.floor / root,
        "octahedral leaves": response.after("octahedral") / root,
        "sectors": {
            f"{degree}{'+' if sigma > 0 else '−'}": value**0.5 / root
            for (degree, sigma), value in response.B["z"].above_floor.items()
            if (degree, sigma) != (0, 1)
        },
        "problems": response.convergence.problems,
    }


def report(model: str, frames: list[Atoms], turned: list[Atoms], lmax: int) -> dict[str, Any]:
    """All numbers of a model."""
    engine = Engine(model)
    direct = DifferentiableForces(model, turned[0], "direct")
    return {
        "orientation": {n: orientation(r) for n, r in responses(engine, turned, lmax).items()},
        "errors": errors(engine, frames),
        "errors of the average": errors(Engine(model, symmetrize="octahedral"), frames),
        "jacobian asymmetry": jacobian_asymmetry(full_jacobian(direct, lambda *_: None)),
    }


def draw(reports: dict[str, dict[str, Any]], lmax: int, path: str) -> None:
    """√B of each sector before and after, for the energy and both kinds of forces."""
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    sectors = [f"{degree}{sign}" for degree in range(lmax + 1) for sign in "+−"][1:]
    places = np.arange(len(sectors))
    for axes, name in zip(figure.subplots(1, 3), QUANTITIES, strict=False):
        for shift, (label, numbers) in enumerate(reports.items()):
            found = numbers["orientation"][name]
            heights = [found["sectors"].get(sector, 0.0) for sector in sectors]
            text, color = f"{label}: A = {found['A']:.3g}", OKABE_ITO[1 - shift]
            axes.bar(places + 0.4 * shift - 0.2, heights, 0.4, color=color, label=text)
        axes.margins(y=0.25)  # room for the legend
        axes.set_xticks(places, sectors, fontsize=7)
        axes.set_xlabel("sector λσ of the error")
        axes.set_ylabel(f"√B, {name} ({QUANTITIES[name]})", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


@click.command()
@click.argument("before", type=click.Path(exists=True, dir_okay=False))
@click.argument("after", type=click.Path(exists=True, dir_okay=False))
@click.argument("labelled", type=click.Path(exists=True, dir_okay=False))
@click.option("--turned", default=1, show_default=True, help="Frames that are turned.")
@click.option("--lmax", default=5, show_default=True, help="Largest λ that is told apart.")
@click.option("--json", "numbers", default="numbers.json", show_default=True, help="File to write.")
@click.option("--picture", default="spectrum.png", show_default=True, help="File to write.")
def main(
    before: str, after: str, labelled: str, turned: int, lmax: int, numbers: str, picture: str
) -> None:
    """Compare the model AFTER with that BEFORE, on LABELLED frames that neither was trained on.

    Example: python measure.py water.pt tuned.pt test.xyz
    """
    set_threads(1)
    frames = read_structures(labelled)
    some = spread([a for a in frames if np.array_equal(a.numbers, frames[0].numbers)], turned)
    models = {"before": before, "after": after}
    reports = {name: report(model, frames, some, lmax) for name, model in models.items()}
    text = json.dumps(reports, indent=1, ensure_ascii=False)
    Path(numbers).write_text(text + "\n", encoding="utf-8")
    draw(reports, lmax, picture)
    click.echo(f"wrote {numbers} and {picture}")


if __name__ == "__main__":
    main()
