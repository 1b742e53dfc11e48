"""A compiled file: functions, a description of them, and the TorchScript that they were made of.

It is an archive of torch's (``.pt2``) with two records of ours beside the compiled functions: lines
of "key value", and the TorchScript file. ``csrc/engine/compiled/package.cpp`` reads them.
"""

from __future__ import annotations

import platform
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export.pt2_archive._package import package_pt2

from md_bridge._core import cpu_features
from md_bridge.export.model_file import DESCRIPTION_RECORD, TORCHSCRIPT_RECORD

__all__ = ["write_package"]

_FORMAT = "1"


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
    extra = {DESCRIPTION_RECORD.partition("/")[2]: text}
    # the sources beside the libraries are of no use, and name files of this machine
    libraries: dict[str, Any] = {
        name: [file for file in files if not file.endswith(".cpp")]
        for name, files in functions.items()
    }
    package_pt2(path, aoti_files=libraries, extra_files=extra)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.write(torchscript, f"{top}/{TORCHSCRIPT_RECORD}")


def _cpu_name() -> str:
    """The CPU in the words of its maker."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
