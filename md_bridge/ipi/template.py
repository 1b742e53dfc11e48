"""The atoms that i-PI simulates, in its order: from a structure, or from i-PI's own files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from md_bridge.engine import EngineError
from md_bridge.structures import ISOTOPES, StructureError, read_structures

from md_bridge import _core  # isort: skip (md_bridge.engine loads the libraries that it needs)

__all__ = [
    "atoms_of_simulation",
    "describe_template",
    "is_simulation",
    "parse_xml",
    "read_template",
]

_FILES = ("ase", "xyz", "pdb", "chk")
_ATOMS_IN_LOG = 12


def read_template(path: Path) -> Atoms:
    """The first structure of any file that ASE reads, of i-PI's own xyz format, of an input of i-PI
    or of the RESTART or checkpoint that it leaves.

    :param path: of the file
    :raises EngineError: if there is none
    """
    path = Path(path)
    if path.is_file() and is_simulation(path):
        found = atoms_of_simulation(path, parse_xml(path))
        return found if isinstance(found, Atoms) else read_template(path.parent / found)
    try:
        return read_structures(path)[0]
    except StructureError as error:
        raise EngineError(f"the template cannot be used: {error}") from error


def describe_template(path: Path) -> str:
    """A line for a log: i-PI sends no elements, so a wrong order would go unnoticed.

    :param path: of the template
    :raises EngineError: as :func:`read_template`
    """
    atoms = read_template(path)
    order = " ".join(atoms.get_chemical_symbols()[:_ATOMS_IN_LOG])
    more = " ..." if len(atoms) > _ATOMS_IN_LOG else ""
    formula = atoms.get_chemical_formula()
    return f"{len(atoms)} atoms ({formula}) in the order of the template {path}: {order}{more}"


def is_simulation(path: Path) -> bool:
    """Whether a file is an input of i-PI, rather than a structure.

    :param path: of the file
    :raises EngineError: if it looks like one but is not XML
    """
    try:
        with path.open("rb") as stream:
            if not stream.read(4096).lstrip().startswith(b"<"):
                return False
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}") from error
    return parse_xml(path).tag == "simulation"


def parse_xml(path: Path) -> ElementTree.Element:
    """The root of an input file.

    :param path: of the file
    :raises EngineError: if it cannot be read or is not XML
    """
    try:
        return ElementTree.parse(path).getroot()
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise EngineError(f"{path} is not valid XML: {error}") from error


def atoms_of_simulation(path: Path, root: ElementTree.Element) -> Atoms | Path:
    """The file that a simulation starts from, or the atoms that the input or RESTART itself holds.

    :param path: of the input file
    :param root: what is in it
    :returns: a path, from i-PI's folder; or atoms, in Å
    :raises EngineError: if there is neither
    """
    file = root.find(".//initialize/file")
    if file is not None and file.text and file.get("mode", "").strip() in _FILES:
        return Path(file.text.strip())
    names = root.find(".//beads/names")
    positions = root.find(".//beads/q")
    cell = root.find("./system/cell")
    if names is not None and positions is not None and cell is not None:
        return _atoms_of_restart(path, names, positions, cell)
    labels = root.find(".//initialize/labels[@mode='manual']")
    if labels is not None:
        # the rest does not matter for a template; i-PI has a cell in any case
        return _elements(path, _list(labels))
    raise EngineError(
        f"{path} does not name a file that it starts from: say --template FILE, with the atoms in "
        "i-PI's order"
    )


def _atoms_of_restart(
    path: Path,
    names: ElementTree.Element,
    positions: ElementTree.Element,
    cell: ElementTree.Element,
) -> Atoms:
    angstrom = _core.IPI_UNITS["angstrom"]
    atoms = _elements(path, _list(names))
    first_bead = np.array(_list(positions)[: 3 * len(atoms)], dtype=float)
    atoms.set_positions(first_bead.reshape(-1, 3) / angstrom)
    atoms.set_cell(np.array(_list(cell), dtype=float).reshape(3, 3).T / angstrom)
    return atoms


def _elements(path: Path, names: Sequence[str]) -> Atoms:
    """Atoms of these names, which may be isotopes, at the origin, in a cell yet to be given."""
    symbols = [name.strip() for name in names]
    try:
        return Atoms([ISOTOPES.get(symbol, (symbol,))[0] for symbol in symbols], pbc=True)
    except KeyError as error:
        raise EngineError(
            f"{path} has atoms named {error.args[0]}, which is no element: say --template FILE, "
            "with the same atoms under the names of their elements"
        ) from error


def _list(node: ElementTree.Element) -> list[str]:
    return (node.text or "").strip().strip("[]").split(",")
