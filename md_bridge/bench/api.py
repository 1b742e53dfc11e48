"""The benchmark from beginning to end: models, panels, the file after each of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from md_bridge.bench.budget import Budget
from md_bridge.bench.costs import Costs
from md_bridge.bench.errors import BenchError
from md_bridge.bench.groups import GROUPS, Plan
from md_bridge.bench.groups.ipi import remove_dead_sockets
from md_bridge.bench.machine import cuda_name, machine_facts
from md_bridge.bench.models.files import BUNDLED, XS, prepare_model
from md_bridge.bench.panels import Panel
from md_bridge.bench.results import FILE_NAME, Results
from md_bridge.bench.runner import Effort, Limits, measure
from md_bridge.processes import alone_in

__all__ = ["BenchSettings", "quick", "run_benchmark"]

Progress = Callable[[str, float, str], None]
"""Takes what is being measured, the share of the whole that is done, and whose turn it is."""


@dataclass(frozen=True)
class BenchSettings:
    """What to measure, and how long.

    :raises BenchError: a setting makes no sense
    """

    groups: tuple[str, ...] = tuple(GROUPS)
    """Names of :data:`md_bridge.bench.groups.GROUPS`."""
    models: tuple[str, ...] = (BUNDLED, XS)
    """``bundled``, ``xs``, paths of exported models, or ``python:package.module:factory``."""
    sizes: tuple[int, ...] = (81, 192, 648)
    """Numbers of atoms, about."""
    scaling_sizes: tuple[int, ...] = (81, 192, 648, 2187, 5184)
    """Those of the group ``scaling``."""
    multiplicities: tuple[int, ...] = (2, 4, 8, 16)
    """M, inner steps in an outer one."""
    minutes: float = 20.0
    """For all measurements; models that are made first, and kept, come on top."""
    rounds: int = 5
    """Turns of each subject."""
    turn_s: float = 1.0
    """Seconds of a turn."""
    steps: int = 1000
    """Of the group ``memory``."""
    threads: int = 2
    """Of each program."""
    device: str = "auto"
    """CUDA where there is any, else the CPU."""
    start: str = ""
    """Structure to copy in place of water."""
    inner: str = ""
    """Small model for the inner steps, in place of the bundled one."""
    timestep_fs: float = 0.5
    """The inner step."""
    compile_models: bool = True
    """Compile what was not compiled before, some minutes each."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.groups if name not in GROUPS]
        if unknown:
            raise BenchError(
                f"there is no group {unknown[0]!r}: expected some of {', '.join(GROUPS)}"
            )
        for name, least in (("rounds", 1), ("steps", 10), ("threads", 1)):
            if getattr(self, name) < least:
                raise BenchError(f"{name} must be at least {least}, found {getattr(self, name)}")
        for name in ("turn_s", "timestep_fs", "minutes"):
            if not 0 < getattr(self, name) < float("inf"):
                raise BenchError(f"{name} must be positive and finite, found {getattr(self, name)}")
        for name, least in (("sizes", 2), ("scaling_sizes", 2), ("multiplicities", 2)):
            values = getattr(self, name)
            if not values or min(values) < least:
                raise BenchError(f"{name} must be at least {least} each, found {list(values)}")
        if not self.models:
            raise BenchError(f"there is no model: expected {BUNDLED}, {XS}, paths or python:…")

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with lists."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def quick() -> dict[str, Any]:
    """Settings that end in two minutes: every group has some of its rows, on one small box."""
    return {
        "minutes": 2.0,
        "compile_models": False,
        "sizes": (81,),
        "scaling_sizes": (81, 648),
        "multiplicities": (4,),
        "rounds": 2,
        "turn_s": 0.2,
        "steps": 20,
        "models": (BUNDLED,),
    }


def run_benchmark(
    settings: BenchSettings, folder: Path, progress: Progress, resume: bool = False
) -> Results:
    """Measure; ``bench.json`` in the folder is written after each panel.

    A file that an earlier call left unfinished, with the same settings, is finished: what is in it
    is not measured again.

    :param settings: what to measure
    :param folder: for results, models and what runs
    :param progress: called with what is being measured, the share of the whole that is done, and
        whose turn it is
    :param resume: keep what is in the file, whatever the settings were; panels of which something
        did not fit in the time are measured again, and replaced if that gives more; those of
        another device, time step, structure, inner model, of other sizes or other M come beside
        what is there
    :returns: all panels
    :raises BenchError: a model cannot be had, the file there is none of ours, or of another machine
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"cannot write into {folder}: {error.strerror}") from error
    if settings.device == "auto":  # what is written says where it was measured
        settings = replace(settings, device="cuda" if cuda_name() else "cpu")
    with alone_in(folder, "md-bridge bench", BenchError):
        return _run(settings, folder, progress, resume)


def _run(settings: BenchSettings, folder: Path, progress: Progress, resume: bool) -> Results:
    """The same, with the folder to itself."""
    path = folder / FILE_NAME
    results = _begun(path, settings, resume)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    remove_dead_sockets()
    known = results.done()
    panels = [
        panel
        for panel in _panels(settings, folder, work, progress)
        if panel.key not in known or known[panel.key].cuts
    ]
    budget = Budget(panels, settings.minutes)
    costs = Costs()
    for panel in panels:
        limits = Limits(budget.begin(), minutes=settings.minutes, costs=costs)

        def tick(name: str, panel: Panel = panel) -> None:
            size = f", {panel.atoms} atoms" if panel.atoms else ""
            progress(f"{panel.title}: {panel.model}{size}", budget.share, name)

        results.add(measure(panel, Effort(settings.rounds, settings.turn_s), tick, limits))
        results.write(path)
    results.complete = True
    results.write(path)
    shutil.rmtree(work, ignore_errors=True)
    return results


def _begun(path: Path, settings: BenchSettings, resume: bool) -> Results:
    """What an earlier call left, if it is to be finished; else nothing yet."""
    begun = Results(settings.as_dict(), machine_facts())
    if not path.exists():
        return begun
    found = Results.read(path)
    if resume or (not found.complete and found.settings == settings.as_dict()):
        found.merge(begun)
        return found
    return begun


def _panels(
    settings: BenchSettings, folder: Path, work: Path, progress: Progress
) -> Sequence[Panel]:
    """Everything that is asked for, in order; models and boxes are made."""
    inner = Path(settings.inner) if settings.inner else None
    models = [
        prepare_model(
            name,
            folder / "models",
            inner,
            lambda words: progress(words, 0.0, ""),
            settings.compile_models,
        )
        for name in settings.models
    ]
    plan = Plan(
        models=models,
        sizes=sorted(set(settings.sizes)),
        threads=settings.threads,
        device=settings.device,
        folder=work,
        multiplicities=sorted(set(settings.multiplicities)),
        scaling_sizes=sorted(set(settings.scaling_sizes)),
        memory_steps=settings.steps,
        start=Path(settings.start) if settings.start else None,
        timestep_fs=settings.timestep_fs,
    )
    return [
        replace(
            panel,
            device=settings.device,
            start=Path(settings.start).name,
            inner=Path(settings.inner).name if _has_two_models(panel) else "",
        )
        for name in GROUPS
        if name in settings.groups
        for panel in GROUPS[name](plan)
    ]


def _has_two_models(panel: Panel) -> bool:
    return any(subject.bound and subject.bound.two_models for subject in panel.subjects)
