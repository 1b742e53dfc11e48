"""The functions of a compiled file: plain tensors in, tensors out, gradients among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["CompilableNetwork", "Function"]


@dataclass(frozen=True)
class Function:
    """A function to compile.

    :param name: by which the engine calls it
    :param run: tensors to tensors; may differentiate inside
    :param arguments: an example; what is counted by different names has different sizes in it
    :param sizes: of each argument what its axes count, by name, or how long they always are
    """

    name: str
    run: Callable[..., tuple[torch.Tensor, ...]]
    arguments: tuple[torch.Tensor, ...]
    sizes: tuple[tuple[str | int, ...], ...]


@dataclass(frozen=True)
class CompilableNetwork:
    """What a kind of network gives for a compiled file.

    :param functions: ``direct`` (where there are direct forces), ``conservative``, ``both``, and
        what the kind needs besides
    :param description: what the engine has to know of them, by key
    """

    functions: list[Function]
    description: dict[str, str]
