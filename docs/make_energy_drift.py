"""Make the numbers and pictures of docs/energy-drift.md from campaigns of the bundled water model.

    python docs/make_energy_drift.py --work FOLDER

runs `md-bridge drift` in LAMMPS and in i-PI (hours; a second call goes on where the first was
stopped), then writes docs/images/ and the tables between the markers of docs/energy-drift.md.
Campaigns that exist already are taken with

    python docs/make_energy_drift.py --campaign lammps=FOLDER --campaign ipi=FOLDER
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from md_bridge._paths import DATA
from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.drift.records.csv import read_csv
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.report.cells import heating_cell
from md_bridge.drift.report.palette import run_colours
from md_bridge.drift.report.quantities import energy_change
from md_bridge.drift.report.sentences import verdict_sentence
from md_bridge.drift.runs.analysis import Analysis, MethodResult, analyse
from md_bridge.drift.runs.campaign import CampaignError, read_settings
from md_bridge.text import with_error

DOCUMENT = Path(__file__).with_name("energy-drift.md")
FORCES = "conservative,direct,mts:2,mts:4,mts:8"
ENGINES = {"lammps": "LAMMPS", "ipi": "i-PI"}
# forces and M, in the order of the tables
_KINDS = ("conservative", "direct", "mts")
_MARKER = "<!-- {name}: written by make_energy_drift.py -->"
_END = "<!-- end -->"
_HEADINGS = (
    "run",
    "length, ps",
    "drift, meV/atom/ps",
    "verdict",
    "heating, meV/atom/ps",
    "fluctuation, meV/atom",
    "T drift, K/ps",
)
_SMOOTH_PS = 0.05
_DPI = 150
_DODGE = 0.1


@dataclass(frozen=True)
class Water:
    """One campaign of the bundled model."""

    engine: str
    settings: dict[str, object]
    analysis: Analysis


@click.command()
@click.option(
    "--campaign",
    "campaigns",
    multiple=True,
    metavar="ENGINE=FOLDER",
    help="A campaign that exists; its runs are taken as they are.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder in which campaigns that are not given are run.",
)
@click.option("--ps", default=10.0, show_default=True, help="Length of each run made here, ps.")
@click.option(
    "--replicas",
    default=1,
    show_default=True,
    help="Of each run made here; 1 is the bundled start as it is.",
)
@click.option(
    "--document",
    default=DOCUMENT,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What to write the tables into; pictures go into images/ beside it.",
)
def main(
    campaigns: tuple[str, ...], work: Path | None, ps: float, replicas: int, document: Path
) -> None:
    """Make the numbers and pictures of docs/energy-drift.md."""
    folders = dict(_parse(text) for text in campaigns)
    for engine in ENGINES:
        if engine not in folders and work is not None:
            folders[engine] = work / engine
            _run(engine, folders[engine], ps, replicas)
    if not folders:
        raise click.UsageError("give --work, or --campaign lammps=FOLDER")
    waters = [_read(engine, folders[engine]) for engine in ENGINES if engine in folders]
    images = document.parent / "images"
    images.mkdir(exist_ok=True)
    _save(_draw_curves(waters), images / "energy-drift.png")
    _save(_draw_choice(waters), images / "energy-drift-m.png")
    sections: dict[str, Callable[[list[Water]], str]] = {
        "runs": _run_table,
        "findings": _findings,
        "choice": _choice,
        "elements": _element_table,
        "engines": _engine_table,
    }
    text = document.read_text(encoding="utf-8")
    for name, make in sections.items():
        text = _replace(text, name, make(waters), document)
    document.write_text(text, encoding="utf-8")
    click.echo(f"wrote {document} and {images}/energy-drift*.png")


def _parse(text: str) -> tuple[str, Path]:
    engine, equals, folder = text.partition("=")
    engine = engine.replace("i-pi", "ipi")
    if not equals or engine not in ENGINES:
        raise click.BadParameter(
            f"expected lammps=FOLDER or ipi=FOLDER, found {text!r}", param_hint="--campaign"
        )
    return engine, Path(folder)


def _run(engine: str, folder: Path, ps: float, replicas: int) -> None:
    """Do what is missing; exit status 3 (something drifts) is what direct forces are here for."""
    command = [sys.executable, "-m", "md_bridge", "drift"]
    command += [str(DATA / "water.pt"), str(DATA / "water-start.xyz"), "--host", engine]
    command += ["--forces", FORCES, "--ps", f"{ps:g}"]
    command += ["--keep-velocities"] if replicas == 1 else ["--replicas", str(replicas)]
    done = subprocess.run([*command, "--out", str(folder)])
    if done.returncode not in (0, 3):
        raise SystemExit(done.returncode)


def _read(engine: str, folder: Path) -> Water:
    try:
        settings = read_settings(folder)
        records = [read_csv(path) for path in sorted((folder / "series").glob("*.csv"))]
    except (CampaignError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    if not records:
        raise click.UsageError(f"{folder} has no complete runs (series/*.csv)")
    records.sort(
        key=lambda record: (_KINDS.index(record.method.forces), record.method.multiplicity or 0)
    )
    return Water(engine, settings, analyse(records))


def _replace(text: str, name: str, content: str, document: Path) -> str:
    begin = _MARKER.format(name=name)
    pattern = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(_END)}", re.DOTALL)
    if pattern.search(text) is None:
        raise click.UsageError(f"{document}: expected the lines '{begin}' and '{_END}' after it")
    return pattern.sub(lambda _: f"{begin}\n\n{content}\n\n{_END}", text, count=1)


def _run_table(waters: list[Water]) -> str:
    """Drift, verdict and speed of every method."""
    headings = list(_HEADINGS) + (["speed-up", "bound"] if _timed(waters) else [])
    rows = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for result in _results(waters):
        cells = (
            result.label,
            _lengths(result),
            *_statistics(result),
            _factor(result.speedup),
            _factor(result.speedup_bound),
        )
        rows.append(f"| {' | '.join(cells[: len(headings)])} |")
    settings = waters[0].settings
    rows += [
        "",
        f"From {_starts(settings)}, inner step "
        f"{settings['timestep_fs']:g} fs; ± one standard error; tolerance "
        f"{waters[0].analysis.tolerance:g} meV/atom/ps.",
    ]
    return "\n".join(rows)


def _statistics(result: MethodResult) -> tuple[str, str, str, str, str]:
    """Drift, verdict, heating, fluctuation and temperature drift.

    A line through a run that exploded has a slope that says nothing: no numbers of such runs.
    """
    verdict = result.statistics.verdict.value
    exploded = _exploded(result)
    if exploded:
        count = len(result.runs)
        word = "exploded" if count == 1 else f"{exploded} of {count} exploded"
        return word, verdict, "-", "-", "-"
    energy, temperature = result.statistics.energy, result.statistics.temperature
    return (
        with_error(energy.slope, energy.stderr),
        verdict,
        heating_cell(result.statistics),
        f"{energy.rms:.2g}",
        with_error(temperature.slope, temperature.stderr),
    )


def _exploded(result: MethodResult) -> int:
    """Number of the runs that ended before their time."""
    return sum(run.record.exploded is not None for run in result.runs)


def _timed(waters: list[Water]) -> bool:
    """Whether there is a speed-up to tell: runs on a busy machine should have no wall times."""
    return any(result.speedup is not None for result in _results(waters))


def _choice(waters: list[Water]) -> str:
    """The picture of what limits M, and what is to be seen in it."""
    if not any(result.method.multiplicity for result in _results(waters)):
        return "(No run with multiple time stepping.)"
    caption = "the drift against M, with its 95 % interval; the band is the tolerance."
    if not _timed(waters):
        return f"![Drift against M](images/energy-drift-m.png)\n\n*Here: {caption}*"
    return (
        "![Drift and speed-up against M](images/energy-drift-m.png)\n\n"
        f"*Left: {caption} Right: the gain in speed and its bound S(M), which saturates at F, the "
        "cost of a conservative evaluation over that of a direct one: a large M buys little.*"
    )


def _lengths(result: MethodResult) -> str:
    length = f"{max(run.record.length_ps for run in result.runs):.3g}"
    return length if len(result.runs) == 1 else f"{len(result.runs)} × {length}"


def _starts(settings: dict[str, object]) -> str:
    if settings.get("keep_velocities"):
        return "the bundled start with its velocities (300 K)"
    count = settings["replicas"]
    starts = "one start" if count == 1 else f"{count} independent starts"
    return f"{starts} at {settings['temperature_K']:g} K"


def _findings(waters: list[Water]) -> str:
    return "\n".join(f"- {verdict_sentence(result)}" for result in _results(waters))


def _element_table(waters: list[Water]) -> str:
    """Mean kinetic temperature of each element over that of all atoms, where nothing exploded."""
    results = [result for result in _results(waters) if result.elements and not _exploded(result)]
    elements = sorted({entry.element for result in results for entry in result.elements})
    rows = [f"| run | {' | '.join(elements)} |", "|---" * (len(elements) + 1) + "|"]
    for result in results:
        ratios = {entry.element: entry.ratio for entry in result.elements}
        cells = [with_error(ratios[el].value, ratios[el].stderr) for el in elements if el in ratios]
        rows.append(f"| {result.label} | {' | '.join(cells)} |")
    uneven = [sentence for result in results for sentence in _uneven(result)]
    return "\n".join(rows + [""] * bool(uneven) + uneven)


def _uneven(result: MethodResult) -> Iterator[str]:
    """A sentence for every element that is more than three standard errors from equipartition."""
    for entry in result.elements:
        excess = 100 * (entry.ratio.value - 1)
        error = 100 * entry.ratio.stderr
        if abs(excess) > 3 * error:
            word = "hotter" if excess > 0 else "colder"
            yield (
                f"- {result.label}: {entry.element} is {abs(excess):.1f} ± {error:.1f} % {word} "
                "than the mean, more than three of its standard errors."
            )


def _engine_table(waters: list[Water]) -> str:
    """How far H(t) of the two engines is apart, from the same start."""
    if len(waters) < 2:
        return "(Both engines are needed for this table.)"
    first, second = ({_key(r): r for r in _records(water)} for water in waters)
    rows = ["| forces | rms of the difference in H over 0.1 ps, meV/atom | fluctuation, meV/atom |"]
    rows.append("|---|---|---|")
    for key in first:
        if key not in second or key[2] not in (None, 1):
            continue
        times, one, two = _common(first[key], second[key], 0.1)
        if len(times) < 2:
            continue
        forces = f"MTS, M = {key[1]}" if key[1] else key[0]
        difference = float(np.sqrt(np.mean((one - two) ** 2)))
        rows.append(f"| {forces} | {difference:.2g} | {float(np.std(one)):.2g} |")
    return "\n".join(rows)


def _key(record: RunRecord) -> tuple[str, int | None, int | None]:
    return record.method.forces, record.method.multiplicity, record.replica


def _common(
    one: RunRecord, two: RunRecord, length_ps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """H of both at the times of the one with fewer samples, up to a time."""
    rare, often = sorted((one, two), key=lambda record: len(record.time_ps))
    index = np.searchsorted(often.time_ps, rare.time_ps - 1e-9)
    kept = (rare.time_ps <= length_ps) & (index < len(often.time_ps))
    kept[kept] &= np.abs(often.time_ps[index[kept]] - rare.time_ps[kept]) < 1e-6
    return rare.time_ps[kept], energy_change(rare)[kept], energy_change(often)[index[kept]]


def _draw_curves(waters: list[Water]) -> Figure:
    """H(t) of every run: all of them, and those that conserve at their own scale."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, len(waters), sharex=True, sharey="row", squeeze=False)
    quiet = [result for result in _results(waters) if result.method.forces != "direct"]
    limit = 4 * min(_size(result) for result in quiet)
    for column, water in zip(panels.T, waters, strict=True):
        for axes in column:
            _draw_lines(axes, water.analysis)
        column[0].set_title(ENGINES[water.engine], loc="left", fontweight="bold")
        column[1].set_ylim(-limit, limit)
        column[1].set_xlabel("time (ps)")
        column[0].legend(fontsize=8, frameon=False)
    panels[0][0].set_ylabel("[H(t) − H(0)] / N  (meV/atom)")
    panels[1][0].set_ylabel("the same, magnified")
    return figure


def _draw_lines(axes: Axes, analysis: Analysis) -> None:
    for result in analysis.results:
        for number, run in enumerate(result.runs):
            record = run.record
            if len(record.time_ps) < 2:
                continue
            # averaged: the picture is narrower than the series has samples
            window = max(1, round(_SMOOTH_PS / (record.time_ps[1] - record.time_ps[0])))
            count = len(record.time_ps) // window
            times, values = (
                series[: count * window].reshape(count, window).mean(axis=1)
                for series in (record.time_ps, energy_change(record))
            )
            label = result.label.split(" ", 1)[-1] if number == 0 else None
            axes.plot(times, values, color=_colour(result), linewidth=0.9, label=label)
    _plain(axes)


def _colour(result: MethodResult) -> str:
    """One colour a kind of forces, that of LAMMPS's runs in all other pictures."""
    name = replace(result, name=result.name.replace("i-pi", "lammps"))
    return run_colours([name])[name.name]


def _draw_choice(waters: list[Water]) -> Figure:
    """Drift and speed-up against M."""
    timed = _timed(waters)
    figure = Figure(figsize=(9 if timed else 5, 3.4), layout="constrained")
    panels = figure.subplots(1, 2 if timed else 1, squeeze=False)[0]
    _draw_drifts(panels[0], waters)
    if timed:
        _draw_speedups(panels[1], waters)
    tried = sorted({result.method.multiplicity for water in waters for result in _mts(water)})
    for axes in panels:
        axes.set_xticks(tried)
        axes.set_xlim(1, tried[-1] + 1 if tried else None)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        _plain(axes)
    return figure


def _draw_drifts(axes: Axes, waters: list[Water]) -> None:
    for water, shift, marker in _dodged(waters):
        results = _mts(water)
        energies = [result.statistics.energy for result in results]
        axes.errorbar(
            [result.method.multiplicity + shift for result in results],
            [abs(energy.slope) for energy in energies],
            yerr=[min(energy.half_width, 1e3) for energy in energies],
            fmt=marker,
            capsize=3,
            label=ENGINES[water.engine],
        )
    tolerance = waters[0].analysis.tolerance
    axes.axhspan(0, tolerance, color="#009E73", alpha=0.15)
    axes.set_yscale("symlog", linthresh=tolerance)
    axes.set_ylim(bottom=0)
    axes.set(xlabel="M", ylabel="|drift| ± 95 %  (meV/atom/ps)")


def _draw_speedups(axes: Axes, waters: list[Water]) -> None:
    for water, shift, marker in _dodged(waters):
        results = [result for result in _mts(water) if result.speedup is not None]
        multiplicity = [result.method.multiplicity + shift for result in results]
        axes.plot(
            multiplicity,
            [result.speedup for result in results],
            marker,
            label=ENGINES[water.engine],
        )
    ratio = next((w.analysis.cost_ratio for w in waters if w.analysis.cost_ratio), None)
    if ratio is not None and any(_mts(water) for water in waters):
        grid = np.arange(
            1, max(result.method.multiplicity for w in waters for result in _mts(w)) + 2
        )
        axes.plot(grid, [speedup_bound(int(m), ratio) for m in grid], color="#7F7F7F", zorder=0)
        axes.axhline(ratio, color="#7F7F7F", linewidth=0.6, linestyle=":")
        axes.annotate(f"F = {ratio:.2f}", (grid[-1], ratio), ha="right", va="bottom", fontsize=8)
    axes.set(xlabel="M", ylabel="speed-up over conservative")


def _dodged(waters: list[Water]) -> Iterator[tuple[Water, float, str]]:
    """Each engine with a shift along M and a marker, so that none hides the other."""
    yield from zip(waters, (-_DODGE, _DODGE), "os", strict=False)


def _mts(water: Water) -> list[Any]:
    return [result for result in water.analysis.results if result.method.multiplicity is not None]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=_DPI, facecolor="white")


def _results(waters: list[Water]) -> list[MethodResult]:
    return [result for water in waters for result in water.analysis.results]


def _records(water: Water) -> list[RunRecord]:
    return [run.record for result in water.analysis.results for run in result.runs]


def _size(result: MethodResult) -> float:
    sizes = [np.max(np.abs(energy_change(run.record))) for run in result.runs]
    return max(float(max(sizes)), 1e-6)


def _factor(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2f}"


if __name__ == "__main__":
    main()
