"""H(t) and T(t) from ASE: trajectories with energies and momenta, and the logs of MDLogger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import fs
from numpy.typing import NDArray

from md_bridge.drift.records.errors import ReadError, ReadOptionError
from md_bridge.drift.records.reader_tools import (
    ReadOptions,
    did_you_mean,
    last_digit,
    record_of_file,
    sound_part,
    strictly_later,
)
from md_bridge.drift.records.run import RunRecord

__all__ = [
    "LOG_COLUMNS",
    "read_ase_log",
    "read_ase_trajectory",
]

LOG_COLUMNS = ("Etot[eV]", "Etot/N[eV]")
"""How ASE's MDLogger heads the total energy."""

_CONSERVING = ("VelocityVerlet",)
_EXCHANGING = re.compile(
    r"Langevin|NPT|NVT|Andersen|Bussi|Berendsen|NoseHoover|MTK|ContourExploration"
)
"""In the names of ASE's integrators that exchange energy with a bath, or do no dynamics."""


def read_ase_trajectory(trajectory: str | Path, options: ReadOptions | None = None) -> RunRecord:
    """Read H = potential + kinetic energy from a trajectory.

    A ``.traj`` that an ASE integrator wrote knows its time step and interval. Any other (extxyz)
    holds no times: give ``options.timestep_fs`` and ``options.interval``.

    :param trajectory: ``.traj``, or extxyz with energies and momenta
    :param options: what the file leaves open
    :raises ReadError: a frame without energy or momenta, frames of different systems, no times, an
        integrator with a thermostat or barostat
    """
    trajectory = Path(trajectory)
    options = options or ReadOptions()
    frames, description = _frames(trajectory)
    integrator_notes = _integrator_notes(trajectory, description)
    timestep_fs, interval = _spacing(trajectory, description, options)
    atom_count = _atom_count(trajectory, frames, options.atoms)
    potential = np.array([_potential(trajectory, i, atoms) for i, atoms in enumerate(frames)])
    kinetic = np.array([float(atoms.get_kinetic_energy()) for atoms in frames])
    energy = potential + kinetic
    temperature = np.array([_temperature(atoms) for atoms in frames])
    time = _regular_times(len(frames), timestep_fs, interval)
    count, bad = sound_part(time, energy, temperature)
    return record_of_file(
        source=trajectory,
        host="ase",
        atom_count=atom_count,
        time_ps=time[:count],
        conserved_energy=energy[:count],
        temperature=temperature[:count],
        timestep_fs=timestep_fs,
        exploded=None if bad is None else f"{bad} at frame {count} ({time[count]:g} ps)",
        kinetic_energy=kinetic[:count],
        potential_energy=potential[:count],
        notes=(
            f"{len(frames)} frames, one every {interval * timestep_fs:g} fs; H is potential + "
            "kinetic energy",
            *integrator_notes,
        ),
    )


def read_ase_log(log: str | Path, options: ReadOptions | None = None) -> RunRecord:
    """Read the log of an ASE integrator (``logfile=``, MDLogger).

    MDLogger rounds: to 0.1 meV for up to 100 atoms, to 0.1 meV *per atom* with ``peratom=True``,
    where a trajectory has all digits.

    :param log: text with the heading ``Time[ps] Etot[eV] Epot[eV] Ekin[eV] T[K]``
    :param options: ``atoms`` is needed, the log does not hold it
    :raises ReadError: a column missing, several runs in one log, no number of atoms
    """
    log = Path(log)
    options = options or ReadOptions()
    columns, rows = _log_run(log, options.run)
    name = _log_column(log, columns, options.column)
    if options.atoms is None:
        raise ReadError(
            f"{log}: ASE's log does not hold the number of atoms: give ReadOptions(atoms=...)"
        )
    table = dict(zip(columns, np.array(rows, dtype=np.float64).T, strict=True))
    per_atom = options.atoms if "/N" in name else 1
    energy = table[name] * per_atom
    time = _log_times(log, table, options)
    count, bad = sound_part(time, energy, table["T[K]"])
    strictly_later(
        time[:count],
        log,
        "MDLogger rounds times to 0.1 fs: give ReadOptions(timestep_fs=...) and "
        "ReadOptions(interval=...)",
    )
    return record_of_file(
        source=log,
        host="ase",
        atom_count=options.atoms,
        time_ps=time[:count] - (time[0] if count else 0.0),
        conserved_energy=energy[:count],
        temperature=table["T[K]"][:count] * options.atoms / max(options.atoms - 1, 1),
        resolution=last_digit(row[columns.index(name)] for row in rows) * per_atom,
        timestep_fs=options.timestep_fs,
        exploded=None if bad is None else f"{bad} at {time[count]:g} ps",
        notes=(f"{len(rows)} samples; H is {name}", _UNKNOWN_INTEGRATOR),
    )


_UNKNOWN_INTEGRATOR = (
    "the file does not name its integrator: with a thermostat or barostat, this H is not conserved"
)


def _integrator_notes(path: Path, description: dict[str, object]) -> list[str]:
    """What is not known of the integrator; one that exchanges energy is refused."""
    name = description.get("md-type")
    if name is None:
        return [_UNKNOWN_INTEGRATOR]
    if _EXCHANGING.search(str(name)):
        raise ReadError(
            f"{path}: its integrator {name} exchanges energy with a bath, so potential + kinetic "
            "energy is not conserved. Run VelocityVerlet from the end of this run, and judge that"
        )
    if name in _CONSERVING:
        return []
    return [
        f"its integrator {name} is not known here: does it conserve potential + kinetic energy?"
    ]


def _temperature(atoms: Atoms) -> float:
    """Kinetic temperature (K), of the degrees of freedom that ASE counts: those which constraints
    leave. Without constraints three less, as what drives atoms conserves the momentum of their
    centre of mass."""
    count = atoms.get_number_of_degrees_of_freedom()
    moving = max(count - 3, 3) if count == 3 * len(atoms) else max(count, 1)
    return float(atoms.get_temperature()) * count / moving


def _frames(path: Path) -> tuple[list[Atoms], dict[str, object]]:
    from ase.io import Trajectory, read

    try:
        if path.suffix == ".traj":
            with Trajectory(path) as reader:
                return list(reader), dict(getattr(reader, "description", None) or {})
        frames = read(path, index=":", format="extxyz")
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # ASE's parsers raise anything
        raise ReadError(f"{path} is not a trajectory that ASE can read: {error}") from error
    return [frames] if isinstance(frames, Atoms) else list(frames), {}


def _spacing(path: Path, description: dict[str, object], options: ReadOptions) -> tuple[float, int]:
    """Time step (fs) and steps from frame to frame."""
    timestep, interval = description.get("timestep"), description.get("interval")
    timestep_fs = options.timestep_fs
    if timestep_fs is None and isinstance(timestep, float | int):
        timestep_fs = float(timestep) / fs
    steps = options.interval
    if steps is None and isinstance(interval, int):
        steps = interval
    missing = [
        f"ReadOptions({option}=...)"
        for option, value in (("timestep_fs", timestep_fs), ("interval", steps))
        if value is None
    ]
    if timestep_fs is None or steps is None:
        raise ReadError(
            f"{path} does not say at what times its frames were taken: give {' and '.join(missing)}"
            " (MD steps between two frames)"
        )
    return timestep_fs, steps


def _regular_times(count: int, timestep_fs: float, interval: int) -> NDArray[np.float64]:
    """Times (ps) of samples at equal distances."""
    return np.arange(count, dtype=np.float64) * timestep_fs * interval / 1000.0


def _atom_count(path: Path, frames: list[Atoms], asked: int | None) -> int:
    if not frames:
        raise ReadError(f"{path}: expected frames, found none")
    first = frames[0]
    for i, atoms in enumerate(frames):
        if not np.array_equal(atoms.numbers, first.numbers):
            raise ReadError(
                f"{path}: frame {i} has {atoms.get_chemical_formula()} where frame 0 has "
                f"{first.get_chemical_formula()}: expected one system"
            )
    if asked is not None and asked != len(first):
        raise ReadOptionError(
            f"{path} has {len(first)} atoms, but you say ReadOptions(atoms={asked}): leave it out"
        )
    return len(first)


def _potential(path: Path, index: int, atoms: Atoms) -> float:
    if not atoms.has("momenta"):
        raise ReadError(
            f"{path}: frame {index} has no momenta, so the kinetic energy is unknown. Write the "
            "trajectory with the integrator (ASE: trajectory=...), or momenta into the extxyz"
        )
    try:
        return float(atoms.get_potential_energy())
    except Exception as error:  # ASE has no one class for "there is none"
        raise ReadError(
            f"{path}: frame {index} has no energy ({error}). Write frames while the calculator is "
            "attached"
        ) from error


def _log_run(log: Path, asked: int | None) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of one run; MDLogger appends to a log that exists, heading and all."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ReadError(f"cannot read {log}: {error.strerror}") from error
    runs: list[tuple[list[str], list[list[str]]]] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if any(column in words for column in LOG_COLUMNS):
            runs.append(([word for word in words if "[" in word and "GPa" not in word], []))
        elif words and runs and not line.startswith("#"):
            columns, rows = runs[-1]
            if len(words) < len(columns) or not _are_numbers(words):
                raise ReadError(
                    f"{log}, line {number}: expected {len(columns)} numbers ({' '.join(columns)}), "
                    f"found {line.strip()!r}"
                )
            rows.append(words[: len(columns)])
    if not runs:
        raise ReadError(f"{log}: expected the heading {LOG_COLUMNS[0]} of ASE's MDLogger")
    if asked is None and len(runs) > 1:
        listing = "".join(
            f"\n  ReadOptions(run={i}): {len(rows)} samples" for i, (_, rows) in enumerate(runs, 1)
        )
        raise ReadError(f"{log} has {len(runs)} runs (a heading each): choose one{listing}")
    number = asked or 1
    if not 1 <= number <= len(runs):
        raise ReadOptionError(f"{log}: expected a run from 1 to {len(runs)}, found {number}")
    return runs[number - 1]


def _log_column(log: Path, columns: list[str], asked: str | None) -> str:
    for name in (asked,) if asked is not None else LOG_COLUMNS:
        if name in columns:
            return str(name)
    if asked is None:
        raise ReadError(f"{log}: expected a column {LOG_COLUMNS[0]}, found {', '.join(columns)}")
    raise ReadOptionError(
        f"{log}: there is no column {asked}{did_you_mean(asked, columns)}; found "
        f"{', '.join(columns)}"
    )


def _log_times(
    log: Path, table: dict[str, NDArray[np.float64]], options: ReadOptions
) -> NDArray[np.float64]:
    if options.timestep_fs is not None and options.interval is not None:
        return _regular_times(len(table["T[K]"]), options.timestep_fs, options.interval)
    if "Time[ps]" in table:
        return table["Time[ps]"]
    raise ReadError(
        f"{log}: expected a column Time[ps], found {', '.join(table)}: give "
        "ReadOptions(timestep_fs=...) and ReadOptions(interval=...), MD steps between two lines"
    )


def _are_numbers(words: Iterable[str]) -> bool:
    try:
        for word in words:
            float(word)
    except ValueError:
        return False
    return True
