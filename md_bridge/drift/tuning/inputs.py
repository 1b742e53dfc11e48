"""Inputs for LAMMPS and i-PI that use what `md-bridge tune` found."""

from __future__ import annotations

import os
from pathlib import Path

import ase.io
from ase import Atoms

from md_bridge._templates import templates
from md_bridge.drift.runs.lammps import write_data_file
from md_bridge.drift.tuning.search import Trial, Tuning
from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.model_options import ModelOptions
from md_bridge.structures import read_structure
from md_bridge.text import with_error

__all__ = [
    "write_inputs",
]

_LENGTH_PS = 10.0
_STRIDE_PS = 0.01
_RESTART_PS = 1.0


def write_inputs(tuning: Tuning, folder: Path) -> list[Path]:
    """Write ``in.lammps`` with ``start.data`` and ``input.xml`` with ``start.xyz``, which run as
    they stand: 10 ps of NVE from the start of the first replica.

    :param tuning: what the search found; without a choice nothing is written
    :param folder: made if missing; files of these names in it are replaced
    :returns: the two input files; none if every inner step drifts
    :raises EngineError: i-PI cannot read a path
    :raises StructureError: the start cannot be read
    """
    if tuning.choice is None:
        return []
    trial = tuning.choice.recommended
    folder.mkdir(parents=True, exist_ok=True)
    start = read_structure(tuning.start)
    ase.io.write(folder / "start.xyz", start, format="extxyz")
    return [_write_lammps(tuning, trial, start, folder), _write_ipi(tuning, trial, folder)]


def _write_lammps(tuning: Tuning, trial: Trial, start: Atoms, folder: Path) -> Path:
    elements = sorted(set(start.get_chemical_symbols()))
    options = _options_for(tuning, trial)
    write_data_file(start, folder / "start.data", elements)
    # not HTML
    environment = templates("md_bridge.drift", autoescape=False, keep_trailing_newline=True)
    energy = trial.statistics.energy
    path = folder / "in.lammps"
    text = environment.get_template("tuned.lammps.j2").render(
        title=f"{start.get_chemical_formula()} at constant energy",
        finding=f"drift {with_error(energy.slope, energy.stderr)} meV/atom/ps",
        name=path.name,
        data="start.data",
        model=quoted(Path(os.path.relpath(tuning.request.model, folder))),
        keywords=pair_style_keywords(options.relative_to(folder)),
        two_models=bool(options.inner),
        elements=" ".join(elements),
        multiplicity=trial.multiplicity,
        outer_ps=trial.outer_timestep_fs / 1000,
        inner_fs=trial.timestep_fs,
        stride=_steps(_STRIDE_PS, trial),
        restart=_steps(_RESTART_PS, trial),
        prefix="tuned",
        steps=_steps(_LENGTH_PS, trial),
    )
    path.write_text(text, encoding="utf-8")
    return path


def _write_ipi(tuning: Tuning, trial: Trial, folder: Path) -> Path:
    from md_bridge.ipi.input import write_input
    from md_bridge.ipi.plan import make_plan

    plan = make_plan(
        forces=f"mts:{trial.multiplicity}" if trial.multiplicity > 1 else "conservative",
        timestep=trial.timestep_fs,
        temperature=tuning.request.temperature_k,
        steps=_steps(_LENGTH_PS, trial),
        stride=_steps(_STRIDE_PS, trial),
        seed=tuning.request.seed,
        model_options=_options_for(tuning, trial),
    )
    path = folder / "input.xml"
    write_input(path, folder / "start.xyz", tuning.request.model, plan, overwrite=True)
    return path


def _options_for(tuning: Tuning, trial: Trial) -> ModelOptions:
    """An inner model only where it is used."""
    options = tuning.request.model_options
    return options if trial.multiplicity > 1 else options.without_inner()


def _steps(time_ps: float, trial: Trial) -> int:
    return max(1, round(1000 * time_ps / trial.outer_timestep_fs))
