"""A function with the points that it is to be measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from md_bridge.symmetry.measuring.laws import Law

__all__ = ["FunctionOnPoints", "structures_of"]


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


def structures_of(points: Any) -> list[Any]:
    """The points of each structure; one structure may be a list of lists of numbers too.

    :param points: as :func:`md_bridge.symmetry.analyse` takes them
    """
    several = isinstance(points, list) and len(points) > 0
    if several and (isinstance(points[0], tuple) or np.ndim(points[0]) == 2):
        return points
    return [points]
