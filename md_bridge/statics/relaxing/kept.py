"""Results on the disk: what is done is not done again by the same command."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.jsonio import decode, encode

from md_bridge.statics.relaxing.results import Relaxation
from md_bridge.statics.rows import Row
from md_bridge.statics.starts import Start
from md_bridge.text import replace_atomically

__all__ = ["KEPT", "KeptRelaxations"]

KEPT = "kept"
"""Folder of the files."""

_NOT_KEPT = ("frames",)
"""The path has a file of its own."""
_NO_PATH = "none"


class KeptRelaxations:
    """One file for each structure and row, whose name tells what decides its content.

    :param folder: of everything; None: nothing is kept
    :param settings: all that decides a result besides the row and the start, as JSON can have it
    :param trajectory: format of the paths that are wanted; ``none``: no paths
    """

    def __init__(
        self, folder: Path | None, settings: Mapping[str, Any], trajectory: str = _NO_PATH
    ) -> None:
        self._folder = folder
        self._settings = json.dumps(settings, sort_keys=True, default=str)
        self._trajectory = trajectory
        self.without_path = 0
        """Results that are there, but were made without the path that is wanted now."""

    def load(self, row: Row, start: Start) -> Relaxation | None:
        """The result that is there, if there is one; none whose path is wanted and was not written.

        :param row: of the forces
        :param start: that it began with
        """
        path = self._path(row, start)
        if path is None or not path.exists():
            return None
        try:
            found = decode(path.read_text(encoding="utf-8"), always_array=False)
            written = found.pop("trajectory")
            relaxation = Relaxation(**{**found, "kinds": tuple(found["kinds"])})
        except (ValueError, KeyError, TypeError, OSError):  # of another version
            return None
        if self._trajectory not in (_NO_PATH, written):
            self.without_path += 1
            return None
        return relaxation

    def save(self, row: Row, start: Start, relaxation: Relaxation) -> None:
        """Keep a result, unless it was stopped: what failed once may work the next time.

        :param row: of the forces
        :param start: that it began with
        :param relaxation: how it ended
        :raises OSError: the folder cannot be written into
        """
        path = self._path(row, start)
        if path is None or relaxation.status == "stopped":
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            field.name: getattr(relaxation, field.name)
            for field in fields(Relaxation)
            if field.name not in _NOT_KEPT
        }
        content["kinds"] = list(relaxation.kinds)
        content["trajectory"] = self._trajectory
        text = encode(content)
        replace_atomically(path, lambda whole: whole.write_text(text, encoding="utf-8"))

    def _path(self, row: Row, start: Start) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(self._settings.encode())
        digest.update(f"{row}".encode())
        digest.update(_content(start.atoms))
        name = f"{start.name}-{digest.hexdigest()[:12]}.json"
        return self._folder / KEPT / row.file_name / name


def _content(atoms: Atoms) -> bytes:
    """What decides the way of a structure."""
    arrays = (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    constraints = json.dumps([c.todict() for c in atoms.constraints], default=str)
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays) + (
        constraints.encode()
    )
