"""From a function of tensors to compiled code: traced, exported, and compiled by AOTInductor."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from md_bridge.compiled.functions import Function
from md_bridge.export.errors import ExportError

__all__ = ["compile_function"]

# Measured on the bundled model (docs/compiled.md): packed weights are 6 % faster than plain ones;
# the number of threads must be that of the call, not that of the compilation.
_OPTIONS = {"aot_inductor.package": True, "cpp.dynamic_threads": True}


def compile_function(function: Function, folder: Path) -> list[str]:
    """The files that a compiled package holds of ``function``, written into ``folder``.

    All sizes are free, but of axes of two or three components.

    :raises ExportError: an operation stands in the way, or there is no compiler
    """
    with _quietly():
        try:
            graph = make_fx(function.run, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                *function.arguments
            )
            with torch.no_grad():
                program = torch.export.export(
                    graph,
                    tuple(function.arguments),
                    dynamic_shapes=tuple(_free_sizes(tensor) for tensor in function.arguments),
                    strict=False,
                )
                files = _compile(program, function.arguments, folder)
        except Exception as error:  # torch has many classes for what it cannot compile
            raise ExportError(_reason(function.name, error)) from error
    return [str(file) for file in files]


def _compile(
    program: torch.export.ExportedProgram, arguments: tuple[torch.Tensor, ...], folder: Path
) -> list[str]:
    """The files of a program, with packed weights where torch can do that."""
    from torch._inductor.exc import InductorError

    options = {**_OPTIONS, "aot_inductor.output_path": str(folder)}
    try:
        return torch._inductor.aot_compile(
            program.module(), tuple(arguments), options={**options, "freezing": True}
        )
    except InductorError:  # some constants cannot be packed
        return torch._inductor.aot_compile(program.module(), tuple(arguments), options=options)


def _free_sizes(tensor: torch.Tensor) -> dict[int, object]:
    free, fixed = torch.export.Dim.AUTO, torch.export.Dim.STATIC
    return {
        axis: fixed if axis > 0 and tensor.shape[axis] in (2, 3) else free
        for axis in range(tensor.dim())
    }


def _reason(name: str, error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    for missing in ("No working C++ compiler", "InvalidCxxCompiler", "not found"):
        if missing in text and "ompiler" in text:
            return (
                "compiling needs a C++ compiler, which torch does not find here: install g++ "
                "(apt-get install g++), or name one in the variable CXX"
            )
    return (
        f"torch cannot compile the function '{name}' of this model; its TorchScript file runs as "
        f"before. The reason: {text.splitlines()[0]}"
    )


class _quietly:
    """Without what torch says of its own deprecations and of weights among the constants."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._level = logging.getLogger("torch").level
        logging.getLogger("torch").setLevel(logging.ERROR)

    def __exit__(self, *error: object) -> None:
        logging.getLogger("torch").setLevel(self._level)
        self._warnings.__exit__(None, None, None)
