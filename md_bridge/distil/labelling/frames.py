"""Labelled frames, in a folder to which they are added block by block.

``frames/run-1/00001.npz`` is a block of the first run: a few frames of its dynamics, and where the
dynamics goes on. A file appears whole or not at all.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from md_bridge.distil.errors import DistilError, FrameFolderError
from md_bridge.text import replace_atomically

__all__ = ["Block", "FrameStore", "read_frames"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Block:
    """F frames of N atoms, as ``numpy.load`` gives them by these names.

    The first frames are pairs of neighbours, (0, 1), (2, 3), …; strained and rattled ones follow.
    """

    numbers: NDArray[np.int64]
    """``[N]``, atomic numbers."""
    masses: Array
    """``[N]``, u."""
    pbc: NDArray[np.bool_]
    """``[3]``."""
    positions: Array
    """``[F, N, 3]``, Å."""
    cells: Array
    """``[F, 3, 3]``, a cell vector each row, Å."""
    forces: Array
    """``[F, N, 3]``, conservative ones of the teacher, eV/Å."""
    energies: Array
    """``[F]``, eV."""
    pairs: int
    """Number of pairs of neighbours among the frames."""
    end_positions: Array
    """``[N, 3]``, where the dynamics goes on, Å."""
    end_momenta: Array
    """``[N, 3]``, in ASE's units."""
    dropped: int
    """Frames that were dropped on the way because a number was not finite."""

    def __len__(self) -> int:
        return len(self.energies)


class FrameStore:
    """The blocks in a folder.

    :param folder: ``frames``, made when the first block is written
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, run: int, number: int) -> Path:
        """Where a block is.

        :param run: number of the run, from 1
        :param number: of the block in it, from 1
        """
        return self.folder / f"run-{run}" / f"{number:05d}.npz"

    def write(self, run: int, number: int, block: Block) -> None:
        """Add a block.

        :param run: number of the run
        :param number: of the block
        :param block: what is in it
        :raises DistilError: it cannot be written
        """
        path = self.path(run, number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_atomically(path, lambda unfinished: _save(unfinished, block))
        except OSError as error:
            raise DistilError(
                f"cannot write {path}: {error.strerror or error}. What was written before is "
                "there: make room, and the same command goes on"
            ) from error

    def read(self, run: int, number: int) -> Block:
        """A block that is there.

        :param run: number of the run
        :param number: of the block
        :raises FrameFolderError: the file is damaged
        """
        return _load(self.path(run, number))

    def blocks(self) -> Iterator[Block]:
        """All blocks, in order."""
        for _, block in self.numbered():
            yield block

    def numbered(self) -> Iterator[tuple[int, Block]]:
        """All blocks in order, each with its number in its run."""
        for path in sorted(self.folder.glob("run-*/*.npz"), key=_order):
            yield _order(path)[1], _load(path)

    def first_blocks(self) -> Iterator[Block]:
        """The first block of each run, in order."""
        for path in sorted(self.folder.glob("run-*/00001.npz"), key=_order):
            yield _load(path)

    def last_blocks(self) -> Iterator[Block]:
        """The last block of each run, in order."""
        last = {path.parent: path for path in sorted(self.folder.glob("run-*/*.npz"), key=_order)}
        for path in last.values():
            yield _load(path)


def read_frames(folder: Path) -> list[Atoms]:
    """All frames of a student's folder, with energies and forces, to train other models on.

    :param folder: ``inner.distil``
    :returns: energies in eV, forces in eV/Å
    :raises FrameFolderError: a file is damaged
    """
    found = []
    for block in FrameStore(folder / "frames").blocks():
        for index in range(len(block)):
            atoms = Atoms(
                block.numbers, block.positions[index], cell=block.cells[index], pbc=block.pbc
            )
            atoms.set_masses(block.masses)
            atoms.calc = SinglePointCalculator(
                atoms, energy=float(block.energies[index]), forces=block.forces[index]
            )
            found.append(atoms)
    return found


def _order(path: Path) -> tuple[int, int]:
    return int(path.parent.name.removeprefix("run-")), int(path.stem)


def _save(path: Path, block: Block) -> None:
    with open(path, "wb") as file:  # numpy would append .npz to a name
        np.savez(file, **vars(block))


def _load(path: Path) -> Block:
    try:
        with np.load(path) as arrays:
            values: dict[str, Any] = {name: arrays[name] for name in Block.__dataclass_fields__}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FrameFolderError(
            f"{path} cannot be read ({error}): delete it and those after it in its folder, and "
            "they will be made again"
        ) from error
    for name in ("pairs", "dropped"):
        values[name] = int(values[name])
    return Block(**values)
