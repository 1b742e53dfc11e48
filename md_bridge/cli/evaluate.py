"""``md-bridge evaluate``: errors of a model on labelled structures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import track
from rich.table import Table

if TYPE_CHECKING:
    from md_bridge.export.evaluation import Sample

EPILOG = """\b
Examples:
  md-bridge evaluate model.pt test.xyz
  md-bridge evaluate model.pt test.xyz --plot parity.png --json > errors.json
  md-bridge evaluate model.pt test.xyz --energy-key dft_energy --force-key dft_forces
"""


@click.command(epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Parity plot (.png).")
@click.option("--energy-key", default="energy", show_default=True, help="Name of the labels.")
@click.option("--force-key", default="forces", show_default=True, help="Name of the labels.")
@click.option("--stress-key", default="stress", show_default=True, help="Name of the labels.")
@click.option(
    "--group-key",
    default="config_type",
    show_default=True,
    help="Key of the structures by whose value errors are told apart.",
)
@click.option("--variant", default="", help="Variant of the model's outputs.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--batch-size",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    help="Structures in one forward pass.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the errors as JSON, and no table.")
def evaluate(
    model: Path,
    labelled: Path,
    plot: Path | None,
    energy_key: str,
    force_key: str,
    stress_key: str,
    group_key: str,
    variant: str,
    device: str,
    batch_size: int,
    as_json: bool,
) -> None:
    """Compare MODEL with the labels in LABELLED, any file that ASE reads.

    Energies, forces (conservative and direct) and stresses: MAE and RMSE over all, per element and
    per config_type. Labels are in eV and Å; the stress has ASE's sign (positive = tension).
    """
    from md_bridge.engine import Engine, EngineError
    from md_bridge.export.errors import ExportError
    from md_bridge.export.evaluation import error_table, evaluate_structures, read_labels
    from md_bridge.export.model_file import require_exported
    from md_bridge.structures import read_structures

    console = Console(stderr=as_json)
    try:
        if plot is not None:
            check_plot(plot)
        require_exported(model)
        structures = read_structures(labelled)
        labels = [
            read_labels(
                atoms, energy_key, force_key, stress_key, f"structure {index} of '{labelled}'"
            )
            for index, atoms in enumerate(structures)
        ]
        if all(x.energy is None and x.forces is None and x.stress is None for x in labels):
            raise ExportError(
                f"'{labelled}' has no labels '{energy_key}', '{force_key}' or '{stress_key}'; it "
                f"has {', '.join(_keys(structures[0])) or 'none'}. Name them: --energy-key, "
                "--force-key, --stress-key"
            )
        engine = Engine(model, device, variant=variant)
        steps = evaluate_structures(
            engine,
            structures,
            labels,
            variant=variant,
            batch_size=batch_size,
            group_key=group_key,
            source=f"'{labelled}'",
        )
        samples = [
            sample
            for several in track(
                steps, "evaluating", total=len(structures), console=console, transient=True
            )
            for sample in several
        ]
        if not samples:
            raise ExportError(
                f"'{labelled}' has no label that can be compared: a stress needs a structure that "
                "is periodic in all directions"
            )
    except (ExportError, EngineError) as error:
        raise click.ClickException(str(error)) from None
    rows = error_table(samples)
    if as_json:
        report = {"model": str(model), "labelled": str(labelled), "errors": rows}
        click.echo(json.dumps(report, allow_nan=False))
    else:
        print_errors(console, rows)
    if plot is not None:
        try:
            draw_parity(samples, plot)
        except OSError as error:
            raise click.ClickException(f"could not write '{plot}': {error}") from None


def _keys(atoms: Any) -> list[str]:
    results = list(atoms.calc.results) if atoms.calc is not None else []
    arrays = [name for name in atoms.arrays if name not in ("numbers", "positions")]
    return [*results, *atoms.info, *arrays]


def print_errors(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The rows of an error table; names of groups are folded to the width, numbers never cut."""
    titles = ("quantity", "of", "MAE", "RMSE", "unit", "label spread", "values")
    lines = []
    previous = ""
    for row in rows:
        lines.append(
            (
                row["quantity"] if row["quantity"] != previous else "",
                row["of"],
                f"{row['mae']:.3g}",
                f"{row['rmse']:.3g}",
                row["unit"],
                f"{row['label_spread']:.3g}",
                f"{row['count']}",
            )
        )
        previous = row["quantity"]
    table = Table(box=None, pad_edge=False)
    for title, *cells in zip(titles, *lines, strict=True):
        left = title in ("quantity", "of", "unit")
        folds = title == "of"
        table.add_column(
            title,
            justify="left" if left else "right",
            no_wrap=not folds,
            overflow="fold",
            min_width=8 if folds else max(len(text) for text in (title, *cells)),
        )
    for line in lines:
        table.add_row(*map(escape, line))
    # on a terminal that is too narrow for the numbers, lines run over instead
    needed = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
    console.width = max(console.width, needed)
    console.print(table, highlight=False)


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be written: asked before the long work, not after.

    :raises ExportError: the folder is missing or read-only, or no such image format
    """
    from matplotlib.backend_bases import FigureCanvasBase

    from md_bridge.export.errors import ExportError, nearest

    suffixes = [f".{name}" for name in FigureCanvasBase.get_supported_filetypes()]
    if path.suffix.lower() not in suffixes:
        raise ExportError(
            f"the plot '{path}' should end in one of {' '.join(suffixes)}."
            f"{nearest(path.suffix, suffixes)}"
        )
    if not path.parent.is_dir():
        raise ExportError(f"the folder '{path.parent}' does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise ExportError(f"no permission to write in the folder '{path.parent}'")


def draw_parity(samples: Sequence[Sample], path: Path) -> None:
    """One panel a quantity: predictions against labels, with the line they should be on."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    from md_bridge.export.evaluation import QUANTITIES

    found = [name for name in QUANTITIES if any(s.quantity == name for s in samples)]
    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.4), squeeze=False)
    for axis, name in zip(axes[0], found, strict=True):
        reference = np.concatenate([s.reference for s in samples if s.quantity == name])
        predicted = np.concatenate([s.predicted for s in samples if s.quantity == name])
        ends = [min(reference.min(), predicted.min()), max(reference.max(), predicted.max())]
        axis.plot(ends, ends, color="0.6", linewidth=0.8)
        axis.plot(reference, predicted, ".", markersize=2, rasterized=True)
        axis.set(title=name, xlabel=f"label ({QUANTITIES[name]})", aspect="equal")
    axes[0][0].set_ylabel("model")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    plt.close(figure)
