"""Writing an exported model so that a half-written file never has its name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from metatomic.torch import AtomisticModel

from .errors import ExportError


def check_destination(path: str | os.PathLike[str]) -> Path:
    """``path`` as a Path, if a model can be written there: asked before the long work, not after.

    :raises ExportError: the folder is missing or read-only, or ``path`` is a folder
    """
    path = Path(path)
    if path.suffix != ".pt":
        raise ExportError(f"'{path}' should end in .pt, as exported models do: '{path.stem}.pt'")
    if path.is_dir():
        raise ExportError(f"'{path}' is a folder; give the name of the file to write")
    if not path.parent.is_dir():
        raise ExportError(f"the folder '{path.parent}' does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise ExportError(f"no permission to write in the folder '{path.parent}'")
    return path


def save_atomically(model: AtomisticModel, path: str | os.PathLike[str]) -> Path:
    """Save ``model`` beside ``path``, then rename, so that a reader sees all of it or nothing.

    An older file at ``path`` stays as it was if anything fails.

    :raises ExportError: TorchScript can not compile the model, or the disk is full
    """
    path = check_destination(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        # the same file name inside: torch stores it in the archive
        partial = Path(folder) / path.name
        try:
            model.save(partial)
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            cause = error.__cause__ or error
            raise ExportError(f"could not write '{path}': {cause}") from error
    return path
