"""Compilation by TorchScript, with the user's own line in the error."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import warnings
from collections.abc import Iterator

import torch

from md_bridge.export.errors import ExportError

__all__ = ["compile_module"]

_KNOWN_TO_TORCHSCRIPT = ("torch", "math", "typing", "md_bridge")


def compile_module(module: torch.nn.Module) -> torch.jit.ScriptModule:
    """``module`` compiled by TorchScript.

    :param module: its class is defined in a file
    :raises ExportError: with the line of the module's code that TorchScript does not understand
    """
    name = type(module).__name__
    try:
        with warnings.catch_warnings():
            # torch deprecates TorchScript, which metatomic's format is made of
            warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
            return torch.jit.script(module)
    except OSError as error:  # TorchScript compiles source code: a class typed at a prompt has none
        raise ExportError(
            f"TorchScript cannot find the source code of {name}: {error}. Define it in a file"
        ) from error
    except Exception as error:
        raise ExportError(
            f"TorchScript cannot compile {name}. {_reason(str(error), module)}\n"
            "Rewrite the line shown in the part of Python that TorchScript knows: annotate "
            "arguments that are not tensors, give the return type Dict[str, torch.Tensor], avoid "
            "**kwargs, libraries other than torch and containers of mixed types"
        ) from error


def _reason(message: str, module: torch.nn.Module) -> str:
    """What TorchScript says, without its list of overloads, and the lines of code it means."""
    message = message.strip()
    reason, _, rest = message.partition("\n")
    start = rest.find('File "')
    if start >= 0:
        return f"{reason}\n{rest[start:].rstrip()}"
    return "\n".join([message, *_lines_with_foreign_libraries(module)])


def _lines_with_foreign_libraries(module: torch.nn.Module) -> Iterator[str]:
    """Lines of the forwards that use a library TorchScript does not know, such as numpy.

    TorchScript's own message about these names no line.
    """
    for forward in {type(part).forward for part in module.modules()}:
        try:
            source, first_line = inspect.getsourcelines(forward)
            tree = ast.parse(textwrap.dedent("".join(source)))
        except (OSError, TypeError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Name):
                continue
            value = forward.__globals__.get(node.id)
            library = value.__name__ if isinstance(value, types.ModuleType) else ""
            if library and library.split(".")[0] not in _KNOWN_TO_TORCHSCRIPT:
                line = first_line + node.lineno - 1
                yield f'File "{inspect.getsourcefile(forward)}", line {line}: uses {library}'
                yield source[node.lineno - 1].rstrip()
