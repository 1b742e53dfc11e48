"""A function with the points that it is to be measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from md_bridge.symmetry.measuring.laws import Law

__all__ = ["FunctionOnPoints"]


@dataclass(frozen=True)
class FunctionOnPoints:
    """What ``python:package.module:factory`` gives to ``md-bridge symmetry``.

    :ivar function: a plain function or a torch module, as for :func:`md_bridge.symmetry.analyse`
    :ivar points: of one structure, or a list of several, as there
    :ivar laws: how each output should transform, by its name
    :ivar units: of the outputs, by their names; "" for those that are not here
    :ivar copies_per_call: how many copies it takes at once; 0: one, without an axis for copies
    """

    function: Callable[..., Any]
    points: Any
    laws: Mapping[str, str | Law]
    units: Mapping[str, str] = field(default_factory=dict)
    copies_per_call: int = 0
