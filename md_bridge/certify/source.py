"""The file that is certified, where it is named in another way than by its path."""

from __future__ import annotations

from pathlib import Path

from md_bridge.certify.errors import CertifyError
from md_bridge.export.files import save_atomically
from md_bridge.export.model_file import require_exported
from md_bridge.export.sources import build_model

__all__ = ["PUBLISHED", "make_folder", "model_file"]

PUBLISHED = "upet:"
"""What the name of a published model begins with."""


def make_folder(folder: Path) -> None:
    """Make the folder of a certificate, if it is not there.

    :param folder: that everything is written into
    :raises CertifyError: it cannot be made
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CertifyError(
            f"cannot make {folder}: {error.strerror}; choose another folder"
        ) from error


def model_file(source: str, folder: Path) -> Path:
    """The exported file that a source names.

    :param source: path of an exported file, or ``upet:NAME[@VERSION]``, which is fetched and
        exported into the folder
    :param folder: made if it is missing
    :returns: path of the file
    :raises CertifyError: the folder cannot be made
    :raises ExportError: it is no exported file, or cannot be fetched
    """
    make_folder(folder)
    if not source.startswith(PUBLISHED):
        require_exported(source)
        return Path(source)
    name = source.removeprefix(PUBLISHED).replace("/", "-")
    return save_atomically(build_model(source, {}), folder / f"{name}.pt")
