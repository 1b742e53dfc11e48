"""Rows on the disk: what was measured of a model is not measured again by the same settings.

rows/MEASURE/MODEL-DIGEST.json    what was found, with what it was measured of, how and by what
work/MEASURE/MODEL-DIGEST/        runs, starts and the like of that row

The digest is that of the model and of all settings that decide the numbers, checksums of the
structures among them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from md_bridge.compare.findings import Found
from md_bridge.compare.subjects import Subject
from md_bridge.text import replace_atomically

__all__ = ["KeptRow", "KeptRows"]


@dataclass(frozen=True)
class KeptRow:
    """A row that is there, and when and with which versions it was measured."""

    found: Found
    made: str
    """UTC."""
    versions: Mapping[str, str]


class KeptRows:
    """The rows of a folder.

    :param folder: of the results
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def work(self, measure: str, subject: Subject, settings: Mapping[str, Any]) -> Path:
        """Folder for what a measure leaves besides its row; made if missing.

        :param measure: its name
        :param subject: the model
        :param settings: that decide the numbers
        :raises OSError: it cannot be made
        """
        path = self._folder / "work" / measure / _file_name(measure, subject, settings)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def load(self, measure: str, subject: Subject, settings: Mapping[str, Any]) -> KeptRow | None:
        """The row that is there; None without one, or where it cannot be read.

        :param measure: its name
        :param subject: the model
        :param settings: that decide the numbers
        """
        path = self._path(measure, subject, settings)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return KeptRow(Found.from_dict(content["found"]), content["made"], content["versions"])
        except (OSError, ValueError, KeyError, TypeError):  # not there, or of another version
            return None

    def save(
        self,
        measure: str,
        subject: Subject,
        settings: Mapping[str, Any],
        found: Found,
        around: Mapping[str, Any],
    ) -> None:
        """Keep a row.

        :param measure: its name
        :param subject: the model
        :param settings: that decide the numbers
        :param found: the row
        :param around: machine and versions, as
            :func:`md_bridge.drift.report.environment.surroundings` has them
        :raises OSError: the folder cannot be written into
        :raises ValueError: a number is not finite
        """
        path = self._path(measure, subject, settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        content = {
            "measure": measure,
            "name": subject.name,
            "model": subject.as_dict(),
            "settings": dict(settings),
            "machine": around["machine"],
            "versions": around["versions"],
            "made": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
            "found": found.as_dict(),
        }
        text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        replace_atomically(path, lambda whole: whole.write_text(text, encoding="utf-8"))

    def _path(self, measure: str, subject: Subject, settings: Mapping[str, Any]) -> Path:
        name = _file_name(measure, subject, settings)
        return self._folder / "rows" / measure / f"{name}.json"


def _file_name(measure: str, subject: Subject, settings: Mapping[str, Any]) -> str:
    deciding = {"measure": measure, "model": subject.identity, "settings": settings}
    text = json.dumps(deciding, sort_keys=True, default=str)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = re.sub(r"[^\w.+-]+", "-", subject.name)
    return f"{name}-{digest}"
