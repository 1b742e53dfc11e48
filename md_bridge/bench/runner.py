"""Measures a panel: all its subjects take turns, in another order each round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.machine import available_memory
from md_bridge.bench.panels import Panel, PanelResult, Row, Subject
from md_bridge.bench.sessions import Session

__all__ = ["FORCE_TOLERANCE", "Effort", "measure", "order_of"]

FORCE_TOLERANCE = 1e-3
"""eV/Å: rows that must agree and differ by more do not do the same work, and are not timed."""
_LITTLE_MEMORY = 0.25
"""Of all memory: if less is free, subjects are ended after each of their turns."""
_LONGEST_TURN = 1000
Tick = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How long is measured."""

    rounds: int
    turn_s: float
    """Seconds of one turn of one subject; at least one step is done."""


def order_of(items: Sequence[T], number: int) -> list[T]:
    """The order of a round: turned by one from round to round, and backwards in every second one,
    so that nobody always follows the same neighbour.

    :param number: of the round, from 0
    :param items: what takes turns
    """
    first = number % len(items) if items else 0
    turned = [*items[first:], *items[:first]]
    return turned if number % 2 == 0 else turned[::-1]


def measure(panel: Panel, effort: Effort, tick: Tick) -> PanelResult:
    """Start all subjects, compare their first forces, then let them take turns.

    What cannot be had is a row with its reason.

    :param panel: what to measure
    :param effort: how long
    :param tick: called with the name of a subject before it is started and before each turn
    """
    runs = [_Run(panel, subject) for subject in panel.subjects]
    try:
        for run in runs:
            tick(run.subject.name)
            run.prepare(effort.turn_s, panel.count)
            if available_memory() < _LITTLE_MEMORY:
                run.end_after_turns = True
                run.close()
        _compare(runs)
        for number in range(panel.rounds or effort.rounds):
            for run in order_of(runs, number):
                tick(run.subject.name)
                run.turn()
    finally:
        for run in runs:
            run.close()
    return PanelResult(
        panel.group, panel.title, panel.model, panel.atoms, panel.threads, panel.unit,
        [run.row for run in runs],
    )  # fmt: skip


class _Run:
    """A subject in the course of the rounds."""

    def __init__(self, panel: Panel, subject: Subject) -> None:
        self.subject = subject
        self.row = Row(
            subject.name, subject.multiplicity, subject.atoms or panel.atoms,
            dict(subject.against), bound=subject.bound,
        )  # fmt: skip
        self.end_after_turns = False
        self.first: np.ndarray | None = None
        self._session: Session | None = None

    def prepare(self, turn_s: float, count: int) -> None:
        """Start it, and find how many steps a turn has."""

        def calibrate() -> None:
            session = self._open()
            if session.first is not None:
                self.first = np.array(session.first["forces"])
            burst = session.run(count or 1)
            steps = min(_LONGEST_TURN, max(1, round(turn_s / burst.seconds)))
            self.row.count = count or steps

        self._try(calibrate)

    def turn(self) -> None:
        """One turn; what fails from now on has no numbers, since its rounds would not be those of
        the others."""
        if not self.row.unavailable:
            self._try(self._turn)

    def _turn(self) -> None:
        burst = (self._session or self._open()).run(self.row.count)
        self.row.seconds.append(burst.seconds)
        for name, value in burst.details.items():
            self.row.details.setdefault(name, []).append(value)
        if self.end_after_turns:
            self.close()

    def _open(self) -> Session:
        self._session = self.subject.open()
        return self._session

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
        run.row.force_difference = difference
        if not difference <= FORCE_TOLERANCE:
            run.refuse(
                f"its forces differ from those of {run.subject.agrees_with} by up to "
                f"{difference:.2g} eV/Å: it does not do the same work"
            )
