"""Structures to begin with, each with a name: from files, folders, trajectories and databases."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.db
import numpy as np
from ase import Atoms

from md_bridge.engine import Pairs, structure_from_ase
from md_bridge.structures import StructureError, read_structures

__all__ = ["CLOSEST", "Start", "coinciding_atoms", "read_starts", "require_apart"]

CLOSEST = 0.1
"""Å: atoms that are closer are one atom that is there twice."""

_DATABASES = (".db", ".aselmdb")
_NAME_KEYS = ("name", "material_id", "mat_id", "id", "uid", "label")
"""What says, in the information of a frame or a row, how the structure is called."""


@dataclass(frozen=True)
class Start:
    """A structure with the name that all results have of it."""

    name: str
    atoms: Atoms


def read_starts(
    paths: Sequence[str | os.PathLike[str]], passed_over: list[str] | None = None
) -> list[Start]:
    """All structures of files and folders, in order.

    A file of one structure gives it its name; frames of a trajectory have the name that the frame
    itself says, or that of the file with their number, counted from 0; rows of an ASE database
    have that of their ``name`` or the like, or their id. Of a folder all files are read that ASE
    can read as structures, those of folders in it not.

    :param paths: of files that ASE reads, ASE databases, folders
    :param passed_over: gets the names of the files in folders that are none
    :returns: at least one; names differ
    :raises md_bridge.structures.StructureError: something is missing, unreadable or empty
    """
    found: list[Start] = []
    for path in map(Path, paths):
        found += _of_folder(path, passed_over) if path.is_dir() else _of_file(path)
    if not found:
        raise StructureError("there is no structure to begin with: name a file or a folder")
    return _with_different_names(found)


def coinciding_atoms(atoms: Atoms, distance: float = CLOSEST) -> tuple[int, int, float] | None:
    """Two atoms of a structure that are closer than any two can be.

    :param atoms: N atoms, Å
    :param distance: what is too close, Å
    :returns: their numbers, and how far they are apart (Å); None if there are none
    :raises md_bridge.engine.EngineError: a position is not finite, or the cell is flat
    """
    structure = structure_from_ase(atoms)
    pairs = Pairs(0.0)
    pairs.update(structure, distance)
    labels, vectors = pairs.select(structure, distance)
    if len(labels) == 0:
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    closest = int(np.argmin(lengths))
    first, second = (int(index) for index in labels[closest][:2])
    return first, second, float(lengths[closest])


def require_apart(start: Start) -> None:
    """Refuse a structure in which atoms coincide.

    :param start: to look at
    :raises md_bridge.structures.StructureError: some do, or a position is not finite
    """
    if not np.isfinite(start.atoms.positions).all():
        raise StructureError(f"start '{start.name}': a position is not a finite number")
    found = coinciding_atoms(start.atoms)
    if found is None:
        return
    first, second, length = found
    symbols = start.atoms.get_chemical_symbols()
    raise StructureError(
        f"start '{start.name}': atoms {first} ({symbols[first]}) and {second} ({symbols[second]}) "
        f"are {length:.2g} Å apart, expected {CLOSEST:g} Å or more: one of them is there twice, or "
        "the cell is too small; take it out (partly occupied sites have to be chosen first)"
    )


def _of_folder(folder: Path, passed_over: list[str] | None) -> list[Start]:
    starts: list[Start] = []
    unreadable = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() or path.name.startswith("."):
            continue
        try:
            starts += _of_file(path)
        except StructureError:
            unreadable.append(path.name)
    if not starts:
        names = ", ".join(unreadable[:3]) or "no files"
        raise StructureError(f"{folder} holds no structure that ASE reads; found {names}")
    if passed_over is not None:
        passed_over += unreadable
    return starts


def _of_file(path: Path) -> list[Start]:
    if path.suffix.lower() in _DATABASES and path.exists():
        return _of_database(path)
    structures = read_structures(path)
    stem = path.name.partition(".")[0] if path.suffix else path.name
    if len(structures) == 1:
        return [Start(_own_name(structures[0].info) or stem, structures[0])]
    return [
        Start(_own_name(atoms.info) or f"{stem}-{number}", atoms)
        for number, atoms in enumerate(structures)
    ]


def _of_database(path: Path) -> list[Start]:
    try:
        with ase.db.connect(path) as database:
            rows = list(database.select())
    except Exception as error:  # of any of ASE's backends
        raise StructureError(f"ASE cannot read the database {path} ({error})") from error
    if not rows:
        raise StructureError(f"{path} holds no structure")
    stem = path.name.partition(".")[0]
    starts = []
    for row in rows:
        name = _own_name({**row.data, **row.key_value_pairs}) or f"{stem}-{row.id}"
        atoms = row.toatoms()
        atoms.calc = None
        starts.append(Start(name, atoms))
    return starts


def _own_name(info: dict[str, object]) -> str:
    for key in _NAME_KEYS:
        value = info.get(key)
        if isinstance(value, str | int | np.integer) and f"{value}".strip():
            return f"{value}".strip()
    return ""


def _with_different_names(starts: Iterable[Start]) -> list[Start]:
    """Names that can be those of files, the second of a name with -2 after it."""
    named = [(re.sub(r"[^\w.+=@-]+", "_", start.name), start.atoms) for start in starts]
    given = {name for name, _ in named}
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    result = []
    for name, atoms in named:
        seen[name] += 1
        own = name if seen[name] == 1 else f"{name}-{seen[name]}"
        while own in taken or (own != name and own in given):
            seen[name] += 1
            own = f"{name}-{seen[name]}"
        taken.add(own)
        result.append(Start(own, atoms))
    return result
