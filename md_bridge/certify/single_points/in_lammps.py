"""In LAMMPS: a run of no steps, on any number of ranks."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from md_bridge.certify.single_points.point import Point, PointTask
from md_bridge.drift.runs.lammps import SCREEN, write_data_file
from md_bridge.lammps import environment, lmp_command
from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.processes import Program, RunError, watch

__all__ = ["point_in_lammps"]

_BAR_A3 = 1.6021765e6
"""LAMMPS's own: 1 eV/Å³ in bar, in units metal."""
_PATIENCE = {
    "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "true",
    "MPIR_CVAR_ENABLE_HEAVY_YIELD": "true",
    "MPIR_CVAR_POLLS_BEFORE_YIELD": "2",
}
"""Of MPICH: ranks that wait give their core away, where there are more of them than cores."""
_INPUT = """\
units metal
atom_style atomic
box tilt large
read_data start.data

pair_style mdbridge {model}{keywords}
pair_coeff * * {elements}
{compute}
thermo_style custom step pe{columns}
thermo_modify format float %.17g norm no
dump forces all custom 1 forces.dump id fx fy fz
dump_modify forces sort id format float %.17g
run 0
print "$(pe:%.17g){virial}" file point.txt
"""
_COMPUTE = "compute virial all pressure NULL virial"
_COLUMNS = [f"c_virial[{number}]" for number in range(1, 7)]


def point_in_lammps(task: PointTask, folder: Path, ranks: int = 1) -> Point:
    """Evaluate in LAMMPS.

    :param task: what to evaluate
    :param folder: gets the input and all output; it exists
    :param ranks: number of MPI ranks
    :raises RunError: LAMMPS fails
    :raises MissingExtraError: it is not installed
    """
    elements = sorted(set(task.atoms.get_chemical_symbols()))
    write_data_file(task.atoms, folder / "start.data", elements)
    keywords = " forces direct virial conservative" if task.forces == "direct" else ""
    columns = _COLUMNS if task.with_virial else []
    text = _INPUT.format(
        model=quoted(task.model),
        keywords=keywords + pair_style_keywords(task.options),
        elements=" ".join(elements),
        compute=_COMPUTE if columns else "",
        columns="".join(f" {column}" for column in columns),
        virial="".join(f" $({column}:%.17g)" for column in columns),
    )
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    for old in ("point.txt", "forces.dump"):
        (folder / old).unlink(missing_ok=True)
    _run(task, folder, ranks)
    energy, *bars = np.loadtxt(folder / "point.txt", ndmin=1)
    rows = np.loadtxt(folder / "forces.dump", skiprows=9, ndmin=2)
    virial = None
    if bars:
        xx, yy, zz, xy, xz, yz = np.array(bars) * task.atoms.get_volume() / _BAR_A3
        virial = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    return Point(float(energy), rows[:, 1:], virial)


def _run(task: PointTask, folder: Path, ranks: int) -> None:
    cores = len(os.sched_getaffinity(0))
    each = max(1, min(task.threads, cores // ranks)) if ranks > 1 else task.threads
    variables = environment(each)
    if ranks > cores:
        variables = {**_PATIENCE, "OMP_WAIT_POLICY": "passive", **variables}
    try:
        command = lmp_command(
            ["-in", "in.lammps", "-log", "log.lammps"], ranks, models=[task.model]
        )
    except FileNotFoundError as error:
        raise RunError(str(error)) from error
    program = Program("lmp", command, folder / SCREEN, environment=variables, folder=folder)
    watch(program, lambda: 0, lambda _: None)
