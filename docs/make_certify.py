"""Write the table of docs/certify.md, from docs/certify.json and certificates that are added to it.

python docs/make_certify.py                       # from the JSON that is there
python docs/make_certify.py FOLDER NAME           # with the certificate in FOLDER, under a NAME
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
DOCUMENT = HERE / "certify.md"
JSON = HERE / "certify.json"
_MARKER = "<!-- table: written by make_certify.py -->"
_END = "<!-- end -->"
FIGURES = {
    "float32 − float64, meV/Å": ("float32 = float64", "largest_meV_per_angstrom", "{:.2g}"),
    "4 ranks − 1, eV/Å": ("4 ranks = 1 rank", "forces_difference", "{:.1g}"),
    "hosts, eV/Å": ("LAMMPS = i-PI = ASE: conservative forces", "largest", "{:.1g}"),
    "direct − conservative, meV/Å": ("direct = conservative", "correction_meV", "{:.3g}"),
    "drift, M = 1": ("NVE, M = 1: verdict", None, "meV/atom/ps"),
    "M = 4": ("NVE, M = 4: verdict", None, "meV/atom/ps"),
    "M = 8": ("NVE, M = 8: verdict", None, "meV/atom/ps"),
    "LAMMPS, µs/atom": (
        "time of a step, conservative forces, LAMMPS",
        "microseconds_per_step_and_atom",
        "{:.0f}",
    ),
}
"""Columns: the finding and the number of it, with its form; or, with None, what was measured and
the result, the unit left out."""


def figures(certificate: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table.

    :param certificate: content of a certificate.json
    :returns: the cells by the heading of their column
    """
    found = {finding["name"]: finding for finding in certificate["findings"]}
    return {
        heading: _cell(found.get(name), number, form)
        for heading, (name, number, form) in FIGURES.items()
    } | {"passed": {True: "yes", False: "no", None: "undecided"}[certificate["passed"]]}


def _cell(finding: Mapping[str, Any] | None, number: str | None, form: str) -> str:
    if finding is None or finding["outcome"] == "not checked":
        return "–"
    numbers = finding["numbers"]
    if number is None:
        return f"{finding['measured'].removesuffix(form).strip()}, {finding['outcome']}"
    if number == "largest":
        return form.format(max(numbers["differences"].values()))
    if number == "correction_meV":
        return form.format(1e3 * numbers["correction_eV_per_angstrom"])
    return form.format(numbers[number])


def table(rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The lines of the table.

    :param rows: cells by heading, by model
    """
    headings = ["model", *FIGURES, "passed"]
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)]]
    lines += [[name, *(cells[heading] for heading in headings[1:])] for name, cells in rows.items()]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def fill_in(text: str, rows: Mapping[str, Mapping[str, str]]) -> str:
    """The document with its table written anew.

    :param text: of the document
    :param rows: as for :func:`table`
    :raises ValueError: the marker is missing
    """
    before, marker, rest = text.partition(_MARKER)
    _, end, after = rest.partition(_END)
    if not (marker and end):
        raise ValueError(f"expected the lines {_MARKER} and {_END} in the document")
    return "\n".join([before + marker, "", *table(rows), "", end + after])


@click.command(help=__doc__)
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.argument("name", required=False)
def main(folder: Path | None, name: str | None) -> None:
    """Write the table."""
    rows = json.loads(JSON.read_text(encoding="utf-8")) if JSON.exists() else {}
    if folder is not None:
        certificate = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
        rows[name or certificate["source"]] = figures(certificate)
        JSON.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(fill_in(DOCUMENT.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
