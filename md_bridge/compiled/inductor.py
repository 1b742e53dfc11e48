"""From a function of tensors to compiled code: traced, exported, and compiled by AOTInductor."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from md_bridge.compiled.functions import Function
from md_bridge.export.errors import ExportError

__all__ = ["compile_function"]

# Weights stay as they are: those that are packed for oneDNN are 6 % faster at one number of pairs,
# but oneDNN then makes a program for each number of pairs and keeps a thousand of them, so that in
# dynamics each step takes 4 to 7 % longer and the memory grows from 0.3 to 1.1 GB (bundled model).
# The number of threads must be that of the call, not that of the compilation.
_OPTIONS = {
    "aot_inductor.package": True,
    "cpp.dynamic_threads": True,
    "freezing": True,
    "cpp.weight_prepack": False,
}


def compile_function(function: Function, folder: Path) -> list[str]:
    """The files that a compiled package holds of ``function``, written into ``folder``.

    All sizes are free that its ``sizes`` name.

    :param function: what to compile
    :param folder: that exists, and is empty
    :returns: paths of the files
    :raises ExportError: an operation stands in the way, or there is no compiler
    """
    _require_distinct_sizes(function)
    with _quietly():
        try:
            graph = make_fx(function.run, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                *function.arguments
            )
            with torch.no_grad():
                program = torch.export.export(
                    graph,
                    tuple(function.arguments),
                    dynamic_shapes=tuple(_free_sizes(axes) for axes in function.sizes),
                    strict=False,
                )
                for traced in (graph, program.graph_module):
                    _require_free_sizes(traced, function)
                options = {**_OPTIONS, "aot_inductor.output_path": str(folder)}
                files: Any = torch._inductor.aot_compile(
                    program.module(), tuple(function.arguments), options=options
                )
        except ExportError:
            raise
        except Exception as error:  # torch has many classes for what it cannot compile
            raise ExportError(_reason(function.name, error)) from error
    return [str(file) for file in files]


def _free_sizes(axes: tuple[str | int, ...]) -> dict[int, object]:
    free, fixed = torch.export.Dim.AUTO, torch.export.Dim.STATIC
    return {axis: free if isinstance(size, str) else fixed for axis, size in enumerate(axes)}


def _require_distinct_sizes(function: Function) -> None:
    """Refuse an example in which two different things are equally many.

    torch takes sizes that are equal in the example for one and the same, here and ever after.
    """
    counted: dict[int, str] = {}
    for tensor, axes in zip(function.arguments, function.sizes, strict=True):
        for number, name in zip(tensor.shape, axes, strict=True):
            if isinstance(name, str) and counted.setdefault(number, name) != name:
                raise ExportError(
                    f"the example to compile the function '{function.name}' with has as many "
                    f"{name} as {counted[number]} ({number}), and torch would take one for the "
                    "other. Please report this, with the model's elements and cutoff"
                )


def _require_free_sizes(traced: torch.fx.GraphModule, function: Function) -> None:
    """Refuse a graph in which a size of the example has become a constant.

    Such a function reads beyond its arguments, or leaves some of them out, once they are larger.
    """
    arguments = [node for node in traced.graph.nodes if node.op == "placeholder"]
    arguments = arguments[len(arguments) - len(function.arguments) :]  # behind the weights
    for place, (node, axes) in enumerate(zip(arguments, function.sizes, strict=True)):
        for axis, name in enumerate(axes):
            size = node.meta["val"].shape[axis]
            number = getattr(getattr(size, "node", None), "expr", size)
            if isinstance(name, str) and str(number).isdigit():
                raise ExportError(
                    f"the function '{function.name}' of this model works for one number of {name} "
                    f"only: axis {axis} of argument {place} is always {number}. Take sizes from "
                    "tensor.shape, not from len(tensor) or .item()"
                )


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


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what torch says of its own deprecations and of weights among the constants."""
    log = logging.getLogger("torch")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
