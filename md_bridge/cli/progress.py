"""Progress of long work: a bar on a terminal; anywhere else a line a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from md_bridge.drift.runs.tasks import Task

__all__ = [
    "ProgressBar",
    "TaskBar",
]

_ESTIMATE_SECONDS = 120.0
"""The time left is estimated from this much of the past: programs report in bursts."""
_WHOLE = 1_000_000
"""Units of a bar, which rich begins at whole numbers only."""
_LINES = 10
"""Of each whole, besides those of the stages."""


class ProgressBar:
    """One bar with the name of what is being done.

    :param screen: where it is drawn; if that is no terminal, a line tells each stage that begins,
        and each further tenth of the whole
    :param done: share of the whole that was done before
    """

    def __init__(self, screen: Console, done: float = 0.0) -> None:
        self._screen = screen
        self._progress = Progress(
            TextColumn("{task.description:34}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
            speed_estimate_period=_ESTIMATE_SECONDS,
        )
        self._task = self._progress.add_task("starting", total=None, completed=round(_WHOLE * done))
        self._stage = ""
        self._line = int(_LINES * done)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, stage: str, share: float | None = None, detail: str = "") -> None:
        """Show what is being done.

        :param stage: in a few words
        :param share: of the whole that is done; None: not known
        :param detail: of the stage, such as the number of the step
        """
        words = f"{stage} {detail}".strip()
        if share is None:
            self._progress.update(self._task, description=words)
        else:
            self._progress.update(
                self._task, description=words, total=_WHOLE, completed=round(_WHOLE * share)
            )
        if not self._screen.is_terminal:
            self._tell(stage, share, words)

    def _tell(self, stage: str, share: float | None, words: str) -> None:
        """Print a line if a stage begins, or a tenth of the whole is passed."""
        line = self._line if share is None else int(_LINES * share)
        if stage == self._stage and line <= self._line:
            return
        self._stage, self._line = stage, line
        done = "" if share is None else f" ({share:.0%} of all)"
        self._screen.print(f"{words}{done}", markup=False, highlight=False, soft_wrap=True)


class TaskBar(ProgressBar):
    """One bar over several tasks, in units of their expected cost.

    :param tasks: in order; True for those that were done before
    """

    def __init__(self, tasks: Mapping[Task, bool], screen: Console) -> None:
        self._done = {task: task.steps if is_done else 0 for task, is_done in tasks.items()}
        self._total = sum(task.steps * task.cost for task in tasks)
        super().__init__(screen, self._share())

    def __enter__(self) -> TaskBar:
        super().__enter__()
        return self

    def steps_done(self, task: Task, steps: int) -> None:
        """Advance the bar to these steps of this task."""
        self._done[task] = steps
        self.update(task.label, self._share())

    def _share(self) -> float:
        """Of the whole that is done."""
        done = sum(steps * task.cost for task, steps in self._done.items())
        return done / self._total if self._total else 1.0
