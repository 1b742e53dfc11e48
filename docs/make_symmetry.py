"""Write the numbers and the picture of docs/symmetry.md, from docs/symmetry.json or measured anew.

python docs/make_symmetry.py                    # from the JSON that is there
python docs/make_symmetry.py --measure          # md-bridge symmetry of the bundled model first
python docs/make_symmetry.py --from FOLDER/summary.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from md_bridge._paths import DATA
from md_bridge.drift.report.plot import as_png
from md_bridge.drift.report.protocol import draw
from md_bridge.symmetry.group.averaging import SETS
from md_bridge.symmetry.models.quantities import QUANTITIES
from md_bridge.symmetry.report.plots import spectrum_plots
from md_bridge.text import significant, with_error

HERE = Path(__file__).parent
DOCUMENT = HERE / "symmetry.md"
JSON = HERE / "symmetry.json"
PICTURE = HERE / "images" / "symmetry-spectrum.png"
_MARKER = "<!-- {name}: written by make_symmetry.py -->"
_END = "<!-- end -->"


def spectrum(summary: Mapping[str, Any]) -> list[str]:
    """The table of sectors, both parities together, with A, odd parity and rounding.

    :param summary: of the measurement
    """
    degrees = range(1, summary["lmax"] + 1)
    rows = [
        ["quantity", "A", *(f"λ = {degree}" for degree in degrees), "odd under inversion"],
        ["---", *["---:"] * (len(degrees) + 2)],
    ]
    for name, quantity in summary["quantities"].items():
        cells = [f"{QUANTITIES[name].words}, {quantity['unit']}", significant(quantity["rms"], 3)]
        for degree in degrees:
            own = [
                sector["root"] ** 2
                for sector in quantity["sectors"]
                if sector["frame"] == "z" and sector["lambda"] == degree
                if sector["above_rounding"]
            ]
            cells.append(significant(sum(own) ** 0.5, 2) if own else "·")
        rows.append([*cells, f"{100 * quantity['odd_parity_share']:.0f} %"])
    return _markdown(rows)


def averages(summary: Mapping[str, Any]) -> list[str]:
    """What each set leaves: predicted, and measured with its error.

    :param summary: of the measurement
    """
    rows = [["quantity", "", *(f"`{copies}`" for copies in SETS)], ["---", "---", *["---:"] * 4]]
    for name, quantity in summary["quantities"].items():
        of_sets = [quantity["averages"][copies] for copies in SETS]
        floor = quantity["rounding"]
        predicted = [_shown(each["predicted"], floor) for each in of_sets]
        measured = [_shown(each["measured"], floor, each["stderr"]) for each in of_sets]
        rows.append([f"{QUANTITIES[name].words}, {quantity['unit']}", "predicted", *predicted])
        rows.append(["", "measured", *measured])
    return _markdown(rows)


def cost(summary: Mapping[str, Any]) -> list[str]:
    """A sentence.

    :param summary: of the measurement
    """
    count, times = summary["evaluations"], summary["multiple_of_one_evaluation"]
    settings = summary["settings"]
    return [
        f"Of {settings['model']}, {settings['structures'].split(' ')[0]}: {count} copies took as "
        f"long as {times:.0f} single evaluations, {times / count:.2f} times their number, since "
        "copies go through the model together.",
        f"(On {settings['machine']}.)",
    ]


def _shown(value: float, floor: float, error: float | None = None) -> str:
    if value <= floor:
        return "rounding"
    return significant(value, 3) if error is None else with_error(value, error, most_decimals=6)


def _markdown(rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in rows]


def fill_in(text: str, summary: Mapping[str, Any]) -> str:
    """The document with what is between its markers written anew.

    :param text: of the document
    :param summary: of the measurement
    :raises ValueError: a marker is missing
    """
    for name, make in (("spectrum", spectrum), ("averages", averages), ("cost", cost)):
        marker = _MARKER.format(name=name)
        if text.count(marker) != 1:
            raise ValueError(f"expected the line {marker} once in the document")
        before, _, rest = text.partition(marker)
        _, end, after = rest.partition(_END)
        if not end:
            raise ValueError(f"expected {_END} after {marker}")
        text = "\n".join([before + marker, *make(summary), end + after])
    return text


@click.command(help=__doc__)
@click.option("--measure", is_flag=True, help="Run md-bridge symmetry first.")
@click.option("--from", "source", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Its summary.json to take.")  # fmt: skip
@click.option("--document", default=DOCUMENT, type=click.Path(path_type=Path), help="To fill in.")
def main(measure: bool, source: Path | None, document: Path) -> None:
    """Write numbers and picture."""
    with tempfile.TemporaryDirectory() as folder:
        if measure:
            model, start = DATA / "water.pt", DATA / "water-start.xyz"
            command = [sys.executable, "-m", "md_bridge", "symmetry", str(model), str(start)]
            subprocess.run([*command, "--out", folder, "--orientations", "12"], check=True)
            source = Path(folder) / "summary.json"
        if source is not None:
            JSON.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    summary = json.loads(JSON.read_text(encoding="utf-8"))
    PICTURE.write_bytes(as_png(draw(spectrum_plots(summary))))
    text = fill_in(document.read_text(encoding="utf-8"), summary)
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
