"""The structure that a simulation starts from, in a form that i-PI reads as it is meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from ase.io.formats import UnknownFileTypeError, filetype

from md_bridge.structures import (
    StructureError,
    is_ipi_xyz,
    read_structures,
    standard_orientation,
)

__all__ = [
    "Start",
    "is_read_as_xyz",
    "read_start",
]

# A molecule in a box may drift apart and turn around by this much before it meets its images, Å.
_ROOM = 20.0
# Models without a finite range see the images of any box; this one keeps them small, Å.
_LARGEST_RANGE = 50.0


@dataclass(frozen=True)
class Start:
    """What i-PI starts from.

    ``atoms`` has its first cell vector along x and the second one in the xy plane, as i-PI wants
    it; or no cell at all (a molecule).
    """

    path: Path
    """The file that the user gave."""
    atoms: ase.Atoms
    as_it_is: bool
    """Whether i-PI can read this file itself; if not, it needs one that ASE writes from
    ``atoms``."""
    mode: str = "ase"
    """What i-PI is to read it as: "ase", or "xyz" for its own format, as it is."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the difference."""

    @property
    def periodic(self) -> bool:
        """Periodic in all directions, rather than a molecule."""
        return bool(self.atoms.pbc.all())

    def box(self, interaction_range: float) -> list[str]:
        """Lengths of a box for a molecule, Å: so large that no atom feels an image of another.

        :param interaction_range: of the model, Å
        :returns: three equal numbers as i-PI's input has them
        """
        extent = np.ptp(self.atoms.positions, axis=0).max()
        reach = min(interaction_range, _LARGEST_RANGE)
        return [f"{np.ceil(extent + 2 * reach + _ROOM):g}"] * 3

    def cell_columns(self) -> list[str]:
        """The cell, row by row, with its vectors in columns, Å."""
        return [f"{value:.10g}" for value in self.atoms.cell.array.T.ravel()]


def is_read_as_xyz(name: str) -> bool:
    """Whether i-PI, which asks ASE, takes a file of this name for extended XYZ: not if it has
    POSCAR or OUTCAR in it.

    :param name: of the file, without its folder
    """
    if not name.lower().endswith((".xyz", ".extxyz")):
        return False
    try:
        return filetype(name, read=False) == "extxyz"
    except UnknownFileTypeError:
        return False


def read_start(path: Path) -> Start:
    """Read a structure and turn it so that its cell is upper triangular in i-PI's convention.

    :param path: any file that ASE reads
    :returns: positions in Å, with notes on what was changed
    :raises StructureError: if there is not exactly one structure, or i-PI could not have such a
        cell
    """
    frames = read_structures(path)
    if len(frames) != 1:
        raise StructureError(
            f"{path} has {len(frames)} structures, and i-PI would take them for beads: give a file "
            f'with one (`ase convert -n -1 "{path}" start.xyz` takes the last)'
        )
    atoms = frames[0]
    if not len(atoms):
        raise StructureError(f"{path} has no atoms")
    if atoms.constraints:
        raise StructureError(
            f"{path}: some atoms are frozen ({type(atoms.constraints[0]).__name__}), and this "
            "input would let them move: write the file without constraints, and add <fixatoms> to "
            "the input"
        )
    mode = "xyz" if is_ipi_xyz(path) else "ase"
    # ASE, and so i-PI, knows no isotopes; in a copy they are hydrogen with their mass
    as_it_is = mode == "xyz" or (is_read_as_xyz(path.name) and not atoms.has("masses"))
    if not atoms.pbc.any():
        return _molecule(path, atoms, as_it_is, mode)
    _check_cell(path, atoms)
    turned = standard_orientation(atoms)
    if np.allclose(turned.cell.array, atoms.cell.array, rtol=0.0, atol=1e-12):
        return Start(path, atoms, as_it_is, mode)
    return Start(
        path,
        turned,
        False,
        notes=[
            "turned so that the first cell vector lies along x and the second one in the xy plane"
        ],
    )


def _molecule(path: Path, atoms: ase.Atoms, as_it_is: bool, mode: str) -> Start:
    if not atoms.cell.rank:
        return Start(path, atoms, as_it_is, mode)
    bare = atoms.copy()
    bare.set_cell(None)
    return Start(path, bare, False, notes=["not periodic, so its cell was left out"])


def _check_cell(path: Path, atoms: ase.Atoms) -> None:
    """Refuse what cannot be turned into an upper triangular cell with a positive diagonal."""
    advice = 'write the cell and pbc="T T T" into the file, with vacuum where it should not repeat'
    if not atoms.pbc.all():
        repeats = ", ".join(str(k + 1) for k in range(3) if atoms.pbc[k])
        raise StructureError(
            f"{path} is periodic along cell vector {repeats} only, but i-PI's cells repeat in all "
            f"directions: {advice}"
        )
    volume = np.linalg.det(atoms.cell.array)
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    if not np.isfinite(volume) or abs(volume) <= 1e-6 * np.prod(lengths):
        raise StructureError(f"the cell of {path} has no volume: {advice}")
    if volume < 0:
        raise StructureError(
            f"the cell vectors of {path} are left-handed, so no rotation makes i-PI's upper "
            "triangular cell of them: exchange two of the vectors"
        )
