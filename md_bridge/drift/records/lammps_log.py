"""H(t) and T(t) from a LAMMPS log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import units as ase_units
from numpy.typing import NDArray

from md_bridge.drift.records.errors import ReadError, ReadOptionError
from md_bridge.drift.records.explosions import tells_of_explosion
from md_bridge.drift.records.lammps_fixes import exchanging_fix, silent_fix, unknown_fixes
from md_bridge.drift.records.lammps_table import ThermoRun, thermo_runs
from md_bridge.drift.records.reader_tools import (
    ReadOptions,
    did_you_mean,
    kinetic_energy,
    kinetic_temperature,
    last_digit,
    record_of_file,
    sound_part,
    strictly_later,
)
from md_bridge.drift.records.run import RunRecord

__all__ = [
    "read_lammps_log",
]


@dataclass(frozen=True)
class _Units:
    energy: float
    """eV in the unit of energy."""
    time_fs: float
    """fs in the unit of time."""
    timestep: float
    """LAMMPS's default, in the unit of time."""


_UNITS = {
    "metal": _Units(1.0, 1000.0, 0.001),
    "real": _Units(ase_units.kcal / ase_units.mol, 1.0, 1.0),
    "electron": _Units(ase_units.Hartree, 1.0, 0.001),
    "si": _Units(ase_units.J, 1e15, 1e-8),
}

# what a user writes in thermo_style -> what LAMMPS prints above the column
_KEYWORDS = {
    "etotal": "TotEng",
    "econserve": "Econserve",
    "pe": "PotEng",
    "ke": "KinEng",
    "temp": "Temp",
    "time": "Time",
    "step": "Step",
}

_ADVICE = (
    "Add it to `thermo_style custom` and run again, or name another column with "
    "ReadOptions(column=...)"
)

_INNER_MODEL = re.compile(r'^ +inner model "(.*)" from (.+)$', re.MULTILINE)


def read_lammps_log(log: str | Path, options: ReadOptions | None = None) -> RunRecord:
    """Read one run of a LAMMPS log.

    H is the column ``Econserve`` if there is one, else ``TotEng``, else KinEng + PotEng; with
    ``options.column`` any other, ``f_1`` or ``v_energy``, in the log's unit of energy. Time is the
    column ``Time``, else step times time step. Units metal, real, electron and si are converted to
    eV, ps and K.

    :param log: ``log.lammps``, with thermo style one, custom, multi or yaml
    :param options: what the log leaves open
    :raises ReadError: several runs in the log and none chosen, a column or the units missing, a
        thermostat without ``Econserve``
    """
    log = Path(log)
    options = options or ReadOptions()
    number, run = _chosen_run(log, thermo_runs(log), options.run)
    if not run.rows:
        raise ReadError(f"{log}: run {number} printed no line of thermodynamic output")
    units = _units(log, run, options.units)
    table = {
        name: np.array([float(row[i]) for row in run.rows]) for i, name in enumerate(run.columns)
    }
    atom_count = _atom_count(log, run, table, options.atoms)
    per_atom = atom_count if run.settings.per_atom else 1
    name, energy, resolution = _conserved(log, run, table, options.column)
    time, timestep = _times(log, run, table, units, options.timestep_fs)
    temperature = _temperature(log, table, units.energy * per_atom, atom_count)
    kinetic = (
        table["KinEng"] * units.energy * per_atom
        if "KinEng" in table
        else kinetic_energy(temperature, atom_count)
    )
    potential = table["PotEng"] * units.energy * per_atom if "PotEng" in table else None
    count, bad = sound_part(time, energy, temperature)
    notes = [f"run {number} of the log: {run.describe()}; H is {name}", *_notes_on_fixes(run, name)]
    if run.error is not None:
        notes.append(f"LAMMPS stopped in this run: {run.error}")
    elif run.wall_s is None:
        notes.append("the log ends in the middle of this run")
    notes += _notes_on_models(log)
    strictly_later(time[:count], log, "Is the step counter reset within the run?")
    scale = units.energy * (1 if name.startswith("v_") else per_atom)  # variables are not divided
    return record_of_file(
        label=_label(log, number, options.run),
        source=log,
        host="lammps",
        atom_count=atom_count,
        time_ps=time[:count] - time[0],
        conserved_energy=energy[:count] * scale,
        temperature=temperature[:count],
        resolution=resolution * scale,
        timestep_fs=timestep,
        wall_s=run.wall_s,
        exploded=_explosion(run, table, count, bad),
        kinetic_energy=kinetic[:count],
        potential_energy=None if potential is None else potential[:count],
        notes=tuple(notes),
    )


def _label(log: Path, number: int, asked: int | None) -> str:
    return log.name if asked is None else f"{log.name} run {number}"


def _chosen_run(log: Path, runs: list[ThermoRun], asked: int | None) -> tuple[int, ThermoRun]:
    listing = "".join(
        f"\n  ReadOptions(run={i}): {run.describe()}" for i, run in enumerate(runs, 1)
    )
    if asked is not None and runs:
        if not 1 <= asked <= len(runs):
            raise ReadOptionError(
                f"{log}: expected a run from 1 to {len(runs)}, found {asked}. "
                f"The runs of this log:{listing}"
            )
        if runs[asked - 1].minimisation:
            raise ReadOptionError(
                f"{log}: run {asked} is a minimisation, which conserves no energy. The runs of "
                f"this log:{listing}"
            )
        return asked, runs[asked - 1]
    series = [(i, run) for i, run in enumerate(runs, 1) if run.is_dynamics]
    if len(series) == 1:
        return series[0]
    if not series:
        what = f"only:{listing}" if runs else "no table of thermodynamic output"
        raise ReadError(
            f"{log}: expected a run with thermodynamic output at several steps, found {what}. "
            "Print some with `thermo 10`"
        )
    raise ReadError(
        f"{log} has {len(series)} runs, which may differ in forces and settings: choose "
        f"one{listing}"
    )


def _units(log: Path, run: ThermoRun, asked: str | None) -> _Units:
    known = ", ".join(_UNITS)
    found = run.settings.units
    if asked is not None and found is not None and asked != found:
        raise ReadOptionError(
            f"{log} says `units {found}`, but you say ReadOptions(units={asked}): leave it out"
        )
    name = asked or found
    if name is None:
        raise ReadError(
            f"{log}: expected a line `units ...` above the run, found none: give "
            f"ReadOptions(units=...) ({known})"
        )
    if name not in _UNITS:
        kind = ReadError if name == found else ReadOptionError
        raise kind(
            f"{log}: `units {name}` cannot be converted to eV and ps; expected one of {known}"
            + did_you_mean(name, tuple(_UNITS))
        )
    return _UNITS[name]


def _atom_count(
    log: Path, run: ThermoRun, table: dict[str, NDArray[np.float64]], asked: int | None
) -> int:
    found = run.atom_count
    if "Atoms" in table:
        counts = sorted({int(count) for count in table["Atoms"] if np.isfinite(count)})
        if len(counts) > 1:
            raise ReadError(
                f"{log}: the number of atoms changes from {counts[-1]} to {counts[0]}; energy is "
                "not conserved in such a run"
            )
        found = counts[0] if counts else found
    if found is not None and asked is not None and asked != found:
        raise ReadOptionError(
            f"{log} has {found} atoms, but you say ReadOptions(atoms={asked}): leave it out"
        )
    count = found or asked
    if count is None:
        raise ReadError(
            f"{log}: the run did not reach its end, where LAMMPS prints the number of atoms: give "
            "ReadOptions(atoms=...)"
        )
    return count


def _conserved(
    log: Path, run: ThermoRun, table: dict[str, NDArray[np.float64]], asked: str | None
) -> tuple[str, NDArray[np.float64], float]:
    """Name of H, its values and the value of its last digit, in the log's unit."""

    def digit(name: str) -> float:
        return last_digit(row[run.columns.index(name)] for row in run.rows)

    if asked is not None:
        name = _KEYWORDS.get(asked.lower(), asked)
        if name not in table:
            raise ReadOptionError(
                f"{log}: there is no column {asked}{did_you_mean(asked, run.columns)}; found "
                f"{', '.join(run.columns)}"
            )
        return name, table[name], digit(name)
    if "Econserve" in table:
        _refuse_silent_thermostat(log, run)
        return "Econserve", table["Econserve"], digit("Econserve")
    _refuse_thermostat(log, run)
    if "TotEng" in table:
        return "TotEng", table["TotEng"], digit("TotEng")
    if "KinEng" in table and "PotEng" in table:
        total = table["KinEng"] + table["PotEng"]
        return "KinEng + PotEng", total, max(digit("KinEng"), digit("PotEng"))
    raise ReadError(
        f"{log}: expected a column Econserve or TotEng, found {', '.join(run.columns)}. {_ADVICE}"
    )


def _refuse_thermostat(log: Path, run: ThermoRun) -> None:
    """TotEng is not what such a run conserves; its drift would say nothing about the forces."""
    identifier = exchanging_fix(run.settings.fixes)
    if identifier is not None:
        style = run.settings.fixes[identifier][0]
        raise ReadError(
            f"{log}: fix {identifier} ({style}) exchanges energy with the atoms, so TotEng is not "
            "conserved. Print `econserve` in `thermo_style custom` (fix langevin needs `tally "
            "yes`), or judge TotEng nevertheless with ReadOptions(column=TotEng)"
        )


def _refuse_silent_thermostat(log: Path, run: ThermoRun) -> None:
    """Fix langevin adds to ``econserve`` only where it is told to, others never do."""
    identifier = silent_fix(run.settings.fixes)
    if identifier is None:
        return
    style = run.settings.fixes[identifier][0]
    nevertheless = "judge Econserve nevertheless with ReadOptions(column=Econserve)"
    if style.startswith("langevin"):
        raise ReadError(
            f"{log}: fix {identifier} ({style}) runs without `tally yes`, so Econserve lacks "
            f"the energy that it exchanged: add `tally yes` and run again, or {nevertheless}"
        )
    raise ReadError(
        f"{log}: fix {identifier} ({style}) exchanges energy with the atoms that LAMMPS does not "
        f"add to Econserve: run without it, or {nevertheless}"
    )


def _notes_on_models(log: Path) -> list[str]:
    """A second model for the inner forces, as pair style mdbridge prints it."""
    text = log.read_text(encoding="utf-8", errors="replace")
    return [
        f"the log names a second model for inner forces: {name or 'without a name'} ({file})"
        for name, file in dict.fromkeys(_INNER_MODEL.findall(text))
    ]


def _notes_on_fixes(run: ThermoRun, column: str) -> list[str]:
    """What the reader does not know of the forces on the atoms."""
    settings = run.settings
    notes = [
        f"fix {identifier} ({settings.fixes[identifier][0]}) may act on the atoms; {column} has "
        "its energy only with `fix_modify energy yes`"
        for identifier in unknown_fixes(settings.fixes)
    ]
    if not settings.commands_are_known:
        notes.append(
            "the file does not show all commands of the run: whether a thermostat or another fix "
            f"acted is not known, and {column} may not be what the run conserves"
        )
    return notes


def _times(
    log: Path,
    run: ThermoRun,
    table: dict[str, NDArray[np.float64]],
    units: _Units,
    asked_fs: float | None,
) -> tuple[NDArray[np.float64], float | None]:
    """Times (ps) and the time step (fs), None where only the times are known."""
    timestep_fs = asked_fs if asked_fs is not None else _timestep_fs(run, units)
    if asked_fs is None and "Time" in table:
        return table["Time"] * units.time_fs / 1000.0, timestep_fs
    if timestep_fs is None:
        raise ReadError(
            f"{log}: the file does not show all commands of the run, so the time step is not known "
            "(LAMMPS writes it to the screen, not to the log): give ReadOptions(timestep_fs=...)"
        )
    if asked_fs is None and any(words[0] == "dt/reset" for words in run.settings.fixes.values()):
        raise ReadError(f"{log}: fix dt/reset changes the time step: print `time` as a column too")
    if "Step" not in table:
        raise ReadError(
            f"{log}: expected a column Step or Time, found {', '.join(run.columns)}. Add it to "
            "`thermo_style custom`"
        )
    return table["Step"] * timestep_fs / 1000.0, timestep_fs


def _timestep_fs(run: ThermoRun, units: _Units) -> float | None:
    """Time step (fs) that the file tells, or LAMMPS's default where nothing can have changed it."""
    if run.settings.timestep is not None:
        return run.settings.timestep * units.time_fs
    return units.timestep * units.time_fs if run.settings.commands_are_known else None


def _temperature(
    log: Path, table: dict[str, NDArray[np.float64]], energy_ev: float, atom_count: int
) -> NDArray[np.float64]:
    if "Temp" in table:
        return table["Temp"]
    if "KinEng" in table:
        return kinetic_temperature(table["KinEng"] * energy_ev, atom_count)
    if "TotEng" in table and "PotEng" in table:
        kinetic = table["TotEng"] - table["PotEng"]
        return kinetic_temperature(kinetic * energy_ev, atom_count)
    raise ReadError(
        f"{log}: expected a column Temp, found {', '.join(table)}. Add `temp` to `thermo_style "
        "custom`"
    )


def _explosion(
    run: ThermoRun, table: dict[str, NDArray[np.float64]], count: int, bad: str | None
) -> str | None:
    if bad is not None:
        step = f"step {table['Step'][count]:.0f}" if "Step" in table else f"sample {count + 1}"
        return f"{bad} at {step}"
    if run.error is not None and tells_of_explosion(run.error):
        return f"LAMMPS stopped: {run.error}"
    return None
