"""Writing an exported model so that a half-written file never has its name."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from metatomic.torch import AtomisticModel

from md_bridge.export.errors import ExportError

__all__ = ["check_destination", "drop_source_paths", "errors_of_writing", "save_atomically"]


def check_destination(path: str | os.PathLike[str], suffix: str = ".pt") -> Path:
    """``path`` as a Path, if a model can be written there: asked before the long work, not after.

    :param path: of the file to write
    :param suffix: what it has to end in, ``.pt`` or ``.pt2``
    :raises ExportError: the folder is missing or read-only, or ``path`` is a folder
    """
    path = Path(path)
    if path.suffix != suffix:
        kind = "exported" if suffix == ".pt" else "compiled"
        raise ExportError(
            f"'{path}' should end in {suffix}, as {kind} models do: '{path.stem}{suffix}'"
        )
    if path.is_dir():
        raise ExportError(f"'{path}' is a folder; give the name of the file to write")
    if not path.parent.is_dir():
        raise ExportError(f"the folder '{path.parent}' does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise ExportError(f"no permission to write in the folder '{path.parent}'")
    return path


@contextmanager
def errors_of_writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says against writing ``path`` (disk full, quota, ...) as an ExportError.

    :param path: of the file to write, for the message
    :raises ExportError: in place of an OSError
    """
    try:
        yield
    except OSError as error:
        raise ExportError(f"could not write '{path}': {error}") from error


def save_atomically(
    model: AtomisticModel,
    path: str | os.PathLike[str],
    extensions: str | os.PathLike[str] | None = None,
) -> Path:
    """Save ``model`` beside ``path``, then rename, so that a reader sees all of it or nothing.

    An older file at ``path`` stays as it was if anything fails.

    :param model: in Python or compiled
    :param path: of the file to write, ``something.pt``
    :param extensions: folder for copies of the compiled TorchScript extensions that the model
        needs; it is replaced. None: they are not copied
    :returns: the path written
    :raises ExportError: TorchScript cannot compile the model, or the disk is full
    """
    path = check_destination(path)
    with errors_of_writing(path):
        temporary = tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-")
    with temporary as folder:
        # the same file name inside: torch stores it in the archive
        partial = Path(folder) / path.name
        try:
            _reserve(partial, _upper_size(model))
            with warnings.catch_warnings():
                # torch deprecates TorchScript, which metatomic's format is made of
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                model.save(partial, None if extensions is None else str(extensions))
            drop_source_paths(partial)
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            os.replace(partial, path)
        except (OSError, RuntimeError) as error:
            cause = error.__cause__ or error
            raise ExportError(f"could not write '{path}': {cause}") from error
    return path


def drop_source_paths(path: str | os.PathLike[str]) -> None:
    """Rewrite a TorchScript file without its debug records.

    They hold the path of every source file the model was compiled from, on the machine of whoever
    exported it; metatomic adds the folder that extensions were copied to. Messages of the model
    itself are in its code, and stay.

    :param path: of the file, which is written again in place
    """
    reader = torch._C.PyTorchFileReader(str(path))
    kept = {
        name: reader.get_record(name)
        for name in reader.get_all_records()
        # the writer makes these two itself
        if not name.endswith(".debug_pkl") and name not in ("version", ".data/serialization_id")
    }
    for name in kept:
        if name.endswith("extra/export-metadata"):
            about = json.loads(kept[name])
            about.pop("extensions_directory", None)
            kept[name] = json.dumps(about).encode()
    writer = torch._C.PyTorchFileWriter(str(path))
    for name, data in kept.items():
        writer.write_record(name, data, len(data))
    writer.write_end_of_file()


def _upper_size(model: torch.nn.Module) -> int:
    """More bytes than the file of ``model`` will have: its numbers, and room for its code."""
    tensors = [*model.parameters(), *model.buffers()]
    return 2**23 + sum(2**10 + tensor.nbytes for tensor in tensors)


def _reserve(path: Path, size: int) -> None:
    """Fail with an OSError unless ``size`` bytes fit at ``path``.

    torch aborts the whole process when the disk is full in the middle of its own writing.
    """
    with open(path, "wb") as file:
        for _ in range(0, size, 2**20):
            file.write(bytes(2**20))
        file.flush()
        os.fsync(file.fileno())
