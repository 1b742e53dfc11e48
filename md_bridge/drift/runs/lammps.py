"""Runs in the stock LAMMPS with pair style ``mdbridge``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data
from numpy.typing import NDArray

from md_bridge.drift.judging.equipartition import degrees_of_freedom
from md_bridge.drift.records.agreement import agreement_in
from md_bridge.drift.records.explosions import (
    LAST_FRAME,
    Explosion,
    explosion_in,
    sound_rows,
    write_last_frame,
)
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.plan import Run
from md_bridge.drift.runs.tasks import Progress
from md_bridge.drift.runs.thermostats import Thermostat
from md_bridge.lammps import environment, lmp_command
from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.model_names import ModelName
from md_bridge.processes import LineCounter, Program, RunError, watch
from md_bridge.structures import standard_orientation

__all__ = [
    "LOG",
    "SCREEN",
    "TRAJECTORY",
    "keep_last_frame",
    "lammps_input_text",
    "lammps_program",
    "read_log",
    "remove_output",
    "run_in_lammps",
    "sample_interval",
    "write_data_file",
]

LOG = "log.lammps"
TRAJECTORY = "trajectory.lammpstrj"

SCREEN = "screen.txt"
_THERMO = ("step", "time", "etotal", "temp")
_ROW = re.compile(r"^\s*\d+(\s+[-+]?([0-9.]+([eE][-+]?\d+)?|nan|inf)){3,}\s*$")
_LOOP_TIME = re.compile(r"^Loop time of ([0-9.eE+-]+) on .* for (\d+) steps", re.MULTILINE)
# outer steps between the frames of which the last is kept if the run explodes
_LAST_INTERVAL = 20
_LAST = "last.*.lammpstrj"


def run_in_lammps(
    start: Atoms,
    model: Path,
    run: Run,
    folder: Path,
    progress: Progress,
    threads: int,
    *,
    thermostat: Thermostat | None = None,
    frame_interval: int | None = None,
) -> RunRecord:
    """Run NVE in LAMMPS, or NVT with a thermostat, and return H(t) and T(t) at every outer step.

    A run that explodes is a result: its record ends early and says why, and the last good frame is
    in ``last-good.xyz``.

    :param start: positions, velocities and cell
    :param model: exported model
    :param run: method, number of steps and options of the model
    :param folder: gets the input, the data file and the log
    :param progress: called with the number of outer steps done
    :param threads: of torch
    :param thermostat: NVT instead; H(t) then lacks the energy of the bath
    :param frame_interval: outer steps between the frames of ``trajectory.lammpstrj``; None for none
    :raises RunError: if LAMMPS fails, or its log is incomplete
    """
    folder.mkdir(parents=True, exist_ok=True)
    elements = sorted(set(start.get_chemical_symbols()))
    write_data_file(start, folder / "start.data", elements)
    text = lammps_input_text(
        start, model, run, thermostat=thermostat, frame_interval=frame_interval
    )
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    log = folder / LOG
    remove_output(folder)
    explosion = None
    try:
        watch(
            lammps_program(["-in", "in.lammps", "-log", LOG], folder, threads, run.models(model)),
            LineCounter(log, lambda line: _ROW.match(line.decode(errors="replace")) is not None),
            lambda lines: progress(lines * sample_interval(run)),
            run.stall_minutes,
        )
    except RunError:
        explosion = explosion_in(folder / SCREEN)
        if explosion is None:
            raise
        keep_last_frame(folder, start)
    return read_log(log, run, start, explosion)


def lammps_program(
    arguments: list[str], folder: Path, threads: int, models: Sequence[ModelName]
) -> Program:
    """LAMMPS of this Python environment, to be run in a folder.

    :param arguments: of ``lmp``
    :param folder: where it runs and prints
    :param threads: of the model
    :param models: that the input names: with one that Python evaluates, it runs inside of Python
    :raises RunError: if it is not installed
    """
    try:
        command, variables = lmp_command(arguments, models=models), environment(threads)
    except FileNotFoundError as error:
        raise RunError(str(error)) from error
    return Program("lmp", command, folder / SCREEN, environment=variables, folder=folder)


def sample_interval(run: Run) -> int:
    """Outer steps between two samples.

    Direct forces alone need no energy: with one at every step the run would not cost what the inner
    steps of multiple time stepping cost, which the speed-up is judged by.

    :param run: with its kind of forces
    """
    return 8 if run.method.forces == "direct" else 1


def write_data_file(start: Atoms, path: Path, elements: list[str]) -> None:
    """Write a LAMMPS data file in metal units, with masses and velocities (Å/ps).

    :param start: positions in Å, any cell with a volume
    :param path: the file, replaced if it exists
    :param elements: symbols in the order of LAMMPS's atom types
    :raises OSError: the file cannot be written
    """
    oriented = standard_orientation(start)
    with path.open("w", encoding="utf-8") as stream:
        write_lammps_data(
            stream, oriented, specorder=elements, masses=True, velocities=True, units="metal"
        )


def lammps_input_text(
    start: Atoms,
    model: Path,
    run: Run,
    *,
    thermostat: Thermostat | None = None,
    frame_interval: int | None = None,
) -> str:
    """The input file, as a user would write it.

    :param start: gives the elements and their masses
    :param model: exported model; a relative path is one from the folder of the run
    :param run: method, number of steps and options of the model
    :param thermostat: NVT in place of NVE
    :param frame_interval: outer steps between the frames of ``trajectory.lammpstrj``; None for none
    """
    elements = sorted(set(start.get_chemical_symbols()))
    # so that a pressure can be read in an input of ours, also without a direct stress
    keyword = " forces direct virial conservative" if run.method.forces == "direct" else ""
    keyword += pair_style_keywords(run.host_options)
    lines = [
        f"# {thermostat.label if thermostat else 'NVE'}, {run.label}",
        "units metal",
        "atom_style atomic",
        "read_data start.data",
        "",
        f"pair_style mdbridge {quoted(model)}{keyword}",
        f"pair_coeff * * {' '.join(elements)}",
        "",
        f"timestep {run.outer_timestep_fs / 1000:.12g}",
        "fix nve all nve",
    ]
    if thermostat is not None:
        lines.append(thermostat.lammps_command())
    if run.method.multiplicity is not None:
        # the outer step is the time step; the two cutoffs are syntax only, pair style mdbridge
        # does not use them
        lines.append(f"run_style respa 2 {run.method.multiplicity} inner 1 3.0 4.0 outer 2")
    lines += _element_temperatures(start, elements)
    named = f"element {' '.join(elements)}"
    if frame_interval is not None:
        lines.append(f"dump frames all custom {frame_interval} {TRAJECTORY} id element xu yu zu")
        lines.append(f"dump_modify frames sort id {named} format float %.15g")
    lines += [
        f"dump last all custom {_LAST_INTERVAL} {_LAST} id element xu yu zu vx vy vz",
        f"dump_modify last sort id {named} maxfiles 2 format float %.10g",
        f"thermo_style custom {' '.join(_THERMO)} {' '.join(_columns(elements))}",
        "thermo_modify format float %.15g flush yes",
        f"thermo {sample_interval(run)}",
        f"run {run.outer_steps}",
    ]
    return "\n".join(lines) + "\n"


def read_log(log: Path, run: Run, start: Atoms, explosion: Explosion | None = None) -> RunRecord:
    """H(t), T(t) and the loop time from LAMMPS's log.

    :param log: ``log.lammps``
    :param run: what was asked for
    :param start: gives the elements
    :param explosion: why the log ends early, if it does
    :raises RunError: if the log lacks the loop time or has another number of samples than expected
    """
    elements = sorted(set(start.get_chemical_symbols()))
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    loop = _LOOP_TIME.search(text)
    width = len(_THERMO) + len(elements)
    lines = [line.split() for line in text.splitlines() if _ROW.match(line)]
    lines = [line for line in lines if len(line) == width]  # the last may be torn
    expected = len(range(0, run.outer_steps, sample_interval(run))) + 1
    if explosion is None and (loop is None or len(lines) != expected):
        raise RunError(
            f"{log}: expected {expected} lines of {' '.join(_THERMO)} and a loop time, "
            f"found {len(lines)} lines and {'a' if loop else 'no'} loop time"
        )
    rows: NDArray[np.float64] = np.array(lines, dtype=np.float64).reshape(-1, width)
    rows, explosion = sound_rows(rows, rows[:, _THERMO.index("temp")], explosion)
    _, time, energy, temperature, *by_element = rows.T
    return RunRecord(
        run.method,
        len(start),
        float(loop.group(1)) if loop else 0.0,
        time,
        energy,
        temperature,
        element_temperatures=dict(zip(elements, by_element, strict=True)),
        replica=run.replica,
        seed=run.seed,
        exploded=explosion.sentence(run.outer_timestep_fs) if explosion else None,
        agreement=agreement_in(text),
    )


def _element_temperatures(start: Atoms, elements: list[str]) -> list[str]:
    """Commands for the kinetic temperature of each element.

    LAMMPS would take no degrees of freedom off for the centre of mass at rest, which belongs to
    all elements.
    """
    symbols = np.array(start.get_chemical_symbols())
    masses = start.get_masses()
    lines = []
    for number, element in enumerate(elements, 1):
        chosen = symbols == element
        taken = 3 * np.count_nonzero(chosen) - degrees_of_freedom(masses, chosen)
        compute = f"temperature_{element}"
        lines.append(f"group {element} type {number}")
        lines.append(f"compute {compute} {element} temp")
        lines.append(f"compute_modify {compute} extra/dof {taken:.12g}")
    return lines


def _columns(elements: list[str]) -> list[str]:
    return [f"c_temperature_{element}" for element in elements]


def remove_output(folder: Path) -> None:
    """Remove what an earlier run left: it must not be taken for output of the next.

    :param folder: of the run
    :raises OSError: a file cannot be removed
    """
    for old in (
        *(folder / name for name in (LOG, TRAJECTORY, SCREEN, LAST_FRAME)),
        *folder.glob(_LAST),
    ):
        old.unlink(missing_ok=True)


def keep_last_frame(folder: Path, start: Atoms) -> None:
    """Of a run that exploded in ``folder``, see :mod:`md_bridge.drift.records.explosions`.

    :param folder: of the run
    :param start: where the run began; its elements and order of atoms
    :raises OSError: the frame cannot be written
    """
    write_last_frame(_last_frame(folder, start), folder)


def _last_frame(folder: Path, start: Atoms) -> Atoms | None:
    """The youngest dumped frame whose numbers are all finite."""
    by_step = sorted(folder.glob(_LAST), key=lambda path: int(path.name.split(".")[1]))
    for path in reversed(by_step):
        try:
            frame = ase.io.read(path, format="lammps-dump-text")
        except (ValueError, IndexError):  # it was being written
            continue
        assert isinstance(frame, Atoms)
        if len(frame) == len(start) and np.isfinite(frame.positions).all():
            last = Atoms(start.numbers, frame.positions, cell=frame.cell, pbc=start.pbc)
            last.info["outer_step"] = int(path.name.split(".")[1])
            return last
    return None
