"""A compiled file: functions, a description of them, and the TorchScript that they were made of.

It is an archive of torch's (``.pt2``) with two records of ours beside the compiled functions:
``extra/mdbridge.txt``, lines of "key value", and ``extra/model.pt``, the TorchScript file
(``csrc/engine/compiled/package.cpp`` reads both).
"""

from __future__ import annotations

import os
import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch.export.pt2_archive._package import package_pt2

from md_bridge._core import cpu_features
from md_bridge.export.errors import ExportError

__all__ = ["extract_torchscript", "is_compiled", "read_description", "write_package"]

_FORMAT = "1"
_DESCRIPTION = "extra/mdbridge.txt"
_TORCHSCRIPT = "extra/model.pt"


def write_package(
    path: Path,
    functions: Mapping[str, list[str]],
    description: Mapping[str, str],
    torchscript: Path,
) -> None:
    """Write a compiled file for this machine's CPU and this torch.

    :param path: of the file, ``something.pt2``
    :param functions: for each function the files that its compilation wrote
    :param description: what the engine has to know of them
    :param torchscript: the exported model that they were made of
    """
    lines = {
        "format": _FORMAT,
        "torch": torch.__version__.partition("+")[0],
        "cpu": _cpu_name(),
        "cpu_features": " ".join(cpu_features()),
        "functions": " ".join(functions),
        **description,
    }
    text = "".join(f"{key} {value}\n" for key, value in lines.items())
    extra = {_DESCRIPTION.partition("/")[2]: text}
    package_pt2(path, aoti_files={**functions}, extra_files=extra)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.write(torchscript, f"{top}/{_TORCHSCRIPT}")


def is_compiled(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a compiled file. Never raises."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _record(archive, _DESCRIPTION) is not None
    except (OSError, zipfile.BadZipFile):
        return False


def read_description(path: str | os.PathLike[str]) -> dict[str, str]:
    """What a compiled file says of itself, by key; also of another machine's.

    :raises ExportError: it is no such file
    """
    return dict(
        line.partition(" ")[::2] for line in _read(path, _DESCRIPTION).decode().splitlines()
    )


def extract_torchscript(path: str | os.PathLike[str], target: Path) -> Path:
    """Write the TorchScript file that is in the compiled one at ``path`` to ``target``.

    :raises ExportError: it is no compiled file
    """
    target.write_bytes(_read(path, _TORCHSCRIPT))
    return target


def _read(path: str | os.PathLike[str], name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            record = _record(archive, name)
            if record is not None:
                return archive.read(record)
    except (OSError, zipfile.BadZipFile) as error:
        raise ExportError(f"could not read '{os.fspath(path)}': {error}") from error
    raise ExportError(
        f"'{os.fspath(path)}' is no compiled model: expected a file of `md-bridge compile`"
    )


def _record(archive: zipfile.ZipFile, name: str) -> str | None:
    found = [record for record in archive.namelist() if record.endswith(f"/{name}")]
    return found[0] if found else None


def _cpu_name() -> str:
    """The CPU in the words of its maker."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
