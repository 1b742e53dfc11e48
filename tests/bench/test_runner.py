"""Subjects take turns; what cannot be had is a row with its reason."""

import numpy as np
import pytest

from md_bridge.bench import runner
from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.panels import Panel, Subject
from md_bridge.bench.runner import FORCE_TOLERANCE, Effort, measure, order_of
from md_bridge.bench.sessions import Burst
from md_bridge.bench.sessions.busy import beside_neighbour

EFFORT = Effort(rounds=3, turn_s=1.0)


class Clockwork:
    """A session that takes known times and notes its turns."""

    def __init__(self, name, notes, seconds=0.25, forces=None, fails_at=None):
        self.name, self.notes, self.seconds, self.fails_at = name, notes, seconds, fails_at
        self.first = None if forces is None else {"energy": 0.0, "forces": forces}
        self.turns = 0

    def run(self, count, limit_s):
        self.turns += 1
        if self.turns == self.fails_at:
            raise UnavailableError("out of memory")
        self.notes.append((self.name, count))
        return Burst(self.seconds, {"rss_MB": 100.0 + self.turns})

    def close(self):
        self.notes.append((self.name, "closed"))


def panel(notes, *subjects, **options):
    made = [
        Subject(name, lambda limit_s, name=name, kw=kw: Clockwork(name, notes, **kw))
        for name, kw in subjects
    ]
    return Panel("ase", "title", "model", 8, 1, "evaluation", tuple(made), **options)


def no_tick(name):
    pass


def test_nobody_is_always_first_or_after_the_same_neighbour():
    orders = [order_of("abc", number) for number in range(6)]
    assert ["".join(order) for order in orders] == ["abc", "acb", "cab", "cba", "bca", "bac"]
    assert order_of([], 3) == []


def test_subjects_are_interleaved_and_turns_are_as_long_as_asked():
    notes = []
    result = measure(panel(notes, ("a", {}), ("b", {"seconds": 5.0})), EFFORT, no_tick)
    # a quarter of a second fits four times into a turn; five seconds once all the same
    assert notes[:3] == [("a", 1), ("a", 3), ("b", 1)]
    # of what is cheap a first step, which wakes it, does not count
    assert notes[3:12] == [("a", 1), ("a", 4), ("b", 1)] * 3
    assert notes[12:] == [("a", "closed"), ("b", "closed")]
    assert [row.seconds for row in result.rows] == [[0.25] * 3, [5.0] * 3]
    assert [row.count for row in result.rows] == [4, 1]
    assert result.rows[0].details["rss_MB"] == [104.0, 106.0, 108.0]


def test_steps_and_rounds_of_the_panel_win():
    notes = []
    result = measure(panel(notes, ("a", {}), count=7, rounds=2), EFFORT, no_tick)
    assert notes == [("a", 1), ("a", 3), ("a", 7), ("a", 7), ("a", "closed")]
    assert len(result.rows[0].seconds) == 2


def test_what_cannot_be_opened_is_a_row_with_its_reason():
    def missing(limit_s):
        raise UnavailableError("pet-kokkos is not installed")

    notes = []
    found = panel(notes, ("a", {}))
    found = Panel(*list(vars(found).values())[:6], (*found.subjects, Subject("b", missing)))
    rows = measure(found, EFFORT, no_tick).rows
    assert (rows[1].unavailable, rows[1].seconds) == ("pet-kokkos is not installed", [])
    assert len(rows[0].seconds) == 3


def test_what_fails_on_the_way_loses_its_numbers():
    """Two rounds of three would not be the rounds of the others."""
    notes = []
    rows = measure(panel(notes, ("a", {"fails_at": 5}), ("b", {})), EFFORT, no_tick).rows
    assert (rows[0].unavailable, rows[0].seconds, rows[0].details) == ("out of memory", [], {})
    assert len(rows[1].seconds) == 3


@pytest.mark.parametrize(("difference", "measured"), [(0.5, True), (2.0, False), (np.nan, False)])
def test_other_forces_are_not_timed(difference, measured):
    notes = []
    first = [[1.0, 0.0, 0.0]]
    other = [[1.0 + difference * FORCE_TOLERANCE, 0.0, 0.0]]
    subjects = (
        Subject("ours", lambda limit_s: Clockwork("ours", notes, forces=first)),
        Subject(
            "other", lambda limit_s: Clockwork("other", notes, forces=other), agrees_with="ours"
        ),
    )
    rows = measure(Panel("ase", "t", "m", 1, 1, "e", subjects), EFFORT, no_tick).rows
    assert bool(rows[1].seconds) == measured
    assert ("does not do the same work" in rows[1].unavailable) != measured
    if np.isfinite(difference):
        assert rows[1].force_difference == pytest.approx(difference * FORCE_TOLERANCE)
    else:
        assert rows[1].force_difference is None


def test_without_memory_they_are_ended_after_each_turn(monkeypatch):
    monkeypatch.setattr(runner, "available_memory", lambda: 0.1)
    notes = []
    measure(panel(notes, ("a", {}), ("b", {})), EFFORT, no_tick)
    words = [note for note in notes if note[0] == "a"]
    turn = [("a", 1), ("a", 4), ("a", "closed")]
    assert words == [("a", 1), ("a", 3), ("a", "closed"), *turn * 3]


def test_sessions_are_closed_after_an_interruption():
    notes = []

    def tick(name):
        if notes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(panel(notes, ("a", {}), ("b", {})), EFFORT, tick)
    assert notes == [("a", 1), ("a", 3), ("a", "closed")]


def test_a_neighbour_is_there_during_turns_only():
    notes = []
    session = beside_neighbour(lambda limit_s: Clockwork("a", notes), 1.0)
    assert session.run(3, 1.0).seconds == 0.25
    session.close()
    assert notes == [("a", 3), ("a", "closed")]
