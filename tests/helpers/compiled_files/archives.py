"""What is in compiled files, taken out or put into others."""

import zipfile
from collections.abc import Callable
from pathlib import Path

from md_bridge.compiled.functions import Function
from md_bridge.export.model_file import read_description


def changed(compiled: Path, folder: Path, torchscript: Path | None = None, **lines: str) -> Path:
    """A copy of a compiled file whose description says something else, maybe with another
    TorchScript file in it."""
    description = {**read_description(compiled), **lines}
    text = "".join(f"{key} {value}\n" for key, value in description.items())
    path = folder / "changed.pt2"
    with zipfile.ZipFile(compiled) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name.endswith("extra/mdbridge.txt"):
                data = text.encode()
            elif name.endswith("extra/model.pt") and torchscript is not None:
                data = torchscript.read_bytes()
            else:
                data = old.read(name)
            new.writestr(name, data)
    return path


def functions_of(compiled: Path) -> Callable[[Function, Path], list[str]]:
    """In place of :func:`md_bridge.compiled.inductor.compile_function`: what was compiled of a
    function of this name before, for networks of the same weights."""

    def compiled_before(function: Function, folder: Path) -> list[str]:
        with zipfile.ZipFile(compiled) as archive:
            inside = f"/aotinductor/{function.name}/"
            archive.extractall(folder, [name for name in archive.namelist() if inside in name])
        return [str(path) for path in folder.rglob("*") if path.is_file()]

    return compiled_before
