"""Structures from files, and in the orientation that LAMMPS and i-PI ask for."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import ase.io
import numpy as np
from ase import Atoms
from ase.cell import Cell

from md_bridge.errors import MDBridgeError

__all__ = [
    "ISOTOPES",
    "StructureError",
    "is_ipi_xyz",
    "read_structure",
    "read_structures",
    "spread",
    "standard_orientation",
]


T = TypeVar("T")


class StructureError(MDBridgeError, ValueError):
    """A structure cannot be read or used; the message names the file."""


ISOTOPES = {"D": ("H", 2.0141), "T": ("H", 3.016049)}
"""Symbols of isotopes, which ASE does not know: the element of each, and its mass (u) in i-PI."""

# i-PI's values, so that what it reads from a file and what is read here are the same digits
_LENGTHS = {"angstrom": 1.0, "atomic_unit": 1 / 1.8897261, "meter": 1e10}
_IPI_CELL = re.compile(r"CELL[(\[{](abcABC|H|GENH)[)\]}]: ([-+0-9.Ee ]*)")
_IPI_CELL_UNIT = re.compile(r"\bcell\{(\w*)\}")
_IPI_QUANTITY = re.compile(r"\b(?!cell\{)(\w+)\{(\w*)\}")
_IPI_POSITIONS = ("positions", "x_centroid", "x_centroid_even", "x_centroid_odd")


def read_structures(path: str | os.PathLike[str]) -> list[Atoms]:
    """All structures of any file that ASE reads, or of i-PI's own xyz format; at least one.

    Atoms of deuterium and tritium in xyz files are hydrogen with their mass.

    :param path: of the file
    :returns: positions in Å
    :raises StructureError: the file is missing, unreadable or holds no structure
    """
    path = Path(path)
    if not path.exists():
        raise StructureError(f"{path} does not exist; expected a structure file")
    try:
        structures = _read(path)
    except StructureError:
        raise
    except Exception as error:  # readers raise whatever they stumble over
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise StructureError(f"ASE cannot read a structure from {path} ({reason})") from error
    if not structures:
        raise StructureError(f"{path} holds no structure")
    return list(structures)


def is_ipi_xyz(path: Path) -> bool:
    """Whether a file is in i-PI's own xyz format, with the cell and units in its comment line.

    :param path: of the file
    """
    first = _first_lines(path, 2)
    if len(first) < 2 or not first[0].strip().isdigit() or "Lattice=" in first[1]:
        return False
    quantity = _IPI_QUANTITY.search(first[1])
    return bool(_IPI_CELL.search(first[1])) or (quantity and quantity[1]) in _IPI_POSITIONS


def _first_lines(path: Path, count: int) -> list[str]:
    """Fewer if there are fewer, none if the file is not text."""
    if not path.is_file():
        return []
    with path.open("rb") as stream:
        lines = [stream.readline(4096) for _ in range(count)]
    try:
        return [line.decode() for line in lines if line]
    except UnicodeDecodeError:
        return []


def _read(path: Path) -> list[Atoms]:
    if is_ipi_xyz(path):
        return _read_ipi_xyz(path)
    first = _first_lines(path, 40)
    if any(re.match(r"\s*\d+\s+atom types\s*$", line) for line in first):
        raise StructureError(
            f"{path} is a data file of LAMMPS, which need not say what its elements are: convert "
            f'it (`ase convert -i lammps-data "{path}" start.xyz`) and look at its elements, '
            "which are a guess"
        )
    if first and first[0].strip().isdigit():
        return _read_xyz(path)
    return list(ase.io.read(path, index=":"))


def _read_xyz(path: Path) -> list[Atoms]:
    """An xyz file, extended or not, in which there may be isotopes."""
    text = path.read_text(encoding="utf-8")
    isotopes = re.compile(rf"^(\s*)({'|'.join(ISOTOPES)})(?=\s+[-+.\d])", re.MULTILINE)
    if not isotopes.search(text):
        # ASE takes a file for VASP's whose name has POSCAR in it, whatever its end
        by_name = "extxyz" if path.suffix.lower() in (".xyz", ".extxyz") else None
        return list(ase.io.read(path, index=":", format=by_name))
    ordinary = isotopes.sub(lambda match: match[1] + ISOTOPES[match[2]][0], text)
    structures = list(ase.io.read(io.StringIO(ordinary), index=":", format="extxyz"))
    lines = text.splitlines()
    for atoms in structures:
        _set_isotopes(atoms, [line.split()[0] for line in lines[2 : 2 + len(atoms)]])
        del lines[: 2 + len(atoms)]
    return structures


def _read_ipi_xyz(path: Path) -> list[Atoms]:
    """All frames of i-PI's own xyz format, as i-PI's ``io_xyz.py`` and ``io_units.py`` read it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    frames = []
    while lines and lines[0].strip():
        count = int(lines[0])
        rows = [line.split() for line in lines[2 : 2 + count]]
        if len(rows) < count:
            raise StructureError(
                f"{path} ends in the middle of a structure: expected {count} atoms, found "
                f"{len(rows)}"
            )
        positions = np.array([row[1:4] for row in rows], dtype=float).reshape(-1, 3)
        cell, scale = _ipi_comment(path, lines[1])
        atoms = Atoms(
            [ISOTOPES.get(row[0], (row[0],))[0] for row in rows],
            positions * scale,
            cell=cell,
            pbc=cell is not None,
        )
        _set_isotopes(atoms, [row[0] for row in rows])
        frames.append(atoms)
        del lines[: 2 + count]
    return frames


def _ipi_comment(path: Path, comment: str) -> tuple[np.ndarray | None, float]:
    """The cell with its vectors in rows, Å, and the unit of the positions, Å."""
    quantity = _IPI_QUANTITY.search(comment)
    if quantity and quantity[1] not in _IPI_POSITIONS:
        raise StructureError(f"{path}: expected positions, found {quantity[1]} of i-PI")
    scale = _length(path, quantity[2] if quantity else "")
    match = _IPI_CELL.search(comment)
    if match is None:
        return None, scale
    numbers = np.array(match[2].split(), dtype=float)
    expected = 6 if match[1] == "abcABC" else 9
    if len(numbers) < expected:
        raise StructureError(
            f"{path}: expected {expected} numbers after CELL({match[1]}), found {len(numbers)}"
        )
    unit = _IPI_CELL_UNIT.search(comment)
    cell_scale = _length(path, unit[1] if unit else "")
    if expected == 6:
        lengths, angles = numbers[:3] * cell_scale, numbers[3:6]
        return Cell.new([*lengths, *angles]).array, scale
    return numbers[:9].reshape(3, 3).T * cell_scale, scale


def _length(path: Path, unit: str) -> float:
    """One of i-PI's units of length, Å; bohr if nothing is said."""
    try:
        return _LENGTHS[unit if unit not in ("", "automatic") else "atomic_unit"]
    except KeyError:
        raise StructureError(
            f"{path}: expected one of i-PI's units of length, {', '.join(_LENGTHS)}, found {unit}"
        ) from None


def _set_isotopes(atoms: Atoms, symbols: Sequence[str]) -> None:
    """Masses of the isotopes among these symbols; those of other atoms stay as they are."""
    if not set(symbols) & set(ISOTOPES):
        return
    masses = atoms.get_masses()
    for index, symbol in enumerate(symbols):
        if symbol in ISOTOPES:
            masses[index] = ISOTOPES[symbol][1]
    atoms.set_masses(masses)


def read_structure(path: str | os.PathLike[str]) -> Atoms:
    """The last structure of a file.

    :param path: any file that ASE reads
    :returns: positions in Å
    :raises StructureError: as :func:`read_structures`
    """
    return read_structures(path)[-1]


def spread(structures: Sequence[T], most: int) -> list[T]:
    """At most ``most`` of the structures, evenly spread, the first one among them.

    :param structures: in the order of their file, or their numbers
    :param most: largest number, at least one
    """
    picked = np.unique(np.linspace(0, len(structures) - 1, min(most, len(structures))).astype(int))
    return [structures[i] for i in picked]


def standard_orientation(atoms: Atoms) -> Atoms:
    """A copy rotated so that cell vector a lies along x and b in the xy plane.

    LAMMPS and i-PI both ask for such a cell. Velocities turn with the positions.

    :param atoms: with a cell of three independent vectors, Å
    :returns: positions in Å
    """
    cell, rotation = atoms.cell.standard_form()
    rotated: Atoms = atoms.copy()
    rotated.set_cell(cell, scale_atoms=False)
    rotated.set_positions(atoms.get_positions() @ rotation.T)
    rotated.set_velocities(atoms.get_velocities() @ rotation.T)
    return rotated
