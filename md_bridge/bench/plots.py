"""Pictures of a benchmark, as PNG: times by size, multiple time stepping, ratios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from md_bridge.bench.panels import PanelResult, Row
from md_bridge.bench.statistics import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from md_bridge.bench.results import Results

__all__ = ["plot_results"]

_HOSTS = ("ase", "lammps", "ipi")
_OTHERS = ("metatomic", "pet-kokkos")
"""Ratios to these are drawn, not those between forms of one model."""
_COLUMNS = 3
_DOTS_PER_INCH = 120


def plot_results(results: Results, folder: Path) -> dict[str, Path]:
    """Draw what the results have numbers for.

    :param results: of a benchmark, complete or not
    :param folder: for ``bench-sizes.png``, ``bench-mts.png``, ``bench-ratios.png``
    :returns: paths by ``sizes``, ``mts``, ``ratios``; without those that had nothing to show
    """
    import matplotlib

    matplotlib.use("Agg")
    pictures = {"sizes": _sizes, "mts": _mts, "ratios": _ratios}
    found = {}
    for name, draw in pictures.items():
        figure = draw(results.panels)
        if figure is not None:
            found[name] = folder / f"bench-{name}.png"
            figure.savefig(found[name], dpi=_DOTS_PER_INCH)
    return found


def _figure(pictures: int, width: float = 4.4, height: float = 3.6) -> tuple[Any, list[Axes]]:
    from matplotlib.figure import Figure

    columns = min(pictures, _COLUMNS)
    rows = -(-pictures // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes[pictures:]:
        axis.remove()
    return figure, axes[:pictures]


def _milliseconds(row: Row) -> float:
    found = spread(row.per_inner_step)
    assert found is not None
    return 1e3 * found.median


def _sizes(panels: list[PanelResult]) -> Any:
    """Conservative steps by size, a picture a model and host; lines of ours and the others join
    what was measured on one day, since a machine of another day may be another one."""
    lines: dict[tuple[str, str], dict[str, dict[str, list[tuple[int, float]]]]] = {}
    for panel in panels:
        if panel.group not in _HOSTS or "direct" in panel.title or "sockets" in panel.title:
            continue
        if "virials" in panel.title:  # more than forces
            continue
        for row in panel.rows:
            conservative = panel.group == "ase" or row.name.startswith(("conservative", "network"))
            if row.seconds and row.multiplicity == 1 and conservative and "direct" not in row.name:
                place = lines.setdefault((panel.model, panel.group), {})
                days = place.setdefault(row.name, {})
                day = panel.circumstances.get("measured", "")[:10]
                days.setdefault(day, []).append((panel.atoms, _milliseconds(row)))
    if not lines:
        return None
    figure, axes = _figure(len(lines))
    titles = {"ase": "ASE", "lammps": "LAMMPS", "ipi": "i-PI"}
    for axis, ((model, host), found) in zip(axes, lines.items(), strict=True):
        for number, (name, days) in enumerate(found.items()):
            for points in days.values():
                axis.plot(*zip(*sorted(points), strict=True), marker="o", color=f"C{number}")
            axis.lines[-1].set_label(name)
        axis.set(xscale="log", yscale="log", xlabel="atoms", ylabel="ms", ylim=(1, None))
        axis.set_title(f"{titles[host]}, {model}, conservative forces", fontsize="medium")
        axis.legend(fontsize="small")
    return figure


def _mts(panels: list[PanelResult]) -> Any:
    """Speed-up by M beside its bound; bars are from the least to the most of all rounds."""
    shown = [
        panel
        for panel in panels
        if panel.group in ("lammps", "ipi") and any(panel.speedups(row) for row in panel.rows)
    ]
    if not shown:
        return None
    figure, axes = _figure(len(shown))
    for axis, panel in zip(axes, shown, strict=True):
        kinds: dict[str, list[tuple[int, Any, float]]] = {}
        for row in panel.rows:
            speedups = panel.speedups(row)
            if speedups:
                before, _, after = row.name.partition("M = ")
                kind = before.strip(" ,") + after.lstrip("0123456789")
                gain, bound = spread(speedups["gain"]), spread(speedups["bound"])
                assert gain is not None
                assert bound is not None
                kinds.setdefault(kind, []).append((row.multiplicity, gain, bound.median))
        for number, (kind, points) in enumerate(kinds.items()):
            m = [point[0] for point in points]
            below = [point[1].median - point[1].least for point in points]
            above = [point[1].most - point[1].median for point in points]
            color = f"C{number}"
            axis.errorbar(m, [point[1].median for point in points], [below, above], fmt="o",
                          color=color, capsize=3, label=kind)  # fmt: skip
            axis.plot(m, [point[2] for point in points], "--", color=color)
        axis.set(xlabel="M", ylabel="speed over conservative dynamics", ylim=(0, None))
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:g}")
        title = f"{panel.title}, {panel.model}, {panel.atoms} atoms (dashed: S(M))"
        axis.set_title(title, fontsize="small")
        axis.legend(fontsize="small")
    return figure


def _ratios(panels: list[PanelResult]) -> Any:
    """Our times over those of the others, with all that the rounds spread."""
    bars = [
        (f"{panel.title}, {panel.model}, {panel.atoms}: {row.name}", label, found)
        for panel in panels
        if panel.group in ("ase", "ipi")
        for row in panel.rows
        for label, values in panel.ratios(row).items()
        if label in _OTHERS and (found := spread(values)) is not None
    ]
    if not bars:
        return None
    figure, (axis,) = _figure(1, 9.0, 1.2 + 0.24 * len(bars))
    labels = list(dict.fromkeys(label for _, label, _ in bars))
    for place, (_, label, found) in enumerate(bars):
        color = f"C{labels.index(label)}"
        axis.plot([found.least, found.most], [place, place], "-", color=color)
        axis.plot([found.median], [place], "o", color=color)
    for number, label in enumerate(labels):
        axis.plot([], [], "o", color=f"C{number}", label=f"time over that of {label}")
    axis.axvline(1.0, color="grey", linewidth=1)
    axis.set_yticks(range(len(bars)), [name for name, _, _ in bars], fontsize="small")
    axis.set(xlim=(0, None), ylim=(len(bars) - 0.5, -0.5), xlabel="below 1: MD Bridge is faster")
    axis.legend(fontsize="small")
    return figure
