"""``settings.json``: what the frames and the training of a folder were made with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from md_bridge import __version__
from md_bridge.distil.budget import Counts
from md_bridge.distil.errors import FrameFolderError
from md_bridge.distil.labelling.driving import Driving
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.distil.request import DEFAULT_HOURS, DistilRequest
from md_bridge.distil.student import Architecture
from md_bridge.processes import alone_in
from md_bridge.text import replace_atomically, sha256_of

__all__ = ["SETTINGS", "Decided", "StudentFolder", "asked"]

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Decided:
    """What was decided when a folder was begun, and holds for all that is done in it."""

    counts: Counts
    architecture: Architecture
    timestep_fs: float
    """Of the dynamics (fs)."""
    driving: Driving
    earlier: tuple[str, ...] = ()
    """Folders of the students that this one goes on from, relative to its own."""

    @staticmethod
    def read(content: dict[str, Any]) -> Decided:
        """From what JSON has.

        :param content: as ``asdict`` makes it
        """
        architecture = content["architecture"]
        return Decided(
            Counts(**content["counts"]),
            Architecture(**{**architecture, "elements": tuple(architecture["elements"])}),
            float(content["timestep_fs"]),
            Driving(**content["driving"]),
            tuple(content["earlier"]),
        )


def asked(request: DistilRequest, teacher: Teacher, starts: Sequence[Atoms]) -> dict[str, Any]:
    """What decides which student comes out, as JSON has it.

    :param request: what was asked for
    :param teacher: that labels
    :param starts: all structures
    """
    options = asdict(request.model_options)
    for name in ("device", "threads", "max_correction"):  # change no label and no training
        del options[name]
    source = request.from_student
    return {
        "teacher": teacher.name,
        "teacher_sha256": teacher.checksum,
        "starts_sha256": _checksum_of_structures(starts),
        "temperatures_K": list(request.temperatures_k),
        # that which decides: hours do not, where both counts are given
        "hours": None if request.frames and request.steps else request.hours or DEFAULT_HOURS,
        "frames": request.frames,
        "steps": request.steps,
        "timestep_fs": request.timestep_fs,
        "cutoff": request.cutoff,
        "seed": request.seed,
        "from_sha256": None if source is None else sha256_of(source),
        "model_options": options,
    }


class StudentFolder:
    """The folder beside a student, which one process works in at a time.

    :param path: of the folder, made if missing
    :raises FrameFolderError: it cannot be made
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FrameFolderError(f"cannot make {path}: {error.strerror}") from error

    @property
    def frames(self) -> Path:
        """Folder of the frames."""
        return self.path / "frames"

    @property
    def checkpoint(self) -> Path:
        """Of the training."""
        return self.path / "training.pt"

    def alone(self) -> AbstractContextManager[None]:
        """Keep a second process out.

        :raises FrameFolderError: another one works in the folder, or it cannot be written into
        """
        return alone_in(self.path, "md-bridge distil", FrameFolderError)

    def settings(self, wanted: dict[str, Any]) -> Decided | None:
        """What was decided when the folder was begun.

        :param wanted: see :func:`asked`
        :returns: None for a new folder
        :raises FrameFolderError: it was begun with other settings, or is not of a student
        """
        path = self.path / SETTINGS
        if not path.exists():
            if self.frames.exists():
                raise FrameFolderError(
                    f"{self.path} holds frames but no {SETTINGS}: they are of something else. Give "
                    "another folder"
                )
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            result = Decided.read(found["decided"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FrameFolderError(
                f"{path} cannot be read ({error}): give another folder"
            ) from error
        differing = [key for key in wanted if found.get(key) != wanted[key]]
        if differing:
            changes = "; ".join(
                f"{key} is {_shown(found.get(key))} there and {_shown(wanted[key])} now"
                for key in differing
            )
            raise FrameFolderError(
                f"{self.path} was begun with other settings: {changes}. Give those, or another "
                "folder; or another student, made with from_student, to go on from this one"
            )
        return result

    def claim(self, wanted: dict[str, Any], decided: Decided) -> None:
        """Write the settings of a new folder.

        :param wanted: see :func:`asked`
        :param decided: what is made, and how
        :raises FrameFolderError: they cannot be written
        """
        content = {
            "md_bridge": __version__,
            **wanted,
            "decided": asdict(decided),
        }
        text = json.dumps(content, indent=2) + "\n"
        try:
            replace_atomically(
                self.path / SETTINGS, lambda unfinished: unfinished.write_text(text, "utf-8")
            )
        except OSError as error:
            raise FrameFolderError(
                f"cannot write into {self.path}: {error.strerror or error}"
            ) from error


def _checksum_of_structures(starts: Sequence[Atoms]) -> str:
    digest = hashlib.sha256()
    for atoms in starts:
        for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            digest.update(array.tobytes())
        digest.update(atoms.get_masses().tobytes())
    return digest.hexdigest()


def _shown(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
