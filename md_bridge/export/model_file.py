"""What kind of file a path is, told from its contents and not from its name."""

from __future__ import annotations

import os
import tempfile
import zipfile
from enum import Enum
from pathlib import Path

from metatomic.torch import AtomisticModel, load_atomistic_model

from md_bridge.export.errors import ExportError
from md_bridge.model_names import is_python_model

__all__ = [
    "DESCRIPTION_RECORD",
    "TORCHSCRIPT_RECORD",
    "Kind",
    "extract_torchscript",
    "identify",
    "load_exported",
    "read_description",
    "requested_inputs",
    "require_exported",
]

# what a compiled file has besides compiled functions (csrc/engine/compiled/package.cpp)
DESCRIPTION_RECORD = "extra/mdbridge.txt"
TORCHSCRIPT_RECORD = "extra/model.pt"


class Kind(Enum):
    """The kinds of file that this package reads."""

    EXPORTED = "exported model"
    COMPILED = "compiled model"
    CHECKPOINT = "checkpoint"


def identify(path: str | os.PathLike[str]) -> Kind:
    """Exported model, compiled model or checkpoint?

    :param path: of the file, whatever its name ends in
    :raises ExportError: neither: missing, truncated, or another kind of file, said in words
    """
    if is_python_model(path):
        raise ExportError(
            f"'{path}' is evaluated by Python, and this looks into the file of an exported model: "
            "name one"
        )
    path = Path(path)
    if not path.exists():
        raise ExportError(f"there is no file '{path}'")
    if path.is_dir():
        raise ExportError(f"'{path}' is a folder; expected a model file")
    if path.stat().st_size == 0:
        raise ExportError(f"'{path}' is empty")
    try:
        with zipfile.ZipFile(path) as archive:
            # a torch archive has one folder, which holds everything
            names = {name.partition("/")[2] for name in archive.namelist()}
    except zipfile.BadZipFile as error:
        raise ExportError(f"'{path}' {_not_an_archive(path)}") from error
    if DESCRIPTION_RECORD in names:
        return Kind.COMPILED
    if "extra/metatomic-version" in names:
        return Kind.EXPORTED
    if any(name.startswith("code/") for name in names):
        raise ExportError(
            f"'{path}' is a TorchScript file, but not an exported atomistic model: it does not say "
            "which elements, units, cutoff and outputs it has. Export its torch module with "
            "md_bridge.export.export_module"
        )
    if "data.pkl" in names:
        return Kind.CHECKPOINT
    raise ExportError(
        f"'{path}' is truncated, or a zip archive of something else: expected a metatrain "
        "checkpoint (.ckpt) or an exported model (.pt)"
    )


def _not_an_archive(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04":
        return "is truncated: copy or download it again"
    return (
        "is not a model file: expected a metatrain checkpoint (.ckpt) or an exported model (.pt), "
        f"found a file that starts with {start!r}"
    )


def require_exported(path: str | os.PathLike[str]) -> None:
    """Refuse what is not an exported model, compiled or not.

    :param path: of the file
    :raises ExportError: saying what it is instead
    """
    if identify(path) is Kind.CHECKPOINT:
        raise ExportError(
            f"'{path}' is a checkpoint; export it first: md-bridge export {path} -o model.pt"
        )


def load_exported(path: str | os.PathLike[str], extensions: str = "") -> AtomisticModel:
    """Load an exported model, onto the CPU; of a compiled one the TorchScript that is in it.

    :param path: of the exported model
    :param extensions: folder of compiled TorchScript extensions; empty: none
    :raises ExportError: it is not one, or cannot be read
    """
    require_exported(path)
    if identify(path) is Kind.COMPILED:
        with tempfile.TemporaryDirectory() as folder:
            inside = extract_torchscript(path, Path(folder) / "model.pt")
            return load_exported(inside, extensions)
    try:
        return load_atomistic_model(path, extensions_directory=extensions or None)
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"the exported model '{path}' cannot be loaded: {error}") from error


def read_description(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a compiled model says of itself, by key; also one of another machine.

    :param path: of the file
    :raises ExportError: it is no compiled model
    """
    lines = _record(path, DESCRIPTION_RECORD).decode().splitlines()
    return dict(line.partition(" ")[::2] for line in lines)


def extract_torchscript(path: str | os.PathLike[str], target: Path) -> Path:
    """Write the exported model that is in the compiled one at ``path`` to ``target``.

    :param path: of the compiled model
    :param target: of the file to write
    :returns: the path written
    :raises ExportError: it is no compiled model
    """
    target.write_bytes(_record(path, TORCHSCRIPT_RECORD))
    return target


def _record(path: str | os.PathLike[str], name: str) -> bytes:
    if identify(path) is not Kind.COMPILED:
        raise ExportError(
            f"'{path}' is no compiled model: expected a file of `md-bridge compile` (.pt2)"
        )
    with zipfile.ZipFile(path) as archive:
        (record,) = (entry for entry in archive.namelist() if entry.endswith(f"/{name}"))
        return archive.read(record)


def requested_inputs(model: AtomisticModel) -> list[str]:
    """What a model asks for besides the structure, by today's names.

    :param model: a loaded one
    """
    if not hasattr(model, "requested_inputs"):
        return []  # of before they were thought of
    try:
        return list(model.requested_inputs(use_new_names=True))
    except RuntimeError:  # of before they were renamed
        return list(model.requested_inputs())
