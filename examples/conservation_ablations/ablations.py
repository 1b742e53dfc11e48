"""Which parts of a network conserve energy: one run and one exponent for each that is taken away.

Example: python ablations.py --out ablations
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms
from ase.build import bulk
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from network import ABLATIONS, export

from md_bridge.ase import MDBridgeCalculator
from md_bridge.drift import Analysis, measure
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.smoothness import run as smoothness
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.runs.starts import thermalise
from md_bridge.engine import set_threads

TEMPERATURE_K = 80.0
TIMESTEP_FS = 4.0
LENGTH_PS = 6.0


def crystal() -> Atoms:
    """32 atoms of argon, near their sites."""
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return atoms


def rows() -> list[tuple[str, str, str]]:
    """Name, model and forces of each row."""
    of_models = [(name, name, "conservative") for name in ABLATIONS]
    return [*of_models[:1], ("direct forces", "full model", "direct"), *of_models[1:]]


def drift(model: Path, forces: str, folder: Path) -> Analysis:
    """One run at constant energy."""
    return measure(
        model,
        crystal(),
        forces=forces,
        timestep_fs=TIMESTEP_FS,
        length_ps=LENGTH_PS,
        temperature_k=TEMPERATURE_K,
        replicas=1,
        equilibration_ps=1.0,
        folder=folder,
    )


def exponent(model: Path, folder: Path) -> dict[str, Any]:
    """By which power of the step the drift falls."""
    start = thermalise(
        crystal(), MDBridgeCalculator(model), TEMPERATURE_K, TIMESTEP_FS, 250, 1, lambda _: None
    )
    request = ProtocolRequest(
        model, start, folder, timestep_fs=2 * TIMESTEP_FS, length_ps=LENGTH_PS / 2
    )
    return dict(smoothness(request, lambda *_: None).summary)


def row(name: str, model: Path, forces: str, folder: Path) -> dict[str, Any]:
    """The numbers of one row, and H(t) for the picture."""
    analysis = drift(model, forces, folder / name.replace(" ", "-"))
    result = analysis.results[0]
    record, statistics = result.runs[0].record, result.statistics
    per_atom = 1000 * (record.conserved_energy - record.conserved_energy[0]) / record.atom_count
    every = max(1, len(per_atom) // 500)
    found = {
        "drift_meV_per_atom_per_ps": statistics.energy.slope,
        "stderr": statistics.energy.stderr,
        "verdict": statistics.verdict.value,
        "time_ps": record.time_ps[::every].round(4).tolist(),
        "change_meV_per_atom": per_atom[::every].round(5).tolist(),
    }
    if forces == "conservative":
        found["smoothness"] = exponent(model, folder)
    return found


def draw(numbers: dict[str, dict[str, Any]], path: Path) -> None:
    """H(t) of every row, and the heating of every conservative one against the step."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for color, (name, found) in zip(OKABE_ITO, numbers.items(), strict=False):
        drift = found["drift_meV_per_atom_per_ps"]
        label = f"{name}: {drift:.3g} meV/atom/ps"
        left.plot(found["time_ps"], found["change_meV_per_atom"], color=color, lw=1, label=label)
        fit = found.get("smoothness")
        if fit is not None:
            seen = fit["exponent"] is not None and fit["verdict"] != "no drift seen"
            text = f"{name}: N = {fit['exponent']:.1f}" if seen else name
            steps, heating = fit["timesteps_fs"], fit["heating_meV_per_atom_per_ps"]
            right.loglog(steps, heating, "o-", color=color, lw=1, ms=4, label=text)
    left.set_yscale("symlog", linthresh=0.1)
    left.set_xlabel("time (ps)")
    left.set_ylabel("[H(t) − H(0)] / N (meV/atom)")
    ticks = np.array(next(iter(numbers.values()))["smoothness"]["timesteps_fs"])
    right.set_xticks(ticks, [f"{step:g}" for step in ticks])
    right.minorticks_off()
    right.set_xlabel("time step (fs)")
    right.set_ylabel("heating D/kT (meV/atom/ps)")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, dpi=150)


@click.command()
@click.option("--out", default="ablations", show_default=True, help="Folder for everything.")
def main(out: str) -> None:
    """Run all rows; print the table, write numbers.json and ablations.png.

    Example: python ablations.py --out ablations
    """
    set_threads(1)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    models = {name: export(name, folder) for name in ABLATIONS}
    numbers = {}
    for name, of, forces in rows():
        numbers[name] = found = row(name, models[of], forces, folder)
        power = found.get("smoothness", {}).get("exponent")
        click.echo(
            f"{name:20s} {found['drift_meV_per_atom_per_ps']:10.4f} ± {found['stderr']:.4f} "
            f"meV/atom/ps  {found['verdict']:13s} N = {'-' if power is None else f'{power:.2f}'}"
        )
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    draw(numbers, folder / "ablations.png")


if __name__ == "__main__":
    main()
