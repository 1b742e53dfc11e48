"""A path through the Brillouin zone, the same for all rows."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.errors import ArgumentError
from md_bridge.extras import missing_as_sentence
from md_bridge.statics.errors import StaticsError
from md_bridge.statics.phonons.crystal import Crystal

__all__ = ["AUTO", "BandPath", "make_path"]

Array = NDArray[np.float64]

AUTO = "auto"
"""The path of seekpath."""

_POINTS = 200
"""On the whole path, about."""
_FORM = "a line for each corner, its name and three fractional coordinates, a blank line for a jump"

_Corner = tuple[str, Array]


@dataclass(frozen=True, eq=False)
class BandPath:
    """P wave vectors on lines between corners."""

    qpoints: Array
    """[P, 3], fractional coordinates of the reciprocal lattice of the primitive cell."""
    distances: Array
    """[P], along the path, 1/Å (without 2π)."""
    segments: tuple[slice, ...]
    """The points of each line between two corners; both ends are in it."""
    ticks: tuple[tuple[float, str], ...]
    """Distance and name of each corner; where the path jumps, of both: ``U|K``."""


def make_path(crystal: Crystal, path: str, symprec: float) -> BandPath:
    """The path of seekpath for the crystal, or one from a file.

    :param crystal: whose given cell decides
    :param path: :data:`AUTO`, or a file with lines of a name and three fractional coordinates of
        the reciprocal lattice of the given cell; a blank line is a jump
    :param symprec: for the symmetry that decides on the path, Å
    :raises StaticsError: seekpath finds no symmetry
    :raises ArgumentError: the file cannot be read
    """
    lines = _seekpath(crystal.unit_cell, symprec) if path == AUTO else _from_file(Path(path))
    reciprocal = np.linalg.inv(crystal.unit_cell.cell.array).T
    lengths = [float(np.linalg.norm((b[1] - a[1]) @ reciprocal)) for a, b in lines]
    total = math.fsum(lengths)
    qpoints: list[Array] = []
    distances: list[Array] = []
    segments: list[slice] = []
    ticks: list[tuple[float, str]] = []
    begin, passed, last = 0, 0.0, ""
    for (start, end), length in zip(lines, lengths, strict=True):
        count = max(3, round(_POINTS * length / total) + 1)
        share = np.linspace(0.0, 1.0, count)
        qpoints.append(start[1] + share[:, None] * (end[1] - start[1]))
        distances.append(passed + share * length)
        segments.append(slice(begin, begin + count))
        if not ticks:
            ticks.append((0.0, start[0]))
        elif start[0] != last:
            ticks[-1] = (passed, f"{last}|{start[0]}")
        begin, passed, last = begin + count, passed + length, end[0]
        ticks.append((passed, last))
    return BandPath(
        qpoints=crystal.in_primitive(np.concatenate(qpoints)),
        distances=np.concatenate(distances),
        segments=tuple(segments),
        ticks=tuple(ticks),
    )


def _seekpath(atoms: Atoms, symprec: float) -> list[tuple[_Corner, _Corner]]:
    """Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), in terms of the given cell."""
    with missing_as_sentence("the path of a band structure"):
        import seekpath
    structure = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a conventional cell is a supercell to it
            found = seekpath.get_path_orig_cell(structure, symprec=symprec)
    except Exception as error:  # of seekpath or spglib, which have no class in common
        raise StaticsError(
            f"seekpath finds no path for this cell with symprec {symprec:g} Å ({error}): choose "
            "another symprec, or give the path as a file"
        ) from error
    corners = {name: (_shown(name), np.array(q)) for name, q in found["point_coords"].items()}
    return [(corners[start], corners[end]) for start, end in found["path"]]


def _shown(name: str) -> str:
    return "Γ" if name == "GAMMA" else name


def _from_file(path: Path) -> list[tuple[_Corner, _Corner]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ArgumentError(
            "path", f"must be {AUTO} or a file with {_FORM}; {path} cannot be read: {reason}"
        ) from None
    lines: list[tuple[_Corner, _Corner]] = []
    before: _Corner | None = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            before = None
            continue
        try:
            name, (a, b, c) = words[0], map(float, words[1:])
        except ValueError:
            raise ArgumentError(
                "path", f"names {path}, which must have {_FORM}; line {number} is {line!r}"
            ) from None
        corner = (_shown(name), np.array([a, b, c]))
        if before is not None and np.any(before[1] != corner[1]):
            lines.append((before, corner))
        before = corner
    if not lines:
        raise ArgumentError("path", f"names {path}, which must have {_FORM}; found no two corners")
    return lines
