"""How symmetry is learned: A, errors and layers, epoch by epoch: python measure.py"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from decays import Events, decays
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pointnet import PointNet
from scipy.spatial.transform import Rotation

from md_bridge.symmetry import FunctionOnPoints, analyse
from md_bridge.symmetry.layers import LayerMap, analyse_layers_of

__all__ = ["layers_of", "load", "measure", "trained"]

LAWS = {"logit": "scalar", "heavier": "vector"}
LAYERS = "embed, alone.*, together.*, pooled, kind, heavier"
EVENTS = 4000
"""For the errors of the prediction, which need more of them than symmetry does."""
COLOURS = {"augmented": "#0072B2", "plain": "#D55E00"}


def load(path: Path) -> PointNet:
    """The network with the weights of a file, in double precision."""
    network = PointNet()
    network.load_state_dict(torch.load(path))
    return network.double().eval()


def trained() -> FunctionOnPoints:
    """For ``md-bridge symmetry python:measure:trained``: the last weights in runs/augmented, on 8
    events that were not trained on."""
    paths = sorted(Path("runs/augmented").glob("epoch-*.pt"))
    if not paths:
        raise FileNotFoundError("there are no weights in runs/augmented: run train.py first")
    events = decays(8, seed=99)
    return FunctionOnPoints(
        load(paths[-1]), list(events.momenta), LAWS, {"heavier": "GeV"}, copies_per_call=512
    )


def layers_of(network: PointNet, points: list[np.ndarray], lmax: int) -> LayerMap:
    """What of each angular momentum and parity the layers carry, for the daughters of events."""
    return analyse_layers_of(network, points, LAYERS, lmax=lmax, copies_per_call=512)


def measure(path: Path, events: Events, few: int, lmax: int) -> dict[str, Any]:
    """Equivariance errors, errors of the prediction, and layers of one set of weights.

    :param path: of the weights
    :param events: not those of the training, for the errors
    :param few: with how many of them to measure symmetry
    :param lmax: the largest angular momentum that is told apart
    """
    network = load(path)
    points = list(events.momenta[:few])
    found: Mapping[str, Any] = analyse(network, points, law=LAWS, lmax=lmax, copies_per_call=512)
    turns = Rotation.random(len(events.kind), random_state=5).as_matrix()
    turned = np.einsum("eij,enj->eni", turns, events.momenta)
    frames = {
        "laboratory": (events.momenta, events.heavier),
        "turned": (turned, np.einsum("eij,ej->ei", turns, events.heavier)),
    }
    errors = {}
    for name, (momenta, heavier) in frames.items():
        with torch.no_grad():
            says = network(torch.tensor(momenta))
        right = (says["logit"].numpy() > 0) == events.kind
        wrong = says["heavier"].numpy() - heavier
        errors[name] = {
            "right": float(right.mean()),
            "momentum_rmse": float(np.sqrt((wrong**2).sum(axis=1).mean())),
        }
    return {
        "epoch": int(path.stem.removeprefix("epoch-")),
        "A": {name: each.A for name, each in found.items()},
        "relative": {name: each.relative for name, each in found.items()},
        "errors": errors,
        "layers": layers_of(network, points, lmax).to_json(),
    }


def draw(results: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """A against epochs, and what the layers carry, with and without augmentation."""
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3)
    for name, rows in results.items():
        epochs = [max(row["epoch"], 0.5) for row in rows]  # the start, on a logarithmic axis
        colour = COLOURS[name]
        a = [row["A"]["heavier"] for row in rows]
        left.plot(epochs, a, "o-", color=colour, label=f"{name}: A")
        for frame, style in (("laboratory", ":"), ("turned", "--")):
            y = [row["errors"][frame]["momentum_rmse"] for row in rows]
            left.plot(epochs, y, style, color=colour, label=f"{name}: error, {frame}")
        for layer, marker in (("heavier", "o"), ("kind", "s")):
            sector = 1 if layer == "heavier" else 0
            share = [1 - _layer(row, layer)["whole"]["fractions"]["+"][sector] for row in rows]
            middle.plot(epochs, share, f"{marker}-", color=colour, label=f"{name}: {layer}")
        for layer, style in (("alone.2", ":"), ("together.1", "--"), ("pooled", "-")):
            width = [_layer(row, layer)["centred"]["bandwidth"] for row in rows]
            right.plot(epochs, width, style, color=colour, label=f"{name}: {layer}")
    left.set_ylabel("momentum (GeV)")
    middle.set_ylabel("share outside (1, +) or (0, +)")
    middle.set_yscale("log")
    left.set_yscale("log")
    right.set_ylabel("mean λ of the features")
    for axes in (left, middle, right):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("epochs (leftmost: before)")
        axes.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.17))
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _layer(row: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in row["layers"]["layers"] if each["name"] == name)
    return found


@click.command()
@click.option("--runs", default="runs", show_default=True, help="Folder that train.py wrote.")
@click.option("--events", default=16, show_default=True, help="Events to measure symmetry on.")
@click.option("--lmax", default=4, show_default=True, help="Largest angular momentum told apart.")
@click.option("--out", default=".", show_default=True, help="Folder for numbers and pictures.")
def main(runs: str, events: int, lmax: int, out: str) -> None:
    """Measure all weights that train.py kept, and draw how symmetry was learned.

    Example: python measure.py --events 16
    """
    data = decays(max(events, EVENTS), seed=1)
    results: dict[str, list[dict[str, Any]]] = {}
    for name in COLOURS:
        files = sorted((Path(runs) / name).glob("epoch-*.pt"))
        results[name] = [measure(path, data, events, lmax) for path in files]
        for row in results[name]:
            turned = row["errors"]["turned"]
            click.echo(
                f"{name}, epoch {row['epoch']}: A {row['A']['heavier']:.3f} GeV, error "
                f"{turned['momentum_rmse']:.2f} GeV, {100 * turned['right']:.0f} % right (turned)"
            )
        points = list(data.momenta[:events])
        layers_of(load(files[-1]), points, lmax).plot(Path(out) / f"layers-{name}.png")
    (Path(out) / "symmetry.json").write_text(json.dumps(results, indent=1))
    draw(results, Path(out) / "learning.png")
    click.echo(f"wrote {Path(out) / 'learning.png'}")


if __name__ == "__main__":
    main()
