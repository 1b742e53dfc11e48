"""Inputs for LAMMPS and i-PI that use an M, which `md-bridge tune` found or a check guessed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase.io
from ase import Atoms

from md_bridge._templates import templates
from md_bridge.drift.runs.lammps import write_data_file
from md_bridge.drift.tuning.search import Tuning
from md_bridge.lammps.keywords import pair_style_keywords, quoted
from md_bridge.model_names import ModelName, is_python_model, relative_model
from md_bridge.model_options import ModelOptions
from md_bridge.structures import read_structure
from md_bridge.text import with_error

__all__ = [
    "InputPlan",
    "write_inputs",
    "write_planned_inputs",
]

_LENGTH_PS = 10.0
_STRIDE_PS = 0.01
_RESTART_PS = 1.0


@dataclass(frozen=True)
class InputPlan:
    """A run that inputs are written for."""

    model: Path
    start: Path
    """Structure file."""
    model_options: ModelOptions
    """With the inner model, if there is one."""
    multiplicity: int
    """M; 1 for conservative forces."""
    timestep_fs: float
    """Inner step (fs)."""
    temperature_k: float
    seed: int
    finding: str
    """Where M is from, in a line."""

    @property
    def outer_timestep_fs(self) -> float:
        """M inner steps (fs)."""
        return self.timestep_fs * self.multiplicity

    @property
    def used_options(self) -> ModelOptions:
        """An inner model only where it is used."""
        options = self.model_options
        return options if self.multiplicity > 1 else options.without_inner()


def write_inputs(tuning: Tuning, folder: Path) -> list[Path]:
    """Inputs for what a search found, see :func:`write_planned_inputs`.

    :param tuning: what the search found; without a choice nothing is written
    :param folder: made if missing; files of these names in it are replaced
    :returns: the two input files; none if every inner step drifts
    :raises EngineError: i-PI cannot read a path
    :raises StructureError: the start cannot be read
    """
    if tuning.choice is None:
        return []
    trial, request = tuning.choice.recommended, tuning.request
    energy = trial.statistics.energy
    drift = with_error(energy.slope, energy.stderr)
    plan = InputPlan(
        model=request.model,
        start=tuning.start,
        model_options=request.model_options,
        multiplicity=trial.multiplicity,
        timestep_fs=trial.timestep_fs,
        temperature_k=request.temperature_k,
        seed=request.seed,
        finding=f"Found by `md-bridge tune`: drift {drift} meV/atom/ps",
    )
    return write_planned_inputs(plan, folder)


def write_planned_inputs(plan: InputPlan, folder: Path) -> list[Path]:
    """Write ``in.lammps`` with ``start.data`` and ``input.xml`` with ``start.xyz``, which run as
    they stand: 10 ps of NVE from the start.

    :param plan: the run
    :param folder: made if missing; files of these names in it are replaced
    :returns: the two input files
    :raises EngineError: i-PI cannot read a path
    :raises StructureError: the start cannot be read
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = read_structure(plan.start)
    ase.io.write(folder / "start.xyz", start, format="extxyz")
    return [_write_lammps(plan, start, folder), _write_ipi(plan, folder)]


def _write_lammps(plan: InputPlan, start: Atoms, folder: Path) -> Path:
    elements = sorted(set(start.get_chemical_symbols()))
    options = plan.used_options
    write_data_file(start, folder / "start.data", elements)
    # not HTML
    environment = templates("md_bridge.drift", autoescape=False, keep_trailing_newline=True)
    path = folder / "in.lammps"
    text = environment.get_template("tuned.lammps.j2").render(
        title=f"{start.get_chemical_formula()} at constant energy",
        finding=plan.finding,
        name=path.name,
        program=_program([_there(plan.model, folder), options.relative_to(folder).inner]),
        data="start.data",
        model=quoted(_there(plan.model, folder)),
        keywords=pair_style_keywords(options.relative_to(folder)),
        two_models=bool(options.inner),
        elements=" ".join(elements),
        multiplicity=plan.multiplicity,
        outer_ps=plan.outer_timestep_fs / 1000,
        inner_fs=plan.timestep_fs,
        stride=_steps(_STRIDE_PS, plan),
        restart=_steps(_RESTART_PS, plan),
        prefix="tuned",
        steps=_steps(_LENGTH_PS, plan),
    )
    path.write_text(text, encoding="utf-8")
    return path


def _program(models: Sequence[ModelName]) -> str:
    """What runs the input: LAMMPS inside of Python, if one of its models is evaluated there."""
    of_python = [str(model) for model in models if is_python_model(model)]
    return f"md-bridge lammps --model {of_python[0]}" if of_python else "lmp"


def _there(model: Path, folder: Path) -> Path:
    """By a path from that folder, so that both can move."""
    return (
        relative_model(model, folder)
        if is_python_model(model)
        else Path(os.path.relpath(model, folder))
    )


def _write_ipi(plan: InputPlan, folder: Path) -> Path:
    from md_bridge.ipi.input import write_input
    from md_bridge.ipi.plan import make_plan

    of_ipi = make_plan(
        forces=f"mts:{plan.multiplicity}" if plan.multiplicity > 1 else "conservative",
        timestep=plan.timestep_fs,
        temperature=plan.temperature_k,
        steps=_steps(_LENGTH_PS, plan),
        stride=_steps(_STRIDE_PS, plan),
        seed=plan.seed,
        model_options=plan.used_options,
    )
    path = folder / "input.xml"
    write_input(path, folder / "start.xyz", plan.model, of_ipi, overwrite=True)
    return path


def _steps(time_ps: float, plan: InputPlan) -> int:
    return max(1, round(1000 * time_ps / plan.outer_timestep_fs))
