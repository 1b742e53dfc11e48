"""The main jobs as plain functions: measure a model's drift, tune M, judge a run that you have."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE, DriftStatistics, drift_statistics
from md_bridge.drift.runs.analysis import Analysis, analyse
from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome
from md_bridge.drift.runs.plan import DEFAULT_FORCES, DEFAULT_FORCES_OF_TWO, CampaignPlan
from md_bridge.drift.runs.starts import write_start
from md_bridge.drift.runs.tasks import Task, TaskProgress
from md_bridge.drift.tuning.search import TuneRequest, Tuning, search
from md_bridge.forces import Kind, parse_kinds
from md_bridge.model_options import ModelOptions, require_use_of_inner
from md_bridge.processes import RunError

__all__ = [
    "Progress",
    "judge",
    "measure",
    "tune",
]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of it that is done."""


def judge(
    time_ps: ArrayLike,
    conserved_energy: ArrayLike,
    *,
    atom_count: int,
    temperature: ArrayLike | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    volume_preserving: bool = False,
) -> DriftStatistics:
    """Whether a run conserves energy, from the energies that it printed.

    :param time_ps: times of the samples, shape (n,), ps
    :param conserved_energy: conserved quantity of the whole system (kinetic + potential energy at
        constant energy), shape (n,), eV
    :param atom_count: number of atoms
    :param temperature: kinetic temperature, shape (n,), K; None: not known, and no drift of it
    :param tolerance: drift that counts as conserved (meV/atom/ps)
    :param volume_preserving: whether this is NVE by velocity Verlet or multiple time stepping, from
        a start at equilibrium, and sampled at even intervals: then how far H wanders counts too,
        see :func:`~md_bridge.drift.heating_rate`. Needs ``temperature``
    :returns: drift rate with its error, fluctuation and ``verdict``
    :raises ValueError: arrays of different shapes, fewer than two samples, a number that is not
        finite, times that do not increase, or an ``atom_count`` or ``tolerance`` out of its range
    """
    return drift_statistics(
        time_ps, conserved_energy, temperature, atom_count, tolerance, volume_preserving
    )


def measure(
    model: str | Path,
    atoms: Atoms | str | Path,
    *,
    forces: str | tuple[Kind, ...] | None = None,
    host: str = CampaignPlan.host,
    timestep_fs: float = CampaignPlan.timestep_fs,
    length_ps: float = CampaignPlan.length_ps,
    temperature_k: float = CampaignPlan.temperature_k,
    replicas: int = CampaignPlan.replicas,
    equilibration_ps: float = CampaignPlan.equilibration_ps,
    keep_velocities: bool = False,
    minimise_fmax: float = CampaignPlan.minimise_fmax,
    zero_rotation: bool = CampaignPlan.zero_rotation,
    preset: str = CampaignPlan.preset,
    seed: int = CampaignPlan.seed,
    tolerance: float = DEFAULT_TOLERANCE,
    model_options: ModelOptions | None = None,
    stall_minutes: float = CampaignPlan.stall_minutes,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Run dynamics at constant energy with a model, and tell whether it conserves energy.

    ::

        analysis = measure("model.pt", atoms, forces="conservative,mts:4", length_ps=5.0)
        for result in analysis.results:
            print(result.label, result.statistics.verdict, result.speedup)

    :param model: exported model
    :param atoms: periodic structure, or a file with one; its velocities are replaced, unless
        ``keep_velocities``
    :param forces: kinds of forces with commas between them: ``conservative``, ``direct``,
        ``mts:M``; None: conservative, mts:2, mts:4, mts:8, and without an inner model direct ones
    :param host: ``lammps`` or ``i-pi``
    :param timestep_fs: inner step (fs)
    :param length_ps: of each run (ps)
    :param temperature_k: of the thermostat that makes the starts (K)
    :param replicas: independent starts; each kind of forces runs from every one
    :param equilibration_ps: length of the thermostatted run that makes each start (ps)
    :param keep_velocities: run from ``atoms`` as they are: one replica, no thermostat
    :param minimise_fmax: minimise the start first, to forces below this (eV/Å); 0: do not
    :param zero_rotation: take the angular momentum out of the velocities
    :param preset: name of the protocol that the settings are of, see
        :func:`~md_bridge.drift.preset_settings`
    :param seed: of the starts
    :param tolerance: drift that counts as conserved (meV/atom/ps)
    :param model_options: how the model is loaded and evaluated; also the inner model of ``mts:M``
        (``ModelOptions(inner="small.pt")``)
    :param stall_minutes: a run that makes no step and prints nothing for so long has hung (min)
    :param folder: keeps inputs, outputs and series, and the same call goes on with what is there;
        None: a temporary one
    :param progress: called from time to time
    :returns: statistics, verdict and cost of each kind of forces
    :raises ArgumentError: a value out of its range, or a model that is not there
    :raises StructureError: the structure cannot be used
    :raises CampaignError: the folder holds other runs
    :raises RunError: a run failed; a run that explodes is a result
    """
    options = model_options or ModelOptions()
    if forces is None:
        forces = DEFAULT_FORCES_OF_TWO if options.inner else DEFAULT_FORCES
    kinds = parse_kinds(forces) if isinstance(forces, str) else forces
    require_use_of_inner(model, options, (kind for kind, _ in kinds))
    with _folder(folder) as place:
        campaign = Campaign(
            CampaignPlan(
                model=Path(model),
                start=_start_file(atoms, place),
                host=host,
                forces=kinds,
                timestep_fs=timestep_fs,
                length_ps=length_ps,
                temperature_k=temperature_k,
                replicas=1 if keep_velocities else replicas,
                equilibration_ps=0.0 if keep_velocities else equilibration_ps,
                seed=seed,
                keep_velocities=keep_velocities,
                minimise_fmax=minimise_fmax,
                zero_rotation=zero_rotation,
                preset=preset,
                model_options=options,
                stall_minutes=stall_minutes,
            ),
            place,
        )
        outcome = CampaignOutcome()
        campaign.perform(_threads(model_options), _task_progress(progress), outcome)
        for label, reason in outcome.failures.items():
            raise RunError(f"{label} failed: {reason}")
        return analyse(outcome.records, tolerance, outcome.costs)


def tune(
    model: str | Path,
    atoms: Atoms | str | Path,
    *,
    host: str = TuneRequest.host,
    timesteps_fs: float | Sequence[float] = TuneRequest.timesteps_fs,
    most: int = TuneRequest.most,
    tolerance: float = TuneRequest.tolerance,
    temperature_k: float = TuneRequest.temperature_k,
    length_ps: float = TuneRequest.length_ps,
    longest_ps: float = TuneRequest.longest_ps,
    replicas: int = TuneRequest.replicas,
    equilibration_ps: float = TuneRequest.equilibration_ps,
    seed: int = TuneRequest.seed,
    worth: float = TuneRequest.worth,
    model_options: ModelOptions | None = None,
    stall_minutes: float = TuneRequest.stall_minutes,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Find the largest M, and the inner step, that conserve energy at the least cost.

    ::

        choice = tune("model.pt", atoms, timesteps_fs=(0.5, 1.0)).choice
        if choice is not None:
            print(choice.timestep_fs, choice.recommended.multiplicity)  # 1: conservative

    :param model: exported model with direct forces
    :param atoms: periodic structure, or a file with one; its velocities are replaced
    :param host: ``lammps`` or ``i-pi``
    :param timesteps_fs: inner step to try, or several (fs)
    :param most: largest M to try
    :param tolerance: drift that counts as conserved (meV/atom/ps)
    :param temperature_k: of the thermostat that makes the starts (K)
    :param length_ps: of the first runs (ps)
    :param longest_ps: runs that cannot be judged grow by a factor of four up to this length (ps)
    :param replicas: independent starts
    :param equilibration_ps: length of the thermostatted run that makes each start (ps)
    :param seed: of the starts
    :param worth: gain in speed that a larger M must promise to be tried
    :param model_options: how the model is loaded and evaluated; also the inner model of ``mts:M``
        (``ModelOptions(inner="small.pt")``)
    :param stall_minutes: a run that makes no step and prints nothing for so long has hung (min)
    :param folder: keeps inputs, outputs and series, and the same call goes on with what is there;
        None: a temporary one
    :param progress: called from time to time
    :returns: every M that was tried, and the choice
    :raises ArgumentError: a value out of its range, or a model that is not there
    :raises StructureError: the structure cannot be used
    :raises CampaignError: the folder holds other runs
    :raises TuneError: a run failed
    """

    @contextlib.contextmanager
    def show(campaign: Campaign, why: str) -> Iterator[TaskProgress]:
        yield _task_progress(progress, f"{why}: ")

    with _folder(folder) as place:
        request = TuneRequest(
            model=Path(model),
            start=_start_file(atoms, place),
            host=host,
            timesteps_fs=tuple(np.atleast_1d(timesteps_fs).tolist()),
            most=most,
            tolerance=tolerance,
            temperature_k=temperature_k,
            length_ps=length_ps,
            longest_ps=longest_ps,
            replicas=replicas,
            equilibration_ps=equilibration_ps,
            seed=seed,
            worth=worth,
            model_options=model_options or ModelOptions(),
            stall_minutes=stall_minutes,
        )
        return search(request, place, _threads(model_options), show)


@contextlib.contextmanager
def _folder(folder: str | Path | None) -> Iterator[Path]:
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="md-bridge-") as temporary:
        yield Path(temporary)


def _start_file(atoms: Atoms | str | Path, folder: Path) -> Path:
    if not isinstance(atoms, Atoms):
        return Path(atoms)
    path = folder / "given.xyz"
    write_start(atoms, path)
    return path


def _threads(options: ModelOptions | None) -> int:
    from md_bridge.engine import choose_threads

    return choose_threads(options.threads if options is not None else 0)


def _task_progress(progress: Progress | None, before: str = "") -> TaskProgress:
    def report(task: Task, steps: int) -> None:
        if progress is not None:
            progress(before + task.label, steps / task.steps if task.steps else 1.0)

    return report
