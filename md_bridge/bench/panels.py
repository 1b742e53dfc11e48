"""A *panel* is what is measured in turns, side by side; a *subject* is one row of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from md_bridge.bench.sessions import Session
from md_bridge.bench.statistics import fractions_of_bound, ratios, spread
from md_bridge.drift.judging.speed import speedup_bound
from md_bridge.export.checks.costs import EvaluationCosts

__all__ = ["Bound", "Panel", "PanelKey", "PanelResult", "Row", "Subject"]

PanelKey = tuple[str, str, str, int, int, str, str, str, str, tuple[int, ...], tuple[int, ...]]
"""Group, title, model, atoms, threads, unit, device, structure, inner model, the M of its multiple
time stepping and the sizes of its rows."""


@dataclass(frozen=True)
class Bound:
    """What the speed-up of multiple time stepping is measured against."""

    conservative: str
    """Name of the row of conservative dynamics, which the speed-up is over."""
    cheap: str
    """Name of the row of the inner forces alone."""
    two_models: bool = False

    def of(self, multiplicity: int, conservative_s: float, cheap_s: float) -> float:
        """S(M) from the times of one step each: M F / (M - 1 + F) for one model, see
        :func:`md_bridge.drift.judging.speed.speedup_bound`; M c_o / (M c_i + c_o) for two, see
        :class:`md_bridge.export.checks.costs.EvaluationCosts`.

        :param multiplicity: M
        :param conservative_s: seconds of a conservative step
        :param cheap_s: seconds of a step with the inner forces alone
        """
        if self.two_models:
            return EvaluationCosts(conservative_s, cheap_s).speedup_bound(multiplicity)
        return speedup_bound(multiplicity, conservative_s / cheap_s)


@dataclass(frozen=True)
class Subject:
    """One way of doing one thing."""

    name: str
    open: Callable[[float], Session]
    """Starts it, in so many seconds; :class:`UnavailableError` says why it cannot be had."""
    against: Mapping[str, str] = field(default_factory=dict)
    """Rows that its time is divided by: a short label for the column, and the name of the row."""
    multiplicity: int = 1
    """M: inner steps in one step of the host."""
    bound: Bound | None = None
    agrees_with: str = ""
    """Name of the row whose first forces it must give."""
    atoms: int = 0
    """Where it is not that of the panel."""


@dataclass(frozen=True)
class Panel:
    """Subjects that take turns."""

    group: str
    title: str
    model: str
    atoms: int
    threads: int
    unit: str
    """What one time is of: "evaluation", "step of 0.5 fs"."""
    subjects: tuple[Subject, ...]
    count: int = 0
    """Steps in a turn; 0: as many as fit in the time of a turn."""
    rounds: int = 0
    """0: as many as were asked for."""
    device: str = "cpu"
    start: str = ""
    """Name of the structure that is copied; empty: water."""
    inner: str = ""
    """Name of the user's small model for the inner steps of two models; empty: the bundled one."""

    @property
    def key(self) -> PanelKey:
        """What tells panels apart: those that differ in it are different measurements."""
        return _key(self, self.subjects)


@dataclass
class Row:
    """What was seen of a subject; lists have one entry a round."""

    name: str
    multiplicity: int
    atoms: int
    against: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    """Of one evaluation or step of the host."""
    details: dict[str, list[float]] = field(default_factory=dict)
    count: int = 0
    """Evaluations or steps in a turn."""
    unavailable: str = ""
    """Why it was not measured."""
    late: bool = False
    """Whether that was for want of time."""
    force_difference: float | None = None
    """Largest difference of a force component of the start from the row that it must agree with,
    eV/Å."""
    bound: Bound | None = None

    @property
    def per_inner_step(self) -> list[float]:
        """Seconds of one inner step."""
        return [value / self.multiplicity for value in self.seconds]


@dataclass
class PanelResult:
    """A panel with its numbers."""

    group: str
    title: str
    model: str
    atoms: int
    threads: int
    unit: str
    rows: list[Row]
    rounds_asked: int = 0
    rounds: int = 0
    """That there was time for."""
    steps_asked: int = 0
    """In a turn; 0: as many as last as long as a turn should."""
    device: str = "cpu"
    start: str = ""
    inner: str = ""
    circumstances: dict[str, Any] = field(default_factory=dict)
    """Of :func:`md_bridge.bench.machine.circumstances`, when it began."""

    @property
    def key(self) -> PanelKey:
        """As :attr:`Panel.key`."""
        return _key(self, self.rows)

    @property
    def cuts(self) -> list[str]:
        """What was asked for and did not fit in the time, in sentences; empty if all did."""
        found = []
        late = [row.name for row in self.rows if row.late]
        measured = [row for row in self.rows if row.seconds]
        if late:
            found.append(f"Did not fit in the time: {'; '.join(late)}.")
        if measured and self.rounds < self.rounds_asked:
            found.append(f"Only {self.rounds} of {self.rounds_asked} rounds fitted in the time.")
        steps = min([row.count for row in measured], default=self.steps_asked)
        if steps < self.steps_asked:
            whole = self.rounds * self.steps_asked
            found.append(f"Only {self.rounds * steps} of {whole} steps fitted in the time.")
        return found

    @property
    def measured(self) -> int:
        """Numbers in it."""
        return sum(len(row.seconds) for row in self.rows)

    def row(self, name: str) -> Row | None:
        """The row of a name, if it was measured.

        :param name: of the row
        """
        return next((row for row in self.rows if row.name == name and row.seconds), None)

    def ratios(self, row: Row) -> dict[str, list[float]]:
        """Time of an inner step over that of each row that it is compared with, by label.

        :param row: of this panel
        """
        found = {}
        for label, name in row.against.items():
            other = self.row(name)
            if other is not None and row.seconds:
                found[label] = ratios(row.per_inner_step, other.per_inner_step)
        return found

    def speedups(self, row: Row) -> dict[str, list[float]]:
        """``gain`` over conservative dynamics, ``bound`` S(M), and ``fraction`` of it, by round;
        empty for what is no multiple time stepping.

        :param row: of this panel
        """
        if row.bound is None or not row.seconds:
            return {}
        conservative, cheap = self.row(row.bound.conservative), self.row(row.bound.cheap)
        if conservative is None or cheap is None:
            return {}
        bound = row.bound
        gains = ratios(conservative.seconds, row.per_inner_step)
        bounds, fractions = fractions_of_bound(
            gains,
            conservative.seconds,
            cheap.seconds,
            lambda slow, fast: bound.of(row.multiplicity, slow, fast),
        )
        return {"gain": gains, "bound": bounds, "fraction": fractions}

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what was measured, and a summary of it, which is not read back."""
        return {
            **{name: value for name, value in vars(self).items() if name != "rows"},
            "rows": [{**asdict(row), "summary": self._summary(row)} for row in self.rows],
        }

    def _summary(self, row: Row) -> dict[str, Any]:
        def shown(lists: Mapping[str, list[float]]) -> dict[str, Any]:
            return {
                name: found.as_dict()
                for name, values in lists.items()
                if (found := spread(values)) is not None
            }

        per_step = shown({"seconds": row.per_inner_step}).get("seconds")
        return {
            "seconds_per_inner_step": per_step,
            "ratios": shown(self.ratios(row)),
            "speedup": shown(self.speedups(row)),
            "details": shown(row.details),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PanelResult:
        """From :meth:`as_dict`.

        :param content: what it returned
        """
        rows = []
        for entry in content["rows"]:
            values = {name: value for name, value in entry.items() if name != "summary"}
            bound = values.pop("bound")
            rows.append(Row(**values, bound=Bound(**bound) if bound else None))
        return cls(**{**content, "rows": rows})


def _key(panel: Panel | PanelResult, entries: Sequence[Subject | Row]) -> PanelKey:
    multiplicities = sorted({entry.multiplicity for entry in entries} - {1})
    sizes = sorted({entry.atoms or panel.atoms for entry in entries})
    return (
        panel.group, panel.title, panel.model, panel.atoms, panel.threads, panel.unit,
        panel.device, panel.start, panel.inner, tuple(multiplicities), tuple(sizes),
    )  # fmt: skip
