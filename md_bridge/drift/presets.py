"""Settings of published protocols of energy conservation, for ``md-bridge drift --preset``.

What each protocol says of step, length, temperature and start, as far as it is known; the measures
of the drift that belong to them are in :mod:`md_bridge.drift.judging.published`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from md_bridge.errors import ArgumentError
from md_bridge.forces import Kind
from md_bridge.text import nearest

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "MELTING_POINTS",
    "PRESETS",
    "Preset",
    "find_preset",
    "is_isolated",
    "preset_settings",
]

MELTING_POINTS = {
    **{"Ag": 1235, "Au": 1337, "Cd": 594, "Co": 1768, "Cr": 2180, "Cu": 1358, "Fe": 1811},
    **{"Hf": 2506, "Hg": 234, "Ir": 2739, "Mn": 1519, "Mo": 2896, "Nb": 2750, "Ni": 1728},
    **{"Os": 3306, "Pd": 1828, "Pt": 2041, "Re": 3459, "Rh": 2237, "Ru": 2607, "Ta": 3290},
    **{"Tc": 2430, "Ti": 1941, "V": 2183, "W": 3695, "Zn": 693, "Zr": 2128},
}
"""Of the 27 metals of TM23 (K), as FAIR-Chem's protocol has them."""

_COOLER_HYDROCARBONS = (148, 370)
"""Atoms of MD22's buckyball catcher and double-walled nanotube, which run at 400 K."""

_EMPTY = 4.0
"""Å of empty space in each direction around a molecule: no liquid and no crystal has that."""


@dataclass(frozen=True)
class Preset:
    """What a protocol fixes. It makes its starts without a thermostat: velocities are drawn."""

    source: str
    """Where it is from, in words."""
    timestep_fs: float
    length_ps: float
    temperature_of: Callable[[Atoms], float]
    """Temperature of the velocities (K) for a start."""
    minimise_fmax: float = 0.0
    """The start is minimised first, to forces below this (eV/Å); 0: it is not."""
    zero_rotation: bool = False
    """Whether the angular momentum of the velocities is taken out."""
    needs_molecule: bool = False
    """Whether the start must be a molecule, with empty space around it."""
    replicas: int = 1
    forces: tuple[Kind, ...] = (("conservative", None),)


def _tm23_temperature(atoms: Atoms) -> float:
    elements = sorted(set(atoms.symbols))
    if len(elements) > 1:
        raise ArgumentError(
            "preset",
            f"tm23 is for one metal at 1.25 times its melting temperature, found "
            f"{', '.join(elements)} in the start: give the temperature (temperature_k), or take "
            "another preset",
        )
    if elements[0] not in MELTING_POINTS:
        known = ", ".join(MELTING_POINTS)
        raise ArgumentError(
            "preset",
            f"tm23 runs at 1.25 times the melting temperature, which is known for {known}, and not "
            f"for {elements[0]}: give the temperature (temperature_k)",
        )
    return 1.25 * MELTING_POINTS[elements[0]]


def _md22_temperature(atoms: Atoms) -> float:
    hydrocarbon = set(atoms.symbols) == {"C", "H"}
    return 400.0 if hydrocarbon and len(atoms) in _COOLER_HYDROCARBONS else 500.0


def _room_temperature(atoms: Atoms) -> float:
    return 300.0


PRESETS = {
    "tm23": Preset(
        "eSEN's test on TM23 (arXiv:2502.12147), as FAIR-Chem's code runs it",
        timestep_fs=5.0,
        length_ps=100.0,
        temperature_of=_tm23_temperature,
        minimise_fmax=0.05,
    ),
    "md22": Preset(
        "eSEN's test on MD22 (arXiv:2502.12147), as FAIR-Chem's code runs it",
        timestep_fs=1.0,
        length_ps=100.0,
        temperature_of=_md22_temperature,
        minimise_fmax=0.05,
        needs_molecule=True,
    ),
    "lambench": Preset(
        "the NVE test of LAMBench",
        timestep_fs=1.0,
        length_ps=10.0,
        temperature_of=_room_temperature,
        zero_rotation=True,
    ),
    "ml-peg": Preset(
        "the NVE benchmark of ml-peg and mlipaudit",
        timestep_fs=1.0,
        length_ps=50.0,
        temperature_of=_room_temperature,
    ),
}
"""By the names that ``--preset`` takes."""


def find_preset(name: str) -> Preset:
    """A preset by its name.

    :param name: one of :data:`PRESETS`
    :raises ArgumentError: there is none, naming the nearest
    """
    if name not in PRESETS:
        near = nearest(name, PRESETS)
        hint = f"; did you mean {near}?" if near else ""
        raise ArgumentError("preset", f"must be one of {', '.join(PRESETS)}, found {name!r}{hint}")
    return PRESETS[name]


def preset_settings(name: str, atoms: Atoms, **explicit: Any) -> dict[str, Any]:
    """The fields of :class:`~md_bridge.drift.CampaignPlan` that a protocol fixes.

    ::

        plan = CampaignPlan(model=model, start=start, **preset_settings("tm23", atoms, seed=2))

    :param name: one of :data:`PRESETS`
    :param atoms: the start
    :param explicit: fields that win over the preset
    :returns: fields by name, the explicit ones among them
    :raises ArgumentError: there is no such preset, or the start lacks what it asks for
    """
    preset = find_preset(name)
    if preset.needs_molecule and not is_isolated(atoms):
        raise ArgumentError(
            "preset",
            f"{name} is for a molecule in a box with {_EMPTY:g} Å of empty space around it, found "
            f"{atoms.get_chemical_formula()} that fills its box: take lambench or ml-peg for a "
            "liquid or a crystal",
        )
    kept = bool(explicit.get("keep_velocities"))
    fixed: dict[str, Any] = {
        "forces": preset.forces,
        "timestep_fs": preset.timestep_fs,
        "length_ps": preset.length_ps,
        "replicas": preset.replicas,
        "equilibration_ps": 0.0,
        "preset": name,
    }
    if not kept:
        fixed |= {"minimise_fmax": preset.minimise_fmax, "zero_rotation": preset.zero_rotation}
        if "temperature_k" not in explicit:
            fixed["temperature_k"] = preset.temperature_of(atoms)
    return {**fixed, **explicit}


def is_isolated(atoms: Atoms) -> bool:
    """Whether there is empty space around the atoms in each direction of the cell.

    :param atoms: positions in Å
    :returns: True also along directions that are not periodic
    """
    import numpy as np

    if not atoms.pbc.any():
        return True
    heights = 1.0 / np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    for axis in np.flatnonzero(atoms.pbc):
        along = np.sort(atoms.get_scaled_positions()[:, axis])
        gaps = np.diff(np.append(along, along[0] + 1.0))
        if gaps.max() * heights[axis] < _EMPTY:
            return False
    return True
