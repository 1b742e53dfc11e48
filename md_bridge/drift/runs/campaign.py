"""NVE runs of several kinds of forces from several starts, in a folder that can be resumed.

campaign.json              what was asked for, and of which model and start
costs.json                 of two models: what an evaluation of each costs
starts/replica-1.xyz       thermalised starts
runs/<run>/                input and output of the host
series/<run>.csv           written when a run is complete: what is there is not run again
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.md.velocitydistribution import Stationary

from md_bridge import __version__
from md_bridge.drift.records.csv import read_csv, write_csv
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.dynamics import run_dynamics
from md_bridge.drift.runs.plan import MINIMISER_STEPS, CampaignPlan, Run
from md_bridge.drift.runs.starts import (
    minimise,
    read_periodic_structure,
    thermalise,
    write_start,
)
from md_bridge.drift.runs.tasks import Task, TaskProgress, run_task
from md_bridge.drift.runs.versions import installed_versions
from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.extras import HOSTS, require
from md_bridge.forces import forces_text
from md_bridge.model_names import absolute_model, model_checksum, model_factory, require_model
from md_bridge.model_options import ModelOptions
from md_bridge.processes import RunError, alone_in
from md_bridge.structures import StructureError, read_structure
from md_bridge.text import replace_atomically, sha256_of

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "COSTS",
    "SERIES",
    "SETTINGS",
    "Campaign",
    "CampaignError",
    "CampaignOutcome",
    "read_settings",
]

SETTINGS = "campaign.json"
COSTS = "costs.json"
SERIES = "series"
_START_SEED = "thermostat_seed"

# Names in campaign.json of what the runs of a folder must have in common. Kinds of forces and the
# number of replicas may grow.
_COMMON = (
    "model_sha256",
    "model_factory",
    "inner_sha256",
    "inner_factory",
    "start_sha256",
    "host",
    "timestep_fs",
    "length_ps",
    "temperature_K",
    "equilibration_ps",
    "seed",
    "keep_velocities",
    "minimise_fmax",
    "zero_rotation",
    "model_options",
)


class CampaignError(MDBridgeError, RuntimeError):
    """A folder that cannot be used for a campaign; the message says why and what to do."""


@dataclass
class CampaignOutcome:
    """What a campaign has so far; complete unless it was stopped or runs failed."""

    records: list[RunRecord] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by the label of the run or of the thermalisation."""
    costs: EvaluationCosts | None = None
    """Of an evaluation of each of two models."""


class Campaign:
    """A plan and the folder that holds its runs.

    :param plan: what is run
    :param folder: made if missing; complete runs of the same plan in it count as done
    :param from_scratch: remove what an earlier campaign left in the folder
    :raises CampaignError: the folder belongs to other settings, or is in use, or cannot be made
    :raises StructureError: the start cannot be used
    :raises ArgumentError: the model is not there, or velocities are to be kept and the start has
        none
    :raises MissingExtraError: the host is not installed
    """

    def __init__(self, plan: CampaignPlan, folder: Path, from_scratch: bool = False) -> None:
        self.plan = plan
        self.folder = folder
        self.structure = read_periodic_structure(plan.start)
        if plan.keep_velocities and not np.any(self.structure.get_momenta()):
            raise ArgumentError(
                "keep_velocities",
                f"needs velocities, and {plan.start} has none: leave it out, and a thermostat "
                "makes some",
            )
        for name, model in (("model", plan.model), ("inner", plan.model_options.inner)):
            if model:
                require_model(name, model)
        require(HOSTS[plan.host], wanted_by=f"a run in {plan.host}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CampaignError(f"cannot make {folder}: {error.strerror}") from error
        with alone_in(self.folder, "md-bridge drift", CampaignError):
            if from_scratch:
                self._clear()
            self._claim()

    def series_file(self, run: Run) -> Path:
        """Where the series of a complete run is.

        :param run: one of the plan
        """
        return self.folder / SERIES / f"{run.name}.csv"

    def start_file(self, replica: int) -> Path:
        """Where the thermalised start of a replica is.

        :param replica: its number, from 1
        """
        return self.folder / "starts" / f"replica-{replica}.xyz"

    def tasks(self) -> dict[Task, bool]:
        """All that there is to do, in order, and whether it is done."""
        runs = self.plan.runs()
        tasks: dict[Task, bool] = {}
        for replica in range(1, self.plan.replicas + 1):
            of_replica = [run for run in runs if run.replica == replica]
            done = [self.series_file(run).exists() for run in of_replica]
            if self.plan.start_steps:
                thermal = self.start_file(replica).exists() or all(done)
                tasks[self._thermal_task(replica)] = thermal
            tasks |= {run_task(run): is_done for run, is_done in zip(of_replica, done, strict=True)}
        return tasks

    def records(self) -> list[RunRecord]:
        """The complete runs of the plan, kinds of forces in the order of the plan.

        :raises CampaignError: a damaged file
        """
        runs = sorted(self.plan.runs(), key=lambda run: self.plan.methods.index(run.method))
        files = [self.series_file(run) for run in runs]
        try:
            return [read_csv(path) for path in files if path.exists()]
        except ValueError as error:
            raise CampaignError(f"{error}. Delete that file to run it again") from error

    def perform(self, threads: int, progress: TaskProgress, outcome: CampaignOutcome) -> None:
        """Do what is missing; a run that fails does not stop the next.

        :param threads: threads of each run
        :param progress: told of each task and its steps
        :param outcome: filled as results come, so that nothing is lost on Ctrl-C
        :raises CampaignError: another process works in the folder
        :raises EngineError: of two models, one cannot be loaded, or lacks an element or its forces
        """
        with alone_in(self.folder, "md-bridge drift", CampaignError):
            outcome.costs = self.costs(threads) if self.plan.two_models else None
            try:
                for replica in range(1, self.plan.replicas + 1):
                    self._perform_replica(replica, threads, progress, outcome)
            finally:
                outcome.records[:] = self.records()

    def costs(self, threads: int) -> EvaluationCosts:
        """What an evaluation of each of two models costs, as the file has it; measured first if
        that is missing.

        :param threads: of torch
        :raises CampaignError: a damaged file
        :raises EngineError: a model cannot be loaded, or lacks an element or its forces
        """
        from md_bridge.export.checks.costs import EvaluationCosts, evaluation_costs

        path = self.folder / COSTS
        if path.exists():
            try:
                return EvaluationCosts(**json.loads(path.read_text(encoding="utf-8")))
            except (TypeError, ValueError) as error:
                raise CampaignError(f"{path}: {error}. Delete that file to measure anew") from error
        options = self.plan.model_options
        costs = evaluation_costs(self.plan.model, self.structure, options, threads)
        text = json.dumps(asdict(costs)) + "\n"
        replace_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
        return costs

    def _perform_replica(
        self, replica: int, threads: int, progress: TaskProgress, outcome: CampaignOutcome
    ) -> None:
        runs = [run for run in self.plan.runs() if run.replica == replica]
        missing = [run for run in runs if not self.series_file(run).exists()]
        if not missing:
            return
        try:
            start = self._start(replica, threads, progress)
        except RunError as error:
            outcome.failures[self._thermal_task(replica).label] = str(error)
            return
        for run in missing:
            try:
                self._run(run, start, threads, progress)
            except RunError as error:
                outcome.failures[run.label] = str(error)

    def _run(self, run: Run, start: Atoms, threads: int, progress: TaskProgress) -> None:
        folder = self.folder / "runs" / run.name
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped
        task = run_task(run)

        def steps_done(steps: int) -> None:
            progress(task, min(steps, run.outer_steps))

        run = replace(run, seed=self._seed_of(start, run))
        record = run_dynamics(start, self.plan.model, run, folder, steps_done, threads)
        record = replace(record, versions=installed_versions())
        self.series_file(run).parent.mkdir(exist_ok=True)
        write_csv(record, self.series_file(run))
        progress(task, run.outer_steps)

    def _start(self, replica: int, threads: int, progress: TaskProgress) -> Atoms:
        """The start as its file has it, made first if it is missing."""
        path = self.start_file(replica)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            task = self._thermal_task(replica)
            if self.plan.keep_velocities:
                atoms = self.structure
                # i-PI does so anyway, and both hosts are to start alike
                Stationary(atoms, preserve_temperature=False)
            else:
                atoms = self._thermalise(replica, threads, lambda steps: progress(task, steps))
                atoms.info[_START_SEED] = self.plan.replica_seed(replica)
            write_start(atoms, path)
            if task.steps:
                progress(task, task.steps)
        try:
            return read_structure(path)
        except StructureError as error:
            raise CampaignError(
                f"{error}. Was it cut short? Delete that file, and it will be made again"
            ) from error

    def _seed_of(self, start: Atoms, run: Run) -> int | None:
        """Of the thermostat that made a start, which may have been an earlier version of this
        package: it counted the seeds of the replicas up, and did not write them into the file."""
        if self.plan.keep_velocities or run.replica is None:
            return None
        return int(start.info.get(_START_SEED, self.plan.seed + run.replica - 1))

    def _thermalise(self, replica: int, threads: int, progress: Callable[[int], None]) -> Atoms:
        from md_bridge.ase import MDBridgeCalculator
        from md_bridge.engine import EngineError, set_threads

        plan = self.plan
        try:
            set_threads(threads)
            calculator = MDBridgeCalculator(plan.model, **plan.model_options.engine_keywords())
            structure, done = self.structure, 0
            if plan.minimise_fmax:
                done = MINIMISER_STEPS
                structure = minimise(structure, calculator, plan.minimise_fmax, done, progress)
            return thermalise(
                structure,
                calculator,
                plan.temperature_k,
                plan.timestep_fs,
                plan.equilibration_steps,
                plan.replica_seed(replica),
                lambda steps: progress(done + steps),
                plan.zero_rotation,
            )
        except EngineError as error:
            raise RunError(str(error)) from error

    def _thermal_task(self, replica: int) -> Task:
        return Task(f"thermalise #{replica}", self.plan.start_steps)

    def _clear(self) -> None:
        """Remove what a campaign left in the folder, and nothing that is not of a campaign."""
        if not (self.folder / SETTINGS).exists():
            return
        for name in ("starts", "runs", SERIES):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in (SETTINGS, COSTS):
            (self.folder / name).unlink(missing_ok=True)

    def _claim(self) -> None:
        """Write the settings into a new folder; compare them with those of an old one."""
        path = self.folder / SETTINGS
        wanted = _settings(self.plan)
        if path.exists():
            found = read_settings(self.folder)
            differing = [key for key in _COMMON if found.get(key) != wanted[key]]
            if differing:
                changes = "; ".join(
                    f"{key} is {_shown(found.get(key))} there and {_shown(wanted[key])} now"
                    for key in differing
                )
                raise CampaignError(
                    f"{self.folder} holds runs with other settings: {changes}. Give another "
                    "folder, or begin anew with from_scratch"
                )
        elif (self.folder / SERIES).exists():
            raise CampaignError(
                f"{self.folder} holds series but no {SETTINGS}: they are of something else. Give "
                "another folder"
            )
        text = json.dumps(wanted, indent=2) + "\n"
        replace_atomically(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def read_settings(folder: Path) -> dict[str, Any]:
    """The content of ``campaign.json``.

    :param folder: of the campaign
    :raises CampaignError: it is missing or no JSON object
    """
    path = folder / SETTINGS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CampaignError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise CampaignError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CampaignError(f"{path}: expected a JSON object, found {type(content).__name__}")
    # as it was written before the first release
    if "engine" in content:
        content["host"] = content.pop("engine")
    if "model_options" not in content:
        content["model_options"] = {"variant": content.pop("variant", "")}
    content.setdefault("minimise_fmax", 0.0)
    content.setdefault("zero_rotation", False)
    for name in ("model", "inner"):
        content.setdefault(f"{name}_factory", model_factory(content.get(name) or ""))
    content["model_options"] = {**_model_settings(ModelOptions()), **content["model_options"]}
    return content


def _settings(plan: CampaignPlan) -> dict[str, Any]:
    inner = plan.model_options.inner
    return {
        "md_bridge": __version__,
        "model": str(absolute_model(plan.model)),
        "model_sha256": model_checksum(plan.model),
        "model_factory": model_factory(plan.model),
        "inner": str(absolute_model(inner)) if inner else None,
        "inner_sha256": model_checksum(inner) if inner else None,
        "inner_factory": model_factory(inner) if inner else "",
        "start": str(plan.start.resolve()),
        "start_sha256": sha256_of(plan.start),
        "host": plan.host,
        "forces": forces_text(plan.forces),
        "timestep_fs": plan.timestep_fs,
        "length_ps": plan.length_ps,
        "temperature_K": plan.temperature_k,
        "replicas": plan.replicas,
        "equilibration_ps": plan.equilibration_ps,
        "seed": plan.seed,
        "keep_velocities": plan.keep_velocities,
        "minimise_fmax": plan.minimise_fmax,
        "zero_rotation": plan.zero_rotation,
        "preset": plan.preset,
        "model_options": _model_settings(plan.model_options),
    }


def _model_settings(options: ModelOptions) -> dict[str, Any]:
    """What decides which numbers come out: all but where and how fast they are computed, the file
    of an inner model, which may have moved, and what stops a run, which leaves no numbers."""
    settings = asdict(options)
    for name in ("device", "threads", "inner", "max_correction"):
        del settings[name]
    return settings


def _shown(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
