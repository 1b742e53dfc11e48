"""Writes performance.md and its pictures from performance.json, or measures first.

python docs/make_performance.py                        # the page from the JSON that is there
python docs/make_performance.py --measure              # md-bridge bench first: 20 minutes
python docs/make_performance.py --measure --quick      # two minutes, to see that it works
python docs/make_performance.py --from md-bridge-bench/bench.json
python docs/make_performance.py --from one/bench.json --from two/bench.json   # merged

A long measurement may be cut into pieces: `md-bridge bench --groups ... --resume` adds to its file.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))
from performance_numbers.summary import most_of_bound, summary

from md_bridge.bench import BenchSettings, Results
from md_bridge.bench.groups import GROUPS
from md_bridge.bench.panels import PanelResult
from md_bridge.bench.plots import plot_results
from md_bridge.bench.results import FILE_NAME
from md_bridge.bench.tables import TextTable, reasons, table_of

HERE = Path(__file__).parent
JSON = HERE / "performance.json"
_ROUNDS = 5
"""Fewer are a trial."""
_BY_SIZE = ("ase", "lammps", "ipi", "ranks", "memory")
"""Groups that have a table for each size; the others choose their sizes."""
ALT = {
    "sizes": "Time of an evaluation or step with conservative forces against the number of atoms",
    "mts": "Speed of multiple time stepping over conservative dynamics against M, with its bound",
    "ratios": "Time of MD Bridge over that of metatomic and of pet-kokkos, with all rounds",
}
SHORT = (
    "Of the tables below; `bundled` where nothing else is said, ratios within a round as median "
    "(least–most)."
)
SECTIONS = {
    "ase": (
        "ASE",
        "Forces along one path, at the speed of atoms at 300 K, so that pair lists are made again "
        "as often as in dynamics.\n"
        "metatomic's calculator reads the same file; pet-kokkos has the same weights, and "
        "conservative forces only.\n"
        "The forces of all are compared before they are timed: *forces differ by* is the largest "
        "difference of a component at the start from that of the TorchScript file in *MD Bridge* "
        "(of these forces).\n"
        "In single precision most of that is the rounding of the TorchScript file, which grows "
        "with the box; the compiled model is within 1e-5 eV/Å of the model in double precision "
        "([compiled models](compiled.md#is-it-right)).\n"
        "*Energy, forces and virials* are our engine behind a calculator that asks for all of them "
        "at once, *both* for both kinds of forces from one pass; ÷ compiled is how many times "
        "faster the compiled model is.",
    ),
    "lammps": (
        "LAMMPS",
        "*Network alone* is the exported model, or the functions of the compiled one, called from "
        "Python with pairs made before: what a step of LAMMPS costs above it is the price of "
        "dynamics.\n"
        "*Overhead* is what LAMMPS and the pair style count besides forward and backward.\n"
        "Of multiple time stepping the time is that of an inner step; *S(M)* is the most that it "
        "could gain over conservative dynamics, from the times of the single forces in the same "
        "rounds: M·F/(M − 1 + F) for one model with conservative forces costing F direct ones, "
        "M·c_o/(M·c_i + c_o) for two models of costs c_o and c_i.\n"
        "Two models run with a Langevin bath, which costs microseconds: at M = 16 the outer step "
        "is as long as the fastest vibrations of water.\n"
        "The outer step of one model makes both kinds of forces in one pass, which costs b "
        "conservative ones (*both* over *conservative* under ASE) where S(M) has 1: "
        "(M − 1 + F)/(M − 1 + b·F) of S(M) is the most that can be had, as stands below the "
        "tables.\n"
        "LAMMPS forks with a `pair_style metatomic` and patched trees with pet-kokkos's "
        "`pair_style pet` are not stock LAMMPS, and are not measured.",
    ),
    "ipi": (
        "i-PI",
        "The same simulations with our driver and with i-PI's own `metatomic`, in i-PI's process "
        "and over sockets.\n"
        "S(M) is of the times of the same driver.\n"
        "Two models run with a Langevin bath here too.\n"
        "What is not in turn is stopped: i-PI's Python client spins while it waits.",
    ),
    "ranks": ("MPI ranks", "Ranks share the atoms; each sees those within the model's range too."),
    "symmetry": (
        "Averages over rotations",
        "As many evaluations as copies, see [symmetry](symmetry.md).\n"
        "σ is the standard deviation of the results over random orientations of the box.",
    ),
    "busy": (
        "A busy machine",
        "Another process keeps one core busy: what waits by spinning pays for it.\n"
        "*÷ always spins* is MD Bridge over itself with threads that never sleep: without a "
        "neighbour, what the care for neighbours costs.",
    ),
    "scaling": (
        "Large systems",
        "The time of an atom grows until the caches are full, and not after that.",
    ),
    "memory": (
        "Memory",
        "Resident memory of `lmp` in a box that swings, so that the number of pairs changes at "
        "every step: halfway, in the end, and at most (steps are those of LAMMPS).",
    ),
}


def page(results: Results, pictures: dict[str, Path]) -> str:
    """The page as Markdown.

    :param results: of a benchmark
    :param pictures: of :func:`md_bridge.bench.plots.plot_results`, in ``images/``
    """
    lines = [
        "# Performance",
        "",
        f"<!-- written by docs/{Path(__file__).name} from {JSON.name}: do not edit -->",
        "",
        "What a step costs with MD Bridge and with the alternatives, with the same weights, on "
        "one machine.",
        "Everything that is compared takes turns, in another order each round.",
        "Times are medians with their quartiles; ratios are formed within a round and given as "
        "median (least–most), so *below 1* in a column ÷ X is faster than X.",
        "`bundled` is the bundled water model (0.46 million parameters, fixed cutoff of 4 Å), `xs` "
        "a PET of the published XS size (4.5 million, adaptive cutoff of up to 7.5 Å) with random "
        "weights, for which only times mean something.",
        "",
        *_machine(results),
        "",
        "Run it yourself: `md-bridge bench` (20 minutes on two cores), `md-bridge bench --quick` "
        "(two minutes), with your own model `md-bridge bench --models my.pt --start my.xyz`.",
        "In pieces, which add up in one file: `md-bridge bench --groups lammps --minutes 60 "
        "--resume` and so on; then `python docs/make_performance.py --from "
        "md-bridge-bench/bench.json` writes this page.",
        "pet-kokkos comes with `pip install 'md-bridge[bench]'`.",
        "",
    ]
    several = len(_all_days(results)) > 1
    for name in pictures:
        lines += [f"![{ALT[name]}](images/{pictures[name].name})", ""]
    first = summary(results)
    if first:
        lines += ["## In short", "", SHORT, "", *first, ""]
    for group, (title, text) in SECTIONS.items():
        panels = sorted(
            (panel for panel in results.panels if panel.group == group),
            key=lambda panel: (panel.title, panel.model, panel.atoms, panel.key),
        )
        tables = [(table_of(panel), _below(panel, results, several)) for panel in panels]
        tables = [(table, below) for table, below in tables if table.rows or table.notes]
        if tables:
            lines += [f"## {title}", "", text, ""]
            for table, below in tables:
                lines += [*_markdown(table), "", *(line for text in below for line in (text, ""))]
    missing = [*reasons(results.panels), *_without_panel(results)]
    if missing:
        lines += ["## Not measured here", "", *(f"- {sentence}" for sentence in missing), ""]
    return "\n".join(lines)


def _below(panel: PanelResult, results: Results, several: bool) -> list[str]:
    """What stands below a table, in sentences."""
    most = most_of_bound(panel, results)
    sentences = []
    if most:
        known = "; ".join(f"{value:.2f} ({name})" for name, value in most.items())
        sentences.append(f"Of S(M) at most this part can be had: {known}.")
    if several and (when := _moment(panel)):
        sentences.append(when)
    return sentences


def _without_panel(results: Results) -> list[str]:
    """What a whole benchmark has, and these results do not: groups and sizes of each model."""
    found = {(panel.model, panel.group, panel.atoms) for panel in results.panels}
    sentences = []
    for model in BenchSettings().models:
        lacking = _lacking({(group, atoms) for name, group, atoms in found if name == model})
        if lacking:
            sentences.append(f"`{model}`: {'; '.join(lacking)}.")
    return sentences


def _lacking(found: set[tuple[str, int]]) -> list[str]:
    """Groups that one model has no table of, and sizes that groups are without.

    :param found: groups and numbers of atoms of its tables
    """
    groups = {group for group, _ in found}
    if not groups:
        return ["nothing"]
    without: dict[str, list[str]] = {}
    for group in (name for name in GROUPS if name in groups and name in _BY_SIZE):
        sizes = [str(size) for size in BenchSettings().sizes if (group, size) not in found]
        if sizes:
            without.setdefault(" and ".join(sizes), []).append(f"`{group}`")
    missing = ", ".join(f"`{name}`" for name in GROUPS if name not in groups)
    return [
        *([f"no {missing}"] if missing else []),
        *(f"{', '.join(names)} without {sizes} atoms" for sizes, names in without.items()),
    ]


def _machine(results: Results) -> list[str]:
    """What it was measured on, in sentences."""
    facts, settings = results.machine, results.settings
    versions: dict[str, Any] = facts["versions"]
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    commits = ", ".join(_all_of(results, "commit"))
    lines = [
        f"Measured {_days(results)} on {facts['processor']}, {facts['cores_for_us']} cores "
        f"and {facts['memory_GB']:g} GB, {_rounds(results)}, device {settings['device']}; "
        f"{facts['system']}, Python {facts['python']}, {known}"
        f"{f'; MD Bridge at commit {commits}' if commits else ''}.",
    ]
    if len(_all_days(results)) > 1:
        lines.append(
            "It was not one machine on all days, but machines of one kind, of which one may be "
            "twice as fast as another: compare times within a table."
        )
    if not results.complete or settings["rounds"] < _ROUNDS:
        lines.append("**These numbers are preliminary**: of a short run, to show what is measured.")
    return lines


def _all_of(results: Results, name: str) -> list[str]:
    """What the circumstances of all panels say, each once, in order."""
    found = [panel.circumstances.get(name) for panel in results.panels]
    return list(dict.fromkeys(text for text in found if text))


def _all_days(results: Results) -> list[str]:
    return sorted({moment[:10] for moment in _all_of(results, "measured")})


def _days(results: Results) -> str:
    """From the first to the last."""
    days = _all_days(results)
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "some day"


def _moment(panel: PanelResult) -> str:
    """When a table was measured, as a sentence."""
    found = panel.circumstances
    commit = f", commit {found['commit']}" if found.get("commit") else ""
    return f"Measured {found['measured'][:10]}{commit}." if found.get("measured") else ""


def _rounds(results: Results) -> str:
    """How many rounds there were, in words."""
    found = sorted({len(row.seconds) for panel in results.panels for row in panel.rows} - {0})
    if not found:
        return "nothing"
    return f"{found[0]} to {found[-1]} rounds" if len(found) > 1 else f"{found[0]} rounds"


def _markdown(table: TextTable) -> list[str]:
    """A table with its title above and its notes below."""
    lines = [f"**{table.title}**", ""]
    if table.rows:
        align = ["---", *["---:"] * (len(table.headers) - 1)]
        rows = [table.headers, align, *table.rows]
        lines += [f"| {' | '.join(cells)} |" for cells in rows]
    if table.notes:
        lines += [*([""] if table.rows else []), *table.notes]
    return lines


def pictures_of() -> dict[str, Path]:
    """The pictures beside the page."""
    shown = {name: HERE / "images" / f"bench-{name}.png" for name in ALT}
    return {name: path for name, path in shown.items() if path.exists()}


def read_all(paths: Sequence[Path]) -> Results:
    """The results of several files, in order: later ones add to earlier ones.

    :param paths: of results of one machine
    """
    results, *others = [Results.read(path) for path in paths]
    for other in others:
        results.merge(other)
    return results


@click.command(help=__doc__)
@click.option("--measure", is_flag=True, help="Run md-bridge bench first.")
@click.option("--quick", is_flag=True, help="A short run of it.")
@click.option("--from", "sources", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              multiple=True, help="Result of a benchmark to take; several are merged.")  # fmt: skip
def main(measure: bool, quick: bool, sources: tuple[Path, ...]) -> None:
    """Write the page."""
    if measure:
        # where `make bench` has its compiled models, too
        folder = HERE.parent / "build" / "bench"
        command = [sys.executable, "-m", "md_bridge", "bench", "--out", str(folder), "--json"]
        subprocess.run(
            [*command, *(["--quick"] if quick else [])],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        read_all([folder / FILE_NAME]).write(JSON)
    elif sources:
        read_all(sources).write(JSON)
    results = Results.read(JSON)
    text = page(results, plot_results(results, HERE / "images"))
    (HERE / "performance.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
