"""Write the table of errors in docs/compiled.md anew, from a measurement of some seconds.

md-bridge compile md_bridge/data/water.pt -o water.pt2
python docs/make_compiled.py water.pt2
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parent))
import marked_tables

from md_bridge.bench.boxes import box
from md_bridge.compiled.agreement import Comparison, compare
from md_bridge.compiled.functions import CompilableNetwork
from md_bridge.export.model_file import extract_torchscript, read_description

SCRIPT = Path(__file__).name
DOCUMENT = Path(__file__).with_name("compiled.md")
SIZES = (81, 192, 648)
KINDS = ("conservative", "direct")
Rows = Mapping[str, Comparison]


def measure(compiled: Path) -> dict[str, Rows]:
    """Both files beside the model in double precision, by the number of atoms and the function.

    :param compiled: the bundled model, compiled
    """
    network = CompilableNetwork([], read_description(compiled))
    with tempfile.TemporaryDirectory() as folder:
        exported = extract_torchscript(compiled, Path(folder) / "model.pt")
        return {
            str(atoms): {row.function: row for row in compare(exported, compiled, network, [water])}
            for atoms, water in ((size, box(size)) for size in SIZES)
        }


def errors(numbers: Mapping[str, Any]) -> list[str]:
    """The table.

    :param numbers: of :func:`measure`
    """
    heading = ["atoms", *(name for kind in KINDS for name in (f"compiled, {kind}", "TorchScript"))]
    rows = [
        [
            atoms,
            *(
                f"{error:.2e}".replace("e-0", "e-")
                for kind in KINDS
                for error in (found[kind].compiled_error, found[kind].torchscript_error)
            ),
        ]
        for atoms, found in numbers.items()
    ]
    return marked_tables.markdown(heading, rows)


TABLES = {"errors": errors}


@click.command(help=__doc__)
@click.argument("compiled", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(compiled: Path) -> None:
    """Write the table."""
    text = DOCUMENT.read_text(encoding="utf-8")
    text = marked_tables.fill_in(text, TABLES, measure(compiled), SCRIPT)
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
