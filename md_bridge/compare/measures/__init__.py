"""What is measured of each model: one module a measure, ``MEASURE`` in each."""

from __future__ import annotations

import importlib

from md_bridge.compare.measures.base import Measure
from md_bridge.compare.request import MEASURES

__all__ = ["measure_named"]

_MODULES = {"lambda": "asymmetry", "errors": "labelled"}
"""Of measures that have not the name of their module."""


def measure_named(name: str) -> Measure:
    """A measure.

    :param name: one of :data:`md_bridge.compare.request.MEASURES`
    :raises ValueError: there is no such measure
    """
    if name not in MEASURES:
        raise ValueError(f"a measure must be one of {', '.join(MEASURES)}; found {name!r}")
    found: Measure = importlib.import_module(f"{__name__}.{_MODULES.get(name, name)}").MEASURE
    return found
