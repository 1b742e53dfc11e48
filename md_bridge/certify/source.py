"""What is certified, where it is named in another way than by the path of a file."""

from __future__ import annotations

from pathlib import Path

from md_bridge.certify.errors import CertifyError
from md_bridge.export.files import save_atomically
from md_bridge.export.model_file import require_exported
from md_bridge.export.sources import build_model
from md_bridge.model_names import is_python_model, require_model

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
    """The model that a source names.

    :param source: path of an exported file; ``python:package.module:factory``; or
        ``upet:NAME[@VERSION]``, which is fetched and exported into the folder
    :param folder: made if it is missing
    :returns: path of the file, or the name of what Python evaluates, as a path
    :raises CertifyError: the folder cannot be made
    :raises ExportError: it is no exported file, or cannot be fetched
    :raises ArgumentError: Python finds no such module
    """
    if is_python_model(source):
        require_model("model", source)
        return Path(source)
    make_folder(folder)
    if not source.startswith(PUBLISHED):
        require_exported(source)
        return Path(source)
    name = source.removeprefix(PUBLISHED).replace("/", "-")
    return save_atomically(build_model(source, {}), folder / f"{name}.pt")
