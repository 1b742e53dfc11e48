"""Structures from files, and in the orientation that LAMMPS and i-PI ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from md_bridge.errors import MDBridgeError

__all__ = [
    "StructureError",
    "read_structure",
    "read_structures",
    "spread",
    "standard_orientation",
]


class StructureError(MDBridgeError, ValueError):
    """A structure cannot be read or used; the message names the file."""


def read_structures(path: str | os.PathLike[str]) -> list[Atoms]:
    """All structures of any file that ASE reads, at least one.

    :param path: the file
    :returns: positions in Å
    :raises StructureError: the file is missing, unreadable or holds no structure
    """
    path = Path(path)
    if not path.exists():
        raise StructureError(f"{path} does not exist; expected a structure file")
    try:
        structures = ase.io.read(path, index=":")
    except Exception as error:  # ASE's readers raise whatever they stumble over
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise StructureError(f"ASE cannot read a structure from {path} ({reason})") from error
    if not structures:
        raise StructureError(f"{path} holds no structure")
    return list(structures)


def read_structure(path: str | os.PathLike[str]) -> Atoms:
    """The last structure of a file.

    :param path: any file that ASE reads
    :returns: positions in Å
    :raises StructureError: as :func:`read_structures`
    """
    return read_structures(path)[-1]


def spread(structures: Sequence[Atoms], most: int) -> list[Atoms]:
    """At most ``most`` of the structures, evenly spread, the first one among them.

    :param structures: in the order of their file
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
