"""``md-bridge evaluate``: errors of a model on labelled structures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from md_bridge.cli.command import Command, epilog
from md_bridge.cli.options import json_option, model_options, option
from md_bridge.cli.progress import ProgressBar
from md_bridge.cli.tables import print_errors
from md_bridge.model_options import ModelOptions

if TYPE_CHECKING:
    from md_bridge.export.evaluation import Sample

__all__ = [
    "check_plot",
    "draw_parity",
    "evaluate",
]

_LABELS = "md_bridge.export.evaluation:read_labels"
_EVALUATE = "md_bridge.export.evaluation:evaluate_structures"


@click.command(
    cls=Command,
    epilog=epilog(
        """
        md-bridge evaluate model.pt test.xyz
        md-bridge evaluate model.pt test.xyz --shift --plot parity.png
        md-bridge evaluate model.pt test.xyz --energy-key dft_energy --force-key dft_forces
        """
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("labelled", type=click.Path(path_type=Path))
@option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Parity plot (.png).")
@option(
    "--shift",
    is_flag=True,
    help="Constant energy for each element, fitted to the labels, before energies are compared.",
)
@option("--energy-key", of=_LABELS, help="Name of the label of the energy.")
@option("--force-key", of=_LABELS, help="Name of the label of the forces.")
@option("--stress-key", of=_LABELS, help="Name of the label of the stress.")
@option(
    "--group-key", of=_EVALUATE, help="Key of the structures by whose value errors are told apart."
)
@option(
    "--batch-size",
    of=_EVALUATE,
    type=click.IntRange(min=1),
    help="Structures in one forward pass.",
)
@json_option("the errors")
@model_options(seed=True)
def evaluate(
    model: Path,
    labelled: Path,
    plot: Path | None,
    shift: bool,
    energy_key: str,
    force_key: str,
    stress_key: str,
    group_key: str,
    batch_size: int,
    as_json: bool,
    model_options: ModelOptions,
) -> None:
    """Compare MODEL with the labels in LABELLED, any file that ASE reads.

    Energies, forces (conservative and direct) and stresses: MAE and RMSE over all, per element and
    per config_type. Labels are in eV and Å; the stress has ASE's sign (positive = tension).
    """
    from md_bridge.engine import Engine, choose_threads, set_threads
    from md_bridge.export.energy_shift import shift_energies
    from md_bridge.export.errors import ExportError
    from md_bridge.export.evaluation import error_table, evaluate_structures, labels_of
    from md_bridge.export.model_file import require_exported
    from md_bridge.model_names import is_python_model
    from md_bridge.structures import read_structures

    if plot is not None:
        check_plot(plot)
    if not is_python_model(model):
        require_exported(model)
    structures = read_structures(labelled)
    source = f"'{labelled}'"
    labels = labels_of(structures, energy_key, force_key, stress_key, source)
    set_threads(choose_threads(model_options.threads))
    engine = Engine(model, **model_options.engine_keywords())
    steps = evaluate_structures(
        engine,
        structures,
        labels,
        batch_size=batch_size,
        group_key=group_key,
        source=source,
    )
    samples: list[Sample] = []
    with ProgressBar(Console(stderr=True)) as bar:
        for done, several in enumerate(steps, start=1):
            samples += several
            bar.update("evaluating", done / len(structures))
    if not samples:
        raise ExportError(
            f"'{labelled}' has no label that can be compared: a stress needs a structure that "
            "is periodic in all directions"
        )
    shifts = None
    if shift:
        with_energy = [a for a, x in zip(structures, labels, strict=True) if x.energy is not None]
        samples, shifts = shift_energies(samples, with_energy)
    rows = error_table(samples)
    if as_json:
        report: dict[str, Any] = {"model": str(model), "labelled": str(labelled), "errors": rows}
        if shifts is not None:
            report["shifts_eV"] = shifts
        click.echo(json.dumps(report, allow_nan=False))
    else:
        print_errors(Console(), rows)
        if shifts is not None:
            words = ", ".join(f"{symbol} {value:+.4f}" for symbol, value in shifts.items())
            click.echo(f"energies of the model were shifted by (eV per atom): {words}")
    if plot is not None:
        try:
            draw_parity(samples, plot)
        except OSError as error:
            raise click.ClickException(f"could not write '{plot}': {error}") from None


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
