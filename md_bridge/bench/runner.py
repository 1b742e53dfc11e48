"""Measures a panel: all its subjects take turns, in another order each round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from md_bridge.bench.costs import Cost, Costs
from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.machine import available_memory, circumstances, free_memory_mb
from md_bridge.bench.panels import Panel, PanelResult, Row, Subject
from md_bridge.bench.sessions import Session

__all__ = ["FORCE_TOLERANCE", "Effort", "Limits", "measure", "order_of"]

FORCE_TOLERANCE = 1e-3
"""eV/Å: rows that must agree and differ by more do not do the same work, and are not timed."""
_LITTLE_MEMORY = 0.25
"""Of all memory: if less is free, subjects are ended after each of their turns."""
_LONGEST_TURN = 1000
_SHORTEST_TURN_S = 0.2
"""Before turns get shorter than this there are fewer rounds: each begins with cold caches."""
_OPENING = 0.75
"""Share of a panel's time in which subjects are started."""
_CHEAP_S, _MORE_STEPS = 0.5, 3
"""If the first step took less than this, so many more tell what a step takes."""
_SLOWER = 10.0
"""What takes so many times longer than expected has hung."""
Tick = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How long is measured, if there is time."""

    rounds: int
    turn_s: float
    """Seconds of one turn of one subject; at least one step is done."""


@dataclass
class Limits:
    """The time that there is, and what is known of costs."""

    deadline: float = math.inf
    """When the panel should be done, by the clock."""
    clock: Callable[[], float] = time.monotonic
    patience_s: float = 60.0
    """What was never seen before may take so long."""
    minutes: float = math.inf
    """Of the whole benchmark, for the reasons."""
    costs: Costs = field(default_factory=Costs)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - self.clock()


def order_of(items: Sequence[T], number: int) -> list[T]:
    """The order of a round: turned by one from round to round, and backwards in every second one,
    so that nobody always follows the same neighbour.

    :param number: of the round, from 0
    :param items: what takes turns
    """
    first = number % len(items) if items else 0
    turned = [*items[first:], *items[:first]]
    return turned if number % 2 == 0 else turned[::-1]


def measure(panel: Panel, effort: Effort, tick: Tick, limits: Limits | None = None) -> PanelResult:
    """Start all subjects, compare their first forces, then let them take turns.

    What cannot be had is a row with its reason; so is what does not fit in the time.

    :param panel: what to measure
    :param effort: how long
    :param tick: called with the name of a subject before it is started and before each turn
    :param limits: the time that there is; None: any
    """
    limits = limits or Limits()
    found = circumstances()
    runs = [_Run(panel, subject, limits) for subject in panel.subjects]
    asked = panel.rounds or effort.rounds
    try:
        _start(runs, limits, tick)
        _compare(runs)
        ready = [run for run in runs if not run.row.unavailable]
        rounds = _plan_turns(ready, asked, panel.count, effort.turn_s, limits)
        done = _take_turns(runs, rounds, limits, tick)
    finally:
        for run in runs:
            run.close()
    return PanelResult(
        panel.group, panel.title, panel.model, panel.atoms, panel.threads, panel.unit,
        [run.row for run in runs], rounds_asked=asked, rounds=done, steps_asked=panel.count,
        device=panel.device, start=panel.start, inner=panel.inner, circumstances=found,
    )  # fmt: skip


def _start(runs: Sequence[_Run], limits: Limits, tick: Tick) -> None:
    """Start what fits into the first part of the time, in order."""
    until = limits.clock() + _OPENING * limits.left if limits.left < math.inf else math.inf
    usual = reserved = 0.0
    for run in runs:
        tick(run.subject.name)
        if not run.fits(until, usual, reserved):
            continue
        run.prepare()
        usual = max(usual, run.cost.open_s)
        reserved += run.shortest_turn_s
        if available_memory() < _LITTLE_MEMORY:
            run.end_after_turns = True
            run.close()


def _plan_turns(
    runs: Sequence[_Run], rounds: int, count: int, turn_s: float, limits: Limits
) -> int:
    """Set the steps of a turn of each.

    :param runs: that are ready
    :param rounds: asked for
    :param count: steps of a turn that are asked for; 0: as many as last turn_s
    :returns: rounds that fit
    """
    if not runs:
        return rounds
    if limits.left < math.inf:
        short = sum(run.turn_time(min(turn_s, _SHORTEST_TURN_S)) for run in runs)
        fitting = max(1, int(limits.left / short))
        # turns of given steps become shorter, their number stays: it is that of the readings
        rounds = rounds if count else min(rounds, fitting)
        besides = sum(run.cost.turn_s for run in runs)
        in_steps = max(0.0, limits.left / rounds - besides)
        if count:
            count = max(1, min(count, int(in_steps / sum(run.cost.step_s for run in runs))))
        turn_s = min(turn_s, in_steps / len(runs))
    for run in runs:
        run.row.count = count or min(_LONGEST_TURN, max(1, round(turn_s / run.cost.step_s)))
    return rounds


def _take_turns(runs: Sequence[_Run], rounds: int, limits: Limits, tick: Tick) -> int:
    """Whole rounds, as many as there is time for, at least one; returns their number."""
    longest = 0.0
    for number in range(rounds):
        begin = limits.clock()
        if number and limits.left < longest:
            return number
        for run in order_of(runs, number):
            if not run.row.unavailable:
                tick(run.subject.name)
                run.turn()
        longest = max(longest, limits.clock() - begin)
    return rounds


class _Run:
    """A subject in the course of the rounds."""

    def __init__(self, panel: Panel, subject: Subject, limits: Limits) -> None:
        self.subject = subject
        self.row = Row(
            subject.name, subject.multiplicity, subject.atoms or panel.atoms,
            dict(subject.against), bound=subject.bound,
        )  # fmt: skip
        self.end_after_turns = False
        self.first: np.ndarray | None = None
        self.cost = Cost(self.row.atoms, 0.0, 0.0)
        self._panel, self._limits = panel, limits
        self._expected: Cost | None = None
        self._session: Session | None = None

    @property
    def shortest_turn_s(self) -> float:
        """Of one step."""
        return self.cost.turn_s + self.cost.step_s

    def turn_time(self, turn_s: float) -> float:
        """What a turn takes that should last so long, s."""
        return self.cost.turn_s + max(turn_s, self.cost.step_s)

    def fits(self, until: float, usual: float, reserved: float) -> bool:
        """Whether there is time and memory for it; if not its row says so.

        :param until: no subject is started later than this
        :param usual: seconds that the start of others took
        :param reserved: seconds that those that are ready need for one round
        """
        # of what came before, maybe in this panel
        expected = self._limits.costs.expected(self._panel, self.subject)
        self._expected = expected
        needed = reserved + usual
        if expected is not None:
            needed = reserved + expected.open_s + 2 * (expected.step_s + expected.turn_s)
        if self._limits.clock() >= until or self._limits.left <= needed:
            what = "" if expected is None else f" (a step takes about {expected.step_s:.2g} s)"
            self.row.late = True
            self.refuse(f"did not fit in its part of {self._limits.minutes:g} minutes{what}")
        elif expected is not None and expected.memory_mb > 0.9 * free_memory_mb():
            self.refuse(
                f"would take about {expected.memory_mb / 1000:.0f} GB of memory, "
                f"{free_memory_mb() / 1000:.0f} GB are free"
            )
        return not self.row.unavailable

    def prepare(self) -> None:
        """Start it, and find what it costs."""

        def calibrate() -> None:
            clock = self._limits.clock
            begin = clock()
            session = self._open()
            opened = clock()
            if session.first is not None:
                self.first = np.array(session.first["forces"])
            burst = session.run(1, self._opening_limit())
            besides = max(0.0, clock() - opened - burst.seconds)
            step_s = burst.seconds
            if besides + step_s < _CHEAP_S:  # one step alone may be anything
                step_s = min(step_s, session.run(_MORE_STEPS, self._opening_limit()).seconds)
            memory = burst.details.get("peak_MB", 0.0)
            self.cost = Cost(self.row.atoms, opened - begin, step_s, besides, memory)
            self._limits.costs.note(self._panel, self.subject, self.cost)

        self._try(calibrate)

    def turn(self) -> None:
        """One turn; what fails from now on has no numbers, since its rounds would not be those of
        the others."""
        self._try(self._turn)

    def _turn(self) -> None:
        expected = self.cost.turn_s + self.row.count * self.cost.step_s
        limit = self._limits.patience_s + _SLOWER * expected
        session = self._session or self._open()
        if not self._panel.count and self.cost.step_s < _CHEAP_S:
            # what has slept finds its memory and caches cold
            session.run(1, limit)
        burst = session.run(self.row.count, limit)
        self.row.seconds.append(burst.seconds)
        for name, value in burst.details.items():
            self.row.details.setdefault(name, []).append(value)
        if self.end_after_turns:
            self.close()

    def _open(self) -> Session:
        self._session = self.subject.open(self._opening_limit())
        return self._session

    def _opening_limit(self) -> float:
        """How long the start may take: an unknown one, twice the time of the panel."""
        patience = self._limits.patience_s
        if self._expected is not None:
            return patience + _SLOWER * (self._expected.open_s + self._expected.step_s)
        left = self._limits.left
        return patience + 2 * max(0.0, left) if left < math.inf else _SLOWER * patience

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except UnavailableError as error:
            self.refuse(str(error))

    def refuse(self, reason: str) -> None:
        """It is not measured any more, and what was is forgotten."""
        self.row.unavailable = reason
        self.row.seconds.clear()
        self.row.details.clear()
        self.close()

    def close(self) -> None:
        """End its process."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _compare(runs: Sequence[_Run]) -> None:
    """Refuse what gives other forces than the row that it must agree with."""
    forces = {run.subject.name: run.first for run in runs}
    for run in runs:
        expected = forces.get(run.subject.agrees_with)
        if expected is None or run.first is None or run.row.unavailable:
            continue
        difference = float(np.abs(run.first - expected).max())
        run.row.force_difference = difference if np.isfinite(difference) else None
        if not difference <= FORCE_TOLERANCE:
            run.refuse(
                f"its forces differ from those of {run.subject.agrees_with} by up to "
                f"{difference:.2g} eV/Å: it does not do the same work"
            )
