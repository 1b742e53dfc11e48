"""Write the numbers and pictures of docs/statics.md and examples/silicon/README.md.

python docs/make_statics.py                               # from docs/statics.json
python docs/make_statics.py --measure --work FOLDER       # md-bridge relax and phonons first
python docs/make_statics.py --measure --only relax,turned-free   # the rest as in statics.json

All of it takes two hours, and twenty minutes with --averaged 0, without averages over copies. A
measurement that FOLDER has already is not repeated.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import click

from md_bridge._paths import DATA

sys.path.insert(0, str(Path(__file__).parent))
import marked_tables
from statics_digest import digest
from statics_pictures import draw_bands, draw_ice, draw_scan
from statics_tables import TABLES

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
SILICON = EXAMPLES / "silicon"
JSON = HERE / "statics.json"
IMAGES = HERE / "images"
DOCUMENTS = (HERE / "statics.md", SILICON / "README.md")
PICTURES = {
    "statics-bands.png": draw_bands,
    "statics-scan.png": draw_scan,
    "statics-ice.png": draw_ice,
}
SCRIPT = Path(__file__).name

_STARTS = 50
"""That the example makes."""
_ROWS = "conservative,direct,direct-then-conservative"
_RELAX = ["--cell", "full", "--steps", "1000", "--double", "--trajectory", "none"]
_PHONONS = ["--supercell", "2,2,2"]


def measurements(work: Path, averaged: int = _STARTS) -> dict[str, list[str]]:
    """The commands, by the name of the folder in which each leaves its numbers; in their order.

    :param work: folder of all of them, with ``stillinger-weber.pt`` and the starts in it
    :param averaged: starts that are relaxed with averages over 24 copies, too; 0: no averages
    """
    model, truth = str(DATA / "silicon.pt"), str(work / "stillinger-weber.pt")
    water, ice = str(DATA / "water.pt"), str(EXAMPLES / "ice" / "ice-xi.xyz")
    names = ("starts", "first", "turned", "rest")
    starts, first, turned, rest = (str(work / f"{name}.xyz") for name in names)
    both = ["--forces", "conservative,direct"]
    sets = ["--symmetrize", "none,octahedral" if averaged else "none"]
    three = ["--fc", "raw,space-group,symfc"]
    bfgs = ["--optimizer", "bfgs"]
    relaxed = str(work / "rest" / "standardised.extxyz")
    scan = ["phonons", model, relaxed, *both, "--fc", "raw", *_PHONONS, "--scan", "0.0003:0.3:13"]
    average = ["relax", model, first, *both, *sets, *_RELAX]
    return {
        "relax": ["relax", model, starts, "--forces", _ROWS, *_RELAX],
        **({"relax-average": average} if averaged else {}),
        "relax-coarse": ["relax", model, starts, "--forces", _ROWS, *_RELAX, "--fmax", "0.02"],
        "relax-truth": ["relax", truth, starts, *_RELAX],
        "turned-free": ["relax", model, turned, *both, *sets, *_RELAX],
        "turned-project": [
            *("relax", model, turned, *both, *sets, *_RELAX),
            *("--space-group", "project"),
        ],
        "rest": ["relax", model, rest, *_RELAX, "--space-group", "project"],
        "phonons": [
            *("phonons", model, relaxed),
            *(*both, *sets, *three, *_PHONONS, "--elastic", "--double"),
        ],
        "phonons-scan": [*scan, "--double"],
        "phonons-scan-single": scan,
        "phonons-truth": [
            *("phonons", truth, rest, "--fc", "symfc", *_PHONONS, "--elastic"),
        ],
        "ice-relax": ["relax", water, ice, "--forces", _ROWS, *_RELAX, *bfgs],
        "ice-rest": ["relax", water, ice, *_RELAX, *bfgs, "--space-group", "project"],
        "ice-phonons": [
            *("phonons", water, str(work / "ice-rest" / "standardised.extxyz"), *both, *three),
            *("--supercell", "2,1,1", "--double"),
        ],
    }


def measure(work: Path, averaged: int = _STARTS, only: Sequence[str] = ()) -> dict[str, Path]:
    """Run what has not been run.

    :param work: folder of everything
    :param averaged: as for :func:`measurements`
    :param only: names of measurements; none: all
    :returns: the folders of the measurements, by name
    :raises subprocess.CalledProcessError: a command failed; not at rest (3) is a result
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "rest.xyz").exists():
        script = [sys.executable, str(SILICON / "make_data.py"), "--share", "0.01"]
        subprocess.run([*script, "--out", str(work)], check=True)
    if not (work / "stillinger-weber.pt").exists():
        subprocess.run([sys.executable, str(SILICON / "stillinger_weber.py")], cwd=work, check=True)
    frames = ase.io.read(work / "starts.xyz", f":{averaged}")
    for number, atoms in enumerate(frames):
        atoms.info["name"] = f"starts-{number}"
    ase.io.write(work / "first.xyz", frames, format="extxyz")
    wanted = {
        name: arguments
        for name, arguments in measurements(work, averaged).items()
        if not only or name in only
    }
    for name, arguments in wanted.items():
        if (work / name / "summary.json").exists():
            continue
        click.echo(f"md-bridge {' '.join(arguments)}", err=True)
        command = [sys.executable, "-m", "md_bridge", *arguments, "--out", str(work / name)]
        status = subprocess.run([*command, "--threads", "1"], check=False).returncode
        if status not in (0, 3):
            raise subprocess.CalledProcessError(status, command)
    return {name: work / name for name in wanted}


def fill_in(text: str, numbers: Mapping[str, Any]) -> str:
    """A document with what is between its markers written anew.

    :param text: of the document
    :param numbers: of :func:`statics_digest.digest`
    :raises ValueError: a marker is there twice, or has no end
    """
    return marked_tables.fill_in(text, TABLES, numbers, SCRIPT)


def unused(texts: Sequence[str]) -> list[str]:
    """Tables that no document shows.

    :param texts: of all documents
    """
    markers = {name: marked_tables.marker(name, SCRIPT) for name in TABLES}
    return [name for name, marker in markers.items() if not any(marker in text for text in texts)]


@click.command(help=__doc__)
@click.option("--measure", "anew", is_flag=True, help="Run the commands first.")
@click.option("--averaged", default=_STARTS, help="Starts relaxed with averages over copies, too.")
@click.option("--only", default="", help="These measurements alone; others as in statics.json.")
@click.option("--work", default="build/statics", type=click.Path(path_type=Path),
              help="Folder for what they write.")  # fmt: skip
def main(anew: bool, averaged: int, only: str, work: Path) -> None:
    """Write numbers and pictures."""
    if anew:
        kept = json.loads(JSON.read_text(encoding="utf-8")) if only else {}
        numbers = kept | digest(measure(work, averaged, only.split(",") if only else ()))
        JSON.write_text(json.dumps(numbers, ensure_ascii=False) + "\n", encoding="utf-8")
    numbers = json.loads(JSON.read_text(encoding="utf-8"))
    for name, draw in PICTURES.items():
        (IMAGES / name).write_bytes(draw(numbers))
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(fill_in(text, numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
