"""Runs in i-PI, with the model in i-PI's own process (``ffdirect``)."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from ase import Atoms
from ase.io import write
from ase.units import fs, kB
from numpy.typing import NDArray

from md_bridge._templates import templates
from md_bridge.drift.judging.equipartition import degrees_of_freedom
from md_bridge.drift.records.agreement import agreement_in
from md_bridge.drift.records.explosions import (
    LAST_FRAME,
    Explosion,
    explosion_in,
    sound_rows,
    write_last_frame,
)
from md_bridge.drift.records.reader_tools import last_digit
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.plan import Run
from md_bridge.drift.runs.tasks import Progress
from md_bridge.drift.runs.thermostats import Thermostat
from md_bridge.ipi import driver_path
from md_bridge.ipi.parameters import changed_options
from md_bridge.model_names import is_python_model
from md_bridge.processes import LineCounter, Program, RunError, find_program, watch
from md_bridge.structures import standard_orientation

__all__ = [
    "PROPERTIES",
    "ipi_input_text",
    "keep_last_frame",
    "read_properties",
    "remove_output",
    "run_in_ipi",
]

PROPERTIES = "run.properties"
_CHECKPOINT = "run.last"
_LOG = "log.i-pi"

_STEP_TIME = re.compile(r"Average timings at MD step\s+\d+\. t/step:\s+([0-9.eE+-]+)")


def run_in_ipi(
    start: Atoms,
    model: Path,
    run: Run,
    folder: Path,
    progress: Progress,
    threads: int,
    *,
    thermostat: Thermostat | None = None,
) -> RunRecord:
    """Run NVE in i-PI, or NVT with a thermostat, and return H(t) and T(t) at every outer step.

    A run that explodes is a result: its record ends early and says why, and the last good frame is
    in ``last-good.xyz``.

    :param start: positions, velocities and cell; periodic
    :param model: exported model
    :param run: method, number of steps and options of the model
    :param folder: gets the input and all output
    :param progress: called with the number of outer steps done
    :param threads: of torch
    :param thermostat: NVT instead; H(t) then has the energy of the bath
    :raises RunError: if i-PI fails, or its output is incomplete
    """
    folder.mkdir(parents=True, exist_ok=True)
    oriented = standard_orientation(start)
    write(folder / "start.xyz", oriented, format="extxyz")
    text = ipi_input_text(oriented, model, run, thermostat=thermostat)
    (folder / "input.xml").write_text(text, encoding="utf-8")
    remove_output(folder)
    properties = folder / PROPERTIES
    log = folder / _LOG
    explosion = None
    try:
        watch(
            Program(
                "i-pi",
                [find_program("i-pi", "ipi"), "input.xml"],
                log,
                environment={"OMP_NUM_THREADS": str(threads)},
                folder=folder,
            ),
            LineCounter(properties, lambda line: not line.startswith(b"#")),
            progress,
            run.stall_minutes,
        )
    except RunError:
        explosion = explosion_in(log)
        if explosion is None:
            raise
        keep_last_frame(folder, start)
    return read_properties(properties, log, run, start, explosion)


def ipi_input_text(
    start: Atoms, model: Path, run: Run, *, thermostat: Thermostat | None = None
) -> str:
    """The input file, as a user would write it, with the start in it to full precision.

    :param start: in standard orientation, see :func:`md_bridge.structures.standard_orientation`
    :param model: exported model; a relative path is one from the folder of the run
    :param run: method, number of steps and options of the model
    :param thermostat: NVT in place of NVE
    :raises RunError: if the path of the model has a character that i-PI takes for its own syntax
    """
    options = run.host_options
    paths = {"model": str(model), "extensions": options.extensions, "inner model": options.inner}
    for what, path in paths.items():
        for character in ",{}":
            if character in path:
                raise RunError(
                    f"the path of the {what}, {path}, has a '{character}', which i-PI cannot read "
                    "in <parameters>: rename it"
                )
    angstrom, femtosecond = _in_ipi("length", "angstrom"), _in_ipi("time", "femtosecond")
    return (
        templates("md_bridge.drift")
        .get_template("run.xml.j2")
        .render(
            run=run,
            options=changed_options(options),
            thermostat=thermostat,
            elements=sorted(set(start.get_chemical_symbols())),
            driver=driver_path(),
            model=model,
            # nothing here depends on a pressure, and not every model of Python has a stress
            stress_none=run.method.forces == "direct" or is_python_model(model),
            labels=_array(start.get_chemical_symbols()),
            cell=_array(_numbers(start.cell.array.T)),
            positions=_array(_numbers(start.get_positions() * angstrom)),
            velocities=_array(_numbers(start.get_velocities() * fs * angstrom / femtosecond)),
            masses=_array(_numbers(start.get_masses())),
        )
    )


def read_properties(
    properties: Path, log: Path, run: Run, start: Atoms, explosion: Explosion | None = None
) -> RunRecord:
    """H(t), T(t) from i-PI's properties file and the time of each step from its log.

    :param properties: i-PI's file of properties
    :param log: i-PI's output
    :param run: what was asked for
    :param start: gives the elements and masses
    :param explosion: why the file ends early, if it does
    :raises RunError: if either has another number of steps than expected
    """
    symbols = np.array(start.get_chemical_symbols())
    elements = sorted(set(start.get_chemical_symbols()))
    width = 3 + len(elements)
    words = _words(properties, width)
    rows = np.array(words, dtype=np.float64).reshape(-1, width)
    text = log.read_text(encoding="utf-8", errors="replace")
    step_times = [float(found) for found in _STEP_TIME.findall(text)]
    complete = len(rows) == run.outer_steps + 1 and len(step_times) == run.outer_steps
    if not complete and explosion is None:
        raise RunError(
            f"expected {run.outer_steps + 1} lines of {width} numbers in {properties} and "
            f"{run.outer_steps} step times in {log}, found shape {rows.shape} and "
            f"{len(step_times)}"
        )
    numbered: NDArray[np.float64] = np.column_stack([np.arange(len(rows)), rows])
    masses = start.get_masses()
    # i-PI's own `temperature` counts the resting centre of mass as three degrees of freedom
    kelvin = 2 / degrees_of_freedom(masses, np.full(len(start), True)) / kB
    numbered, explosion = sound_rows(numbered, kelvin * numbered[:, 3], explosion)
    _, time, conserved, kinetic, *by_element = numbered.T
    return RunRecord(
        run.method,
        len(start),
        sum(step_times),
        time,
        conserved,
        kelvin * kinetic,
        element_temperatures={
            element: 2 * energy / degrees_of_freedom(masses, symbols == element) / kB
            for element, energy in zip(elements, by_element, strict=True)
        },
        replica=run.replica,
        seed=run.seed,
        resolution=last_digit(row[1] for row in words),
        exploded=explosion.sentence(run.outer_timestep_fs) if explosion else None,
        agreement=agreement_in(text),
    )


def _words(properties: Path, width: int) -> list[list[str]]:
    """The numbers of a properties file as they are printed; a torn last line is left out.

    :raises RunError: another line has another number of them
    """
    if not properties.exists():
        return []
    lines = properties.read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    if words and len(words[-1]) != width:
        words.pop()
    for row in words:
        if len(row) != width:
            raise RunError(f"{properties}: expected lines of {width} numbers, found {len(row)}")
    return words


def remove_output(folder: Path) -> None:
    """Remove what an earlier run left: it must not be taken for output of the next, and i-PI would
    keep its own old files under other names.

    :param folder: of the run
    :raises OSError: a file cannot be removed
    """
    for name in (PROPERTIES, _CHECKPOINT, _LOG, LAST_FRAME):
        (folder / name).unlink(missing_ok=True)


def keep_last_frame(folder: Path, start: Atoms) -> None:
    """Of a run that exploded in ``folder``, see :mod:`md_bridge.drift.records.explosions`.

    :param folder: of the run
    :param start: where the run began; its elements and order of atoms
    :raises OSError: the frame cannot be written
    """
    write_last_frame(_last_frame(folder / _CHECKPOINT, start), folder)


def _in_ipi(family: str, unit: str) -> float:
    """A unit in atomic units.

    i-PI takes manual positions and velocities in atomic units, whatever unit is written beside
    them. These are its own, rounded constants, those with which it reads the cell and the time
    step.
    """
    from ipi.utils.units import unit_to_internal  # the extra ipi

    return float(unit_to_internal(family, unit, 1.0))


def _last_frame(checkpoint: Path, start: Atoms) -> Atoms | None:
    """The positions in i-PI's last checkpoint."""
    if not checkpoint.exists():
        return None
    simulation = ElementTree.fromstring(checkpoint.read_text(encoding="utf-8"))
    text = simulation.findtext(".//beads/q", "").strip(" []\n")
    positions = np.array([float(number) for number in text.split(",") if text])
    if positions.size != 3 * len(start) or not np.isfinite(positions).all():
        return None
    frame = standard_orientation(start)
    frame.set_positions(positions.reshape(-1, 3) / _in_ipi("length", "angstrom"))
    frame.info["outer_step"] = int(simulation.findtext("step", "0"))
    return frame


def _numbers(values: np.ndarray) -> list[str]:
    return [f"{value:.17g}" for value in np.ravel(values)]


def _array(values: list[str]) -> str:
    return f"[ {', '.join(values)} ]"
