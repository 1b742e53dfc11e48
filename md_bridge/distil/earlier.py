"""The frames of an earlier student, and of those before it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from md_bridge.distil.budget import held_out_blocks
from md_bridge.distil.labelling.consistency import labels_are_of
from md_bridge.distil.labelling.frames import FrameStore
from md_bridge.distil.labelling.teacher import Teacher
from md_bridge.distil.settings import SETTINGS
from md_bridge.distil.training.batches import Frames

__all__ = ["FOLDER", "Taken", "earlier_folders", "take_frames"]

FOLDER = "folder"
"""Of the metadata of a student: where its frames are, relative to its file."""


@dataclass
class Taken:
    """What was taken from folders of earlier students."""

    frames: int = 0
    why_not: list[str] = field(default_factory=list)
    """A sentence for each folder without frames that serve."""


def earlier_folders(student: Path, about: Mapping[str, str]) -> list[Path]:
    """Where the frames are that a student has learned from: its own folder, and those of the
    students that it was made from.

    :param student: its file
    :param about: the metadata of the file
    """
    own = student.parent / about.get(FOLDER, "")
    if FOLDER not in about or not own.is_dir():
        own = student.with_suffix(".distil")
    own = Path(os.path.normpath(own))
    before = _decided(own).get("earlier", ())
    return [own, *(Path(os.path.normpath(own / each)) for each in before)]


def take_frames(folders: list[Path], teacher: Teacher, frames: Frames) -> Taken:
    """Add the frames of earlier students, of which a frame of each run is labelled anew; blocks
    that were held out stay so.

    :param folders: of the students
    :param teacher: that frames must be of
    :param frames: gets them
    """
    taken = Taken()
    for folder in folders:
        store = FrameStore(folder / "frames")
        firsts = list(store.first_blocks())
        if not firsts:
            taken.why_not.append(f"No earlier frames were found in {folder}.")
            continue
        if not all(labels_are_of(teacher, block) for block in firsts):
            taken.why_not.append(f"The frames in {folder} are of another teacher: none was taken.")
            continue  # the weights are a start all the same
        before = len(frames)
        blocks = int(_decided(folder).get("counts", {}).get("blocks", 0))
        learned = blocks - held_out_blocks(blocks)
        for number, block in store.numbered():
            frames.add(block, held_out=blocks > 0 and number > learned)
        taken.frames += len(frames) - before
    return taken


def _decided(folder: Path) -> dict:
    try:
        return json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["decided"]
    except (OSError, ValueError, KeyError):
        return {}
