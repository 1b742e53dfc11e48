"""Tests of forces and dynamics beyond a single drift: one file a protocol, ``run`` in each."""

from __future__ import annotations

import importlib
from collections.abc import Callable

__all__ = [
    "PROTOCOLS",
    "runner",
]

PROTOCOLS = {
    "order": "fluctuation of the conserved quantity against the time step",
    "smoothness": "fall of the drift with the time step",
    "reverse": "distance from the start after a run there and back",
    "loop": "work of the forces around closed paths",
    "jacobian": "asymmetry of the Jacobian of the direct forces",
    "resonance": "heating of multiple time stepping at every M, from one short run",
    "thermostat": "kinetic temperature of each element under thermostats",
}
"""Name of each protocol, and what it looks at."""


def runner(name: str) -> Callable:
    """The function ``run(request, progress)`` of a protocol.

    :param name: one of :data:`PROTOCOLS`
    :raises ValueError: there is no such protocol
    """
    if name not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}; found {name!r}")
    function: Callable = importlib.import_module(f"{__name__}.{name}").run
    return function
