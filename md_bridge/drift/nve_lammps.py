"""NVE runs in the stock LAMMPS with pair style ``mdbridge``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.lammpsdata import write_lammps_data

from md_bridge.drift.nve import (
    LineCounter,
    NveRun,
    Progress,
    RunError,
    console_script,
    standard_orientation,
    watch,
)
from md_bridge.drift.series import RunRecord

LOG = "log.lammps"
TRAJECTORY = "trajectory.lammpstrj"

_THERMO = ("step", "time", "etotal", "temp")
_NUMBERS = re.compile(rb"^\s*\d+(\s+[-+0-9.eE]+){3}\s*$")
_LOOP_TIME = re.compile(r"^Loop time of ([0-9.eE+-]+) on .* for (\d+) steps", re.MULTILINE)


def run_lammps_nve(
    start: Atoms,
    model: Path,
    run: NveRun,
    folder: Path,
    progress: Progress,
    threads: int,
    frame_interval: int | None = None,
) -> RunRecord:
    """Run NVE in LAMMPS and return H(t) and T(t) at every outer step.

    :param start: positions, velocities and cell
    :param model: exported model
    :param folder: gets the input, the data file and the log
    :param frame_interval: outer steps between the frames of ``trajectory.lammpstrj``; None for none
    :raises RunError: if LAMMPS fails, or its log is incomplete
    """
    folder.mkdir(parents=True, exist_ok=True)
    elements = sorted(set(start.get_chemical_symbols()))
    write_start(start, folder / "start.data", elements)
    text = lammps_input(model, run, elements, frame_interval)
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    log = folder / LOG
    log.unlink(missing_ok=True)
    watch(
        [console_script("lmp"), "-in", "in.lammps", "-log", LOG],
        folder,
        folder / "screen.txt",
        {"OMP_NUM_THREADS": str(threads)},
        LineCounter(log, lambda line: _NUMBERS.match(line) is not None),
        lambda lines: progress(lines * sample_interval(run)),
    )
    return read_log(log, run, len(start))


def sample_interval(run: NveRun) -> int:
    """Outer steps between two samples.

    Direct forces alone need no energy: with one at every step the run would not cost what the inner
    steps of multiple time stepping cost, which the speed-up is judged by.
    """
    return 8 if run.forces == "direct" else 1


def write_start(start: Atoms, path: Path, elements: list[str]) -> None:
    """Write a LAMMPS data file in metal units, with masses and velocities (Å/ps)."""
    oriented = standard_orientation(start)
    with path.open("w", encoding="utf-8") as stream:
        write_lammps_data(
            stream, oriented, specorder=elements, masses=True, velocities=True, units="metal"
        )


def lammps_input(
    model: Path, run: NveRun, elements: list[str], frame_interval: int | None = None
) -> str:
    """The input file, as a user would write it."""
    keyword = " forces direct" if run.forces == "direct" else ""
    lines = [
        f"# NVE, {run.label}",
        "units metal",
        "atom_style atomic",
        "read_data start.data",
        "",
        f"pair_style mdbridge {_quoted(model)}{keyword}",
        f"pair_coeff * * {' '.join(elements)}",
        "",
        f"timestep {run.outer_timestep_fs / 1000:.12g}",
        "fix nve all nve",
    ]
    if run.multiplicity is not None:
        # the outer step is the time step; the two cutoffs are syntax only, pair style mdbridge
        # does not use them
        lines.append(f"run_style respa 2 {run.multiplicity} inner 1 3.0 4.0 outer 2")
    if frame_interval is not None:
        lines.append(f"dump frames all custom {frame_interval} {TRAJECTORY} id element xu yu zu")
        lines.append(f"dump_modify frames sort id element {' '.join(elements)} format float %.10g")
    lines += [
        f"thermo_style custom {' '.join(_THERMO)}",
        "thermo_modify format float %.15g flush yes",
        f"thermo {sample_interval(run)}",
        f"run {run.outer_steps}",
    ]
    return "\n".join(lines) + "\n"


def read_log(log: Path, run: NveRun, atom_count: int) -> RunRecord:
    """H(t), T(t) and the loop time from LAMMPS's log.

    :raises RunError: if the log lacks the loop time or has another number of samples than expected
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    loop = _LOOP_TIME.search(text)
    rows = [line.split() for line in text.splitlines() if _NUMBERS.match(line.encode())]
    expected = len(range(0, run.outer_steps, sample_interval(run))) + 1
    if loop is None or len(rows) != expected:
        raise RunError(
            f"{log}: expected {expected} lines of {' '.join(_THERMO)} and a loop time, "
            f"found {len(rows)} lines and {'a' if loop else 'no'} loop time"
        )
    _, time, energy, temperature = np.array(rows, dtype=np.float64).T
    return RunRecord(
        run.engine,
        run.forces,
        run.multiplicity,
        run.timestep_fs,
        atom_count,
        float(loop.group(1)),
        time,
        energy,
        temperature,
    )


def _quoted(path: Path) -> str:
    """A path as one LAMMPS word."""
    text = str(path)
    return f'"{text}"' if any(character in text for character in " \t#$&'") else text
