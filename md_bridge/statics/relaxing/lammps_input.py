"""The input with which LAMMPS relaxes a structure, as a user would write it."""

from __future__ import annotations

import os
from dataclasses import replace

from ase import Atoms

from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.model_names import absolute_model
from md_bridge.model_options import ModelOptions
from md_bridge.statics.relaxing.lammps_path import BAR_PER_EV, COLUMNS, PRESSURES
from md_bridge.statics.relaxing.moving import LARGEST_GROWTH
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.rows import Row

__all__ = ["DATA", "DUMP", "minimize_input"]

DATA = "start.data"
"""File with the start."""
DUMP = "path.lammpstrj"
"""File that gets the path."""

_ROUND = 50
"""Steps after which the strain that ``fix box/relax`` counts from is that of the box then: what is
minimised is the enthalpy of a box near that one alone."""
_VMAX = 0.01
"""Relative change of a length of the box in a step; LAMMPS's default allows 1e-4."""
_EVALUATIONS = 20
"""At most so many for each step, in the line search."""


def minimize_input(
    model: str | os.PathLike[str],
    options: ModelOptions,
    row: Row,
    start: Atoms,
    settings: RelaxSettings,
) -> str:
    """The input file; atoms that are held have no forces.

    :param model: path of the model
    :param options: how it is loaded
    :param row: forces, and the set to average over
    :param start: gives elements and periodicity
    :param settings: cell, pressure, tolerance and number of steps
    """
    own = replace(options, symmetrize=row.symmetrize, direct_symmetrize="").absolute()
    keywords = " forces direct" if row.forces == "direct" else ""
    keywords += pair_style_keywords(own)
    elements = sorted(set(start.get_chemical_symbols()))
    virial = "compute virial all pressure NULL virial" if settings.moves_cell else ""
    columns = [*COLUMNS, *(PRESSURES if settings.moves_cell else ())]
    lines = [
        f"# {row.label} forces, cell {settings.cell}",
        "units metal",
        "atom_style atomic",
        f"boundary {' '.join('p' if periodic else 'f' for periodic in start.pbc)}",
        "box tilt large",
        f"read_data {DATA}",
        f"pair_style mdbridge {quoted(absolute_model(model))}{keywords}",
        f"pair_coeff * * {' '.join(elements)}",
        virial,
        *_hold_commands(start),
        f"dump path all custom 1 {DUMP} id xu yu zu fx fy fz",
        "dump_modify path sort id format float %.17g",
        f"thermo_style custom {' '.join(columns)}",
        "thermo_modify format float %.17g flush yes",
        "thermo 1",
        f"min_style {_style(row, settings)}",
        "min_modify norm max",
        *_minimize_commands(settings),
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _hold_commands(start: Atoms) -> list[str]:
    """No force on atoms that are held: where the cell moves they keep their place in it, as in
    ASE."""
    held = sorted({int(n) for each in start.constraints for n in each.get_indices()})
    if not held:
        return []
    numbers = " ".join(str(n + 1) for n in held)
    return [f"group held id {numbers}", "fix hold held setforce 0.0 0.0 0.0"]


def _style(row: Row, settings: RelaxSettings) -> str:
    return "fire" if settings.optimizer == "fire" or row.forces == "direct" else "cg"


def _minimize_commands(settings: RelaxSettings) -> list[str]:
    """One ``minimize`` at a fixed cell; else rounds of it, each with the strain counted anew."""
    fmax, steps = f"{settings.fmax:.12g}", settings.steps
    if not settings.moves_cell:
        return [f"minimize 0.0 {fmax} {steps} {_EVALUATIONS * steps}"]
    pressure = f"{settings.pressure * BAR_PER_EV:.15g}"
    keywords = {
        "iso": f"iso {pressure}",
        "full": f"tri {pressure}",
        "slab": "x 0.0 y 0.0 xy 0.0 couple none",
    }[settings.cell]
    return [
        f"variable cell equal {_cell_force(settings, pressure)}",
        "variable begun equal $(vol)",
        f"variable grown equal vol/v_begun>={LARGEST_GROWTH}||vol/v_begun<={1 / LARGEST_GROWTH}",
        f"variable left equal {steps}-step",
        # all is at rest; the steps are used up; a new round does not move anything any more; or
        # the cell explodes
        f'variable done equal "(v_cell<{fmax} && fmax*sqrt(3)<{fmax})'
        ' || v_left<=0 || step<=v_before+1 || v_grown"',
        f"variable now equal ternary(v_left<{_ROUND},v_left,{_ROUND})",
        f"variable round loop {steps}",
        "label again",
        "variable before equal $(step)",
        f"fix cell all box/relax {keywords} vmax {_VMAX}",
        f"minimize 0.0 {fmax} $(v_now) {_EVALUATIONS * _ROUND}",
        "unfix cell",
        'if "$(v_done) == 1" then "jump SELF end"',
        "next round",
        "jump SELF again",
        "label end",
    ]


def _cell_force(settings: RelaxSettings, pressure: str) -> str:
    """A formula of LAMMPS: volume times the stress that is to vanish, over N, eV."""
    press = [f"c_virial[{place}]" for place in range(1, 7)]
    scale = f"*vol/atoms/{BAR_PER_EV:.10g}"
    if settings.cell == "iso":
        return f"abs(({'+'.join(press[:3])})/3-({pressure})){scale}"
    if settings.cell == "slab":
        return f"sqrt({press[0]}^2+{press[1]}^2+2*{press[3]}^2){scale}"
    normal = "+".join(f"({name}-({pressure}))^2" for name in press[:3])
    shear = "+".join(f"2*{name}^2" for name in press[3:])
    return f"sqrt({normal}+{shear}){scale}"
