"""The file that is certified, where it is named in another way than by its path."""

from __future__ import annotations

from pathlib import Path

from md_bridge.export.files import save_atomically
from md_bridge.export.model_file import require_exported
from md_bridge.export.sources import build_model

__all__ = ["PUBLISHED", "model_file"]

PUBLISHED = "upet:"
"""What the name of a published model begins with."""


def model_file(source: str, folder: Path) -> Path:
    """The exported file that a source names.

    :param source: path of an exported file, or ``upet:NAME[@VERSION]``, which is fetched and
        exported into the folder
    :param folder: exists
    :returns: path of the file
    :raises ExportError: it is no exported file, or cannot be fetched
    """
    if not source.startswith(PUBLISHED):
        require_exported(source)
        return Path(source)
    name = source.removeprefix(PUBLISHED).replace("/", "-")
    return save_atomically(build_model(source, {}), folder / f"{name}.pt")
