"""What is compared with what: one module a group, a function from a :class:`Plan` to panels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from md_bridge.bench.groups.ase import ase_panels
from md_bridge.bench.groups.ipi import ipi_panels
from md_bridge.bench.groups.lammps import lammps_panels, rank_panels
from md_bridge.bench.groups.memory import memory_panels
from md_bridge.bench.groups.plan import Plan
from md_bridge.bench.groups.single import busy_panels, scaling_panels, symmetry_panels
from md_bridge.bench.panels import Panel

__all__ = ["GROUPS", "Plan"]

GROUPS: dict[str, Callable[[Plan], Iterator[Panel]]] = {
    "ase": ase_panels,
    "lammps": lammps_panels,
    "ipi": ipi_panels,
    "ranks": rank_panels,
    "symmetry": symmetry_panels,
    "busy": busy_panels,
    "scaling": scaling_panels,
    "memory": memory_panels,
}
"""By the names that a user types, in the order in which they are measured."""
