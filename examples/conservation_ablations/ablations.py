"""Which parts of a network conserve energy: one run and one exponent for each that is taken away.

Example: python ablations.py --out ablations
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase import Atoms, units
from copper import COPPER, crystal, held_out_errors, train
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from network import ABLATIONS, ARGON, Material, Network, export

from md_bridge.ase import MDBridgeCalculator
from md_bridge.drift import Analysis, measure
from md_bridge.drift.judging.smoothness import drift_exponent
from md_bridge.drift.protocols.base import ProtocolRequest
from md_bridge.drift.protocols.smoothness import DIVISORS, velocity_verlet
from md_bridge.drift.protocols.smoothness import run as smoothness
from md_bridge.drift.report.palette import OKABE_ITO
from md_bridge.drift.runs.starts import thermalise
from md_bridge.engine import set_threads
from md_bridge.text import with_error

TIMESTEP_FS = 4.0
EQUILIBRATION_STEPS = 250
FAMILIES = {"analytic": ARGON, "trained": COPPER}
DIRECT = "direct forces"
LARGEST_RATIO = 100.0
"""Of the heating to that of the full model. Two estimates of one heating differ by more than a
factor of 2.3 in one of twenty cases (24 cosines each, chi-squared)."""
HEADINGS = [
    *("", "error of forces, meV/Å", "drift, meV/atom/ps", "verdict"),
    *("heating, meV/atom/ps", "of the full model's", "N", "beside the full model"),
]


@dataclass(frozen=True)
class Effort:
    """How long the runs are."""

    length_ps: float = 4.0
    """Of the run whose drift is judged."""
    exponent_ps: float = 2.0
    """Of each of the three runs whose drifts are compared."""
    iterations: int = 60
    """Of the training."""


QUICK = Effort(length_ps=1.0, exponent_ps=0.8, iterations=20)


def rows() -> list[tuple[str, str, str]]:
    """Name, network and forces of each row."""
    of_networks = [(name, name, "conservative") for name in ABLATIONS]
    return [*of_networks[:2], (DIRECT, "full model", "direct"), *of_networks[2:]]


def network_of(family: str, name: str, iterations: int) -> Network:
    """A network with a part taken away: analytic, or trained as it is then."""
    parts = ABLATIONS[name]
    return train(parts, iterations) if family == "trained" else Network(parts)


def start_of(model: Path, material: Material) -> Atoms:
    """Of all runs of a family: thermalised with its full model."""
    return thermalise(
        crystal(material, rattle=0.05, seed=1),
        MDBridgeCalculator(model),
        material.temperature_k,
        TIMESTEP_FS,
        EQUILIBRATION_STEPS,
        1,
        lambda _: None,
    )


def drift(model: Path, forces: str, start: Atoms, length_ps: float, folder: Path) -> Analysis:
    """One run at constant energy."""
    return measure(
        model,
        start,
        forces=forces,
        timestep_fs=TIMESTEP_FS,
        length_ps=length_ps,
        keep_velocities=True,
        folder=folder,
    )


def row(model: Path, forces: str, start: Atoms, effort: Effort, folder: Path) -> dict[str, Any]:
    """The numbers of one row, and H(t) for the picture."""
    result = drift(model, forces, start, effort.length_ps, folder).results[0]
    record, statistics = result.runs[0].record, result.statistics
    per_atom = 1000 * (record.conserved_energy - record.conserved_energy[0]) / record.atom_count
    every = max(1, len(per_atom) // 200)
    found = {
        "drift_meV_per_atom_per_ps": _finite(statistics.energy.slope),
        "stderr": _finite(statistics.energy.stderr),
        "verdict": statistics.verdict.value,
        "exploded": record.exploded,
        "time_ps": record.time_ps[::every].round(4).tolist(),
        "change_meV_per_atom": per_atom[::every].round(5).tolist(),
    }
    if forces == "direct":
        found["smoothness"] = smoothness_of_direct(model, start, effort.exponent_ps)
    else:
        request = ProtocolRequest(
            model, start, folder, timestep_fs=2 * TIMESTEP_FS, length_ps=effort.exponent_ps
        )
        found["smoothness"] = dict(smoothness(request, lambda *_: None).summary)
    return found


def smoothness_of_direct(model: Path, start: Atoms, length_ps: float) -> dict[str, Any]:
    """What the protocol, which is for conservative forces, would find if these were."""
    calculator = MDBridgeCalculator(model, forces="direct")
    steps_fs = [2 * TIMESTEP_FS / divisor for divisor in DIVISORS]
    runs = [
        velocity_verlet(
            start, calculator, step * units.fs, round(1000 * length_ps / step), lambda _: None
        )
        for step in steps_fs
    ]
    fit = drift_exponent(steps_fs, [one.time_ps for one in runs], [one.shadow for one in runs])
    per_kt = 1000 / (units.kB * float(np.mean([one.temperature for one in runs])) * len(start))
    return {
        "exponent": _finite(fit.exponent),
        "half_width_95": _finite(fit.half_width),
        "verdict": fit.verdict.value,
        "timesteps_fs": steps_fs,
        "heating_meV_per_atom_per_ps": [per_kt * one for one in fit.diffusion],
    }


def compare(numbers: Mapping[str, dict[str, Any]]) -> None:
    """Say of each row whether it conserves energy as the full model does.

    It passes if energy is conserved, and if it does not wander ten times as far as with the full
    model: heating goes with the square of that. The tolerance says whether a model will do, this
    says whether the part that is gone was needed for what the full model can.

    :param numbers: by name, the full model among them; each gets ``heating_ratio`` and ``passed``
    """
    reference = _heating(numbers["full model"])
    for found in numbers.values():
        ratio = _heating(found) / reference
        found["heating_ratio"] = ratio
        found["passed"] = found["verdict"] == "conserves" and ratio < LARGEST_RATIO


def _heating(found: Mapping[str, Any]) -> float:
    """With the step of the run (meV/atom/ps)."""
    fit = found["smoothness"]
    place = int(np.argmin(np.abs(np.array(fit["timesteps_fs"]) - TIMESTEP_FS)))
    return float(fit["heating_meV_per_atom_per_ps"][place])


def run_family(family: str, effort: Effort, folder: Path) -> dict[str, dict[str, Any]]:
    """All rows of the analytic or of the trained networks, by name."""
    material = FAMILIES[family]
    folder.mkdir(parents=True, exist_ok=True)
    models, errors = {}, {}
    for name in ABLATIONS:
        network = network_of(family, name, effort.iterations)
        if family == "trained":
            errors[name] = held_out_errors(network)
        models[name] = export(network, material, folder / f"{name.replace(' ', '-')}.pt")
    start = start_of(models["full model"], material)
    numbers = {}
    for name, of, forces in rows():
        found = row(models[of], forces, start, effort, folder / name.replace(" ", "-"))
        if errors:
            error = errors[of][forces == "direct"]
            found["force_error_meV_per_angstrom"] = 1000 * error
        numbers[name] = found
        click.echo(f"{family}, {name}: {found['verdict']}", err=True)
    compare(numbers)
    return numbers


def markdown(numbers: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of a family.

    :param numbers: by name of the row
    """
    rows = [HEADINGS, ["---", *["---:"] * (len(HEADINGS) - 1)]]
    rows += [cells(name, found) for name, found in numbers.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cells(name: str, found: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    heating, ratio = _heating(found), found["heating_ratio"]
    rate = found["drift_meV_per_atom_per_ps"]
    error = found.get("force_error_meV_per_angstrom")
    return [
        name,
        "-" if error is None else f"{error:.0f}",
        "exploded"
        if found["exploded"]
        else with_error(math.nan if rate is None else rate, found["stderr"] or math.nan, 5),
        found["verdict"],
        f"{heating:.2g}",
        f"{ratio:.2g} ×",
        exponent_words(found["smoothness"]),
        "passes" if found["passed"] else "fails",
    ]


def exponent_words(fit: Mapping[str, Any]) -> str:
    """N with its error."""
    if fit["exponent"] is None:
        return "-"
    if fit["verdict"] == "no drift seen":
        return "no drift seen"
    return with_error(fit["exponent"], fit["half_width_95"], 1)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def draw(numbers: Mapping[str, Mapping[str, Mapping[str, Any]]], path: Path) -> None:
    """H(t) of every row, and the heating of every one against the step.

    :param numbers: of each family, by name
    :param path: of the picture
    """
    figure = Figure(figsize=(9.5, 0.8 + 3.0 * len(numbers)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(numbers), 2, squeeze=False)
    for (family, found), (left, right) in zip(numbers.items(), panels, strict=True):
        _draw_family(found, left, right)
        left.set_title(f"{family} ({FAMILIES[family].element})", fontsize=10, loc="left")
    lines, names = panels[0][0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=130)


def _draw_family(numbers: Mapping[str, Mapping[str, Any]], left: Axes, right: Axes) -> None:
    ticks = np.array([])
    for colour, (name, found) in zip(OKABE_ITO, numbers.items(), strict=False):
        left.plot(found["time_ps"], found["change_meV_per_atom"], color=colour, lw=1, label=name)
        fit = found["smoothness"]
        ticks, heating = np.array(fit["timesteps_fs"]), fit["heating_meV_per_atom_per_ps"]
        words = exponent_words(fit)
        text = words if words == "no drift seen" else f"N = {words}"
        right.loglog(ticks, heating, "o-", color=colour, lw=1, ms=4, label=text)
    left.set_yscale("symlog", linthresh=0.1)
    left.set_xlabel("time (ps)")
    left.set_ylabel("[H(t) − H(0)] / N (meV/atom)")
    right.set_xticks(ticks, [f"{step:g}" for step in ticks])
    right.minorticks_off()
    right.set_xlabel("time step (fs)")
    right.set_ylabel("heating D/kT (meV/atom/ps)")
    right.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)


@click.command()
@click.option("--out", default="ablations", show_default=True, help="Folder for everything.")
@click.option("--family", type=click.Choice([*FAMILIES]), multiple=True, help="Only this one.")
@click.option("--quick", is_flag=True, help="Short runs, and a short training.")
def main(out: str, family: tuple[str, ...], quick: bool) -> None:
    """Run all rows; print the table, write numbers.json and ablations.png.

    Example: python ablations.py --out ablations
    """
    set_threads(1)
    folder = Path(out)
    effort = QUICK if quick else Effort()
    numbers = {name: run_family(name, effort, folder / name) for name in family or FAMILIES}
    for name, found in numbers.items():
        click.echo(f"\n{name}\n\n{markdown(found)}")
    (folder / "numbers.json").write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    draw(numbers, folder / "ablations.png")


if __name__ == "__main__":
    main()
