"""A progress bar over several tasks with an honest estimate of the time left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from md_bridge.drift.runs.tasks import Task

# The time left is estimated from this much of the past: engines report in bursts.
_ESTIMATE_SECONDS = 120.0


class TaskBar:
    """One bar over all tasks, in units of their expected cost.

    :param tasks: in order; True for those that were done before
    """

    def __init__(self, tasks: Mapping[Task, bool], screen: Console) -> None:
        self._done = {task: task.steps if is_done else 0 for task, is_done in tasks.items()}
        self._total = _units(sum(task.steps * task.cost for task in tasks))
        self._progress = Progress(
            TextColumn("{task.description:20}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=screen,
            speed_estimate_period=_ESTIMATE_SECONDS,
        )
        self._task: TaskID = self._progress.add_task(
            "starting", total=self._total, completed=self._completed()
        )

    def __enter__(self) -> TaskBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def steps_done(self, task: Task, steps: int) -> None:
        """Advance the bar to these steps of this task."""
        finished = steps == task.steps and self._done[task] < steps
        self._done[task] = steps
        done = self._completed()
        self._progress.update(self._task, completed=done, description=task.label)
        if finished and not self._progress.console.is_terminal:
            self._progress.console.print(f"{task.label}: done ({done / self._total:.0%} of all)")

    def _completed(self) -> int:
        return _units(sum(steps * task.cost for task, steps in self._done.items()))


def _units(cost: float) -> int:
    """Thousandths of a conservative evaluation; rich begins a bar at whole numbers only."""
    return round(1000 * cost)
