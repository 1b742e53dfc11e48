"""The largest M, and the inner step, that conserve energy at the least cost."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from md_bridge.drift.judging.speed import cost_ratio, speedup_bound
from md_bridge.drift.judging.verdict import DEFAULT_TOLERANCE, DriftStatistics, Verdict
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.analysis import MethodResult, analyse
from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome
from md_bridge.drift.runs.plan import CampaignPlan
from md_bridge.drift.runs.tasks import USUAL_COST_RATIO, TaskProgress
from md_bridge.drift.tuning.bisection import WORTH, largest_multiplicity
from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.forces import Kind
from md_bridge.model_options import ModelOptions, require_use_of_inner
from md_bridge.processes import STALL_MINUTES
from md_bridge.text import replace_atomically

if TYPE_CHECKING:
    from md_bridge.export.checks.costs import EvaluationCosts

__all__ = [
    "LENGTH_FACTOR",
    "ShowCampaign",
    "StepResult",
    "Trial",
    "TuneError",
    "TuneRequest",
    "Tuning",
    "search",
]

LENGTH_FACTOR = 4
"""Runs that cannot be judged are repeated this much longer."""

ShowCampaign = Callable[[Campaign, str], AbstractContextManager[TaskProgress]]
"""Shows the progress of a campaign, with a word on why it runs."""


class TuneError(MDBridgeError, RuntimeError):
    """A run failed; the message says which and why."""


@dataclass(frozen=True)
class TuneRequest:
    """What to look for.

    :raises ArgumentError: a number out of its range, or an inner model that is the model itself
    """

    model: Path
    start: Path
    """Structure file; its velocities are replaced."""
    host: str = "lammps"
    """``lammps`` or ``i-pi``."""
    timesteps_fs: tuple[float, ...] = (0.5,)
    """Inner steps to try (fs)."""
    most: int = 16
    """Largest M to try."""
    tolerance: float = DEFAULT_TOLERANCE
    """Drift that counts as conserved (meV/atom/ps)."""
    temperature_k: float = 300.0
    length_ps: float = 2.0
    """Length of the first runs."""
    longest_ps: float = 8.0
    """Runs that cannot be judged grow by a factor of four up to this length."""
    replicas: int = 2
    equilibration_ps: float = 0.5
    seed: int = 1
    worth: float = WORTH
    """Gain in speed that a larger M must promise to be tried."""
    model_options: ModelOptions = field(default_factory=ModelOptions)
    stall_minutes: float = STALL_MINUTES
    """Time without a step and without a printed word after which a run counts as hung."""

    def __post_init__(self) -> None:
        if not self.timesteps_fs or len(set(self.timesteps_fs)) < len(self.timesteps_fs):
            given = ",".join(f"{step:g}" for step in self.timesteps_fs) or "none"
            raise ArgumentError("timesteps_fs", f"must be different steps, found {given}")
        if self.most < 2:
            raise ArgumentError("most", f"must be at least 2, found {self.most}")
        if not 0 < self.tolerance < float("inf"):
            raise ArgumentError("tolerance", f"must be positive, found {self.tolerance:g}")
        if self.longest_ps < self.length_ps:
            raise ArgumentError(
                "longest_ps", f"{self.longest_ps:g} is shorter than length_ps {self.length_ps:g}"
            )
        if not 1 <= self.worth < float("inf"):
            raise ArgumentError("worth", f"must be 1 or more, found {self.worth:g}")
        require_use_of_inner(self.model, self.model_options, ["mts"])
        for step in self.timesteps_fs:
            self.plan(step, self.length_ps, (("mts", self.most),), self.replicas)

    @property
    def lengths_ps(self) -> list[float]:
        """Lengths of the runs, from the first to the longest."""
        lengths = [self.length_ps]
        while lengths[-1] * LENGTH_FACTOR <= self.longest_ps:
            lengths.append(lengths[-1] * LENGTH_FACTOR)
        if lengths[-1] < self.longest_ps:
            lengths.append(self.longest_ps)
        return lengths

    def plan(
        self,
        timestep_fs: float,
        length_ps: float,
        forces: tuple[Kind, ...],
        replicas: int,
    ) -> CampaignPlan:
        """The campaign of some of the runs.

        :param timestep_fs: inner step (fs)
        :param length_ps: of each run (ps)
        :param forces: kinds of forces with their M
        :param replicas: number of starts
        """
        return CampaignPlan(
            self.model,
            self.start,
            self.host,
            forces,
            timestep_fs,
            length_ps,
            self.temperature_k,
            replicas,
            self.equilibration_ps,
            self.seed,
            model_options=self.model_options,
            stall_minutes=self.stall_minutes,
        )


@dataclass(frozen=True)
class Trial:
    """All runs of one kind of forces with one inner step."""

    timestep_fs: float
    """Inner step (fs)."""
    multiplicity: int
    """M; 1 for conservative forces."""
    length_ps: float
    """Of the longest runs, on which the rest is based."""
    replicas: int
    """Fewer than asked for if the first drifted."""
    statistics: DriftStatistics
    wall_s_per_ps: float
    speedup: float | None = None
    """Measured, over conservative forces with the same inner step."""
    speedup_bound: float | None = None
    """S(M)."""

    @property
    def outer_timestep_fs(self) -> float:
        """M inner steps (fs)."""
        return self.timestep_fs * self.multiplicity

    @property
    def verdict(self) -> Verdict:
        """Of the longest runs."""
        return self.statistics.verdict

    @property
    def margin(self) -> float:
        """What is left between the 95 % interval and the tolerance (meV/atom/ps); negative if it
        reaches beyond."""
        return self.statistics.tolerance - self.statistics.largest_drift


@dataclass(frozen=True)
class StepResult:
    """What was found for one inner step."""

    timestep_fs: float
    conservative: Trial
    ratio: float | None
    """F, the cost of a conservative over that of a direct evaluation; of two models, that of the
    outer over that of the inner one. None if not needed."""
    ratio_is_measured: bool
    """False where the run with direct forces exploded, and a usual value stands for F."""
    trials: tuple[Trial, ...]
    """Every M that was tried, ascending."""
    best: Trial | None
    """The largest M that conserves; None if there is none, or conservative forces drift."""

    @property
    def recommended(self) -> Trial:
        """The best M; without one, conservative forces."""
        return self.best if self.best is not None else self.conservative

    @property
    def cost_s_per_ps(self) -> float:
        """Cost of a picosecond with the best M, from the measured conservative cost and S(M): less
        noisy than one measurement. Without an M, that of conservative forces."""
        bound = self.best.speedup_bound if self.best is not None else None
        return self.conservative.wall_s_per_ps / (bound or 1.0)


@dataclass(frozen=True)
class Tuning:
    """The outcome."""

    request: TuneRequest
    steps: tuple[StepResult, ...]
    records: tuple[RunRecord, ...] = field(repr=False)
    """Every run that the verdicts are based on."""
    start: Path
    """The thermalised start, in extended XYZ."""

    @property
    def choice(self) -> StepResult | None:
        """The cheapest inner step of those whose best M, or conservative forces where there is
        none, conserves energy.

        If none is shown to, the cheapest of those whose conservative forces do not drift; None if
        they drift with every step.
        """
        sound = [step for step in self.steps if step.conservative.verdict is not Verdict.DRIFTS]
        shown = [step for step in sound if step.recommended.verdict is Verdict.CONSERVES]
        return min(shown or sound, key=lambda step: step.cost_s_per_ps, default=None)

    @property
    def has_multiplicity(self) -> bool:
        """Whether an M of 2 or more conserves energy with some inner step."""
        return any(step.best is not None for step in self.steps)


def search(request: TuneRequest, folder: Path, threads: int, show: ShowCampaign) -> Tuning:
    """Search for every inner step, in a folder that the same request can resume.

    Each inner step and length of run is a campaign of its own (``0.5fs-2ps/``), so whatever is
    there is not run again.

    :param request: what to look for
    :param folder: gets a folder for each campaign
    :param threads: of torch
    :param show: shows the progress of one campaign
    :raises TuneError: a run failed
    :raises CampaignError: the folder holds other runs
    """
    searcher = _Searcher(request, folder, threads, show)
    steps = tuple(searcher.search(timestep) for timestep in request.timesteps_fs)
    first = searcher.campaign(request.timesteps_fs[0], request.length_ps, ("conservative", None), 1)
    return Tuning(request, steps, tuple(searcher.records), first.start_file(1))


class _Searcher:
    def __init__(
        self, request: TuneRequest, folder: Path, threads: int, show: ShowCampaign
    ) -> None:
        self.records: list[RunRecord] = []
        self._request = request
        self._folder = folder
        self._threads = threads
        self._show = show

    def search(self, timestep_fs: float) -> StepResult:
        """Every M for one inner step."""
        request = self._request
        conservative = self._trial(timestep_fs, ("conservative", None))
        if conservative.verdict is Verdict.DRIFTS:
            return StepResult(timestep_fs, conservative, None, False, (), None)
        bound, ratio, measured = self._bound(timestep_fs, conservative)
        trials: dict[int, Trial] = {}

        def conserves(multiplicity: int) -> bool:
            kind = ("mts", multiplicity)
            trials[multiplicity] = self._trial(timestep_fs, kind, conservative, bound)
            return trials[multiplicity].verdict is Verdict.CONSERVES

        best = largest_multiplicity(conserves, request.most, bound, request.worth)
        return StepResult(
            timestep_fs,
            conservative,
            ratio,
            measured,
            tuple(trials[m] for m in sorted(trials)),
            None if best is None else trials[best],
        )

    def _bound(
        self, timestep_fs: float, conservative: Trial
    ) -> tuple[Callable[[int], float], float, bool]:
        """S(M), the ratio of costs that it rests on, and whether that is measured."""
        if self._request.model_options.inner:
            costs = self._costs(timestep_fs)
            return costs.speedup_bound, costs.ratio, True
        ratio, measured = self._cost_ratio(timestep_fs, conservative)
        return (lambda multiplicity: speedup_bound(multiplicity, ratio)), ratio, measured

    def _costs(self, timestep_fs: float) -> EvaluationCosts:
        """Of two models, as the campaign of the first runs keeps them."""
        length = self._request.length_ps
        return self.campaign(timestep_fs, length, ("mts", 2), 1).costs(self._threads)

    def _cost_ratio(self, timestep_fs: float, conservative: Trial) -> tuple[float, bool]:
        """F from one run with direct forces; a usual value if that explodes."""
        direct = self._result(timestep_fs, self._request.length_ps, ("direct", None), 1)
        if not math.isfinite(direct.wall_s_per_ps):
            return USUAL_COST_RATIO, False
        return cost_ratio(conservative.wall_s_per_ps, direct.wall_s_per_ps), True

    def _trial(
        self,
        timestep_fs: float,
        kind: Kind,
        conservative: Trial | None = None,
        bound: Callable[[int], float] | None = None,
    ) -> Trial:
        """Judge one kind of forces: short runs first, longer ones where they cannot tell.

        Conservative forces are the most expensive and only a reference: short runs are enough, if
        they do not drift.
        """
        lengths = (
            self._request.lengths_ps if conservative is not None else [self._request.length_ps]
        )
        for length in lengths:
            result, replicas = self._judged(timestep_fs, length, kind)
            if result.statistics.verdict is not Verdict.INCONCLUSIVE:
                break
        self.records += [run.record for run in result.runs]
        multiplicity = kind[1] or 1
        return Trial(
            timestep_fs,
            multiplicity,
            length,
            replicas,
            result.statistics,
            result.wall_s_per_ps,
            None if conservative is None else conservative.wall_s_per_ps / result.wall_s_per_ps,
            None if bound is None else bound(multiplicity),
        )

    def _judged(self, timestep_fs: float, length_ps: float, kind: Kind) -> tuple[MethodResult, int]:
        """One replica after the other: when the first drifts, the others need not run."""
        for replicas in range(1, self._request.replicas + 1):
            result = self._result(timestep_fs, length_ps, kind, replicas)
            if result.statistics.verdict is Verdict.DRIFTS:
                break
        return result, replicas

    def _result(
        self, timestep_fs: float, length_ps: float, kind: Kind, replicas: int
    ) -> MethodResult:
        """Runs of one kind of forces, those that are there already read from their files."""
        campaign = self.campaign(timestep_fs, length_ps, kind, replicas)
        outcome = CampaignOutcome()
        if all(campaign.tasks().values()):
            outcome.records[:] = campaign.records()
        else:
            with self._show(campaign, f"{_words(kind)}, {timestep_fs:g} fs") as progress:
                campaign.perform(self._threads, progress, outcome)
        for label, reason in outcome.failures.items():
            raise TuneError(f"{label} failed: {reason}")
        (result,) = analyse(outcome.records, self._request.tolerance).results
        return result

    def campaign(self, timestep_fs: float, length_ps: float, kind: Kind, replicas: int) -> Campaign:
        """The campaign of these runs; all campaigns share the starts that the first one makes."""
        request = self._request
        campaign = Campaign(
            request.plan(timestep_fs, length_ps, (kind,), replicas),
            self._folder / f"{timestep_fs:g}fs-{length_ps:g}ps",
        )
        first = self._folder / f"{request.timesteps_fs[0]:g}fs-{request.length_ps:g}ps"
        for replica in range(1, replicas + 1):
            path = campaign.start_file(replica)
            made = first / path.relative_to(campaign.folder)
            if made.exists() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_atomically(path, partial(shutil.copyfile, made))
        return campaign


def _words(kind: Kind) -> str:
    return kind[0] if kind[1] is None else f"M = {kind[1]}"
