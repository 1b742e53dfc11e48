"""Time is shared, costs are foreseen, and what does not fit is said."""

import pytest

from md_bridge.bench.budget import Budget
from md_bridge.bench.costs import Cost, Costs
from md_bridge.bench.panels import Panel, Subject
from md_bridge.bench.runner import Effort, Limits, measure
from md_bridge.bench.sessions import Burst
from md_bridge.bench.tables import reasons


class Clock:
    """Time passes when something is done."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Slow:
    """Takes known times of a clock to open and to make a step."""

    first = None

    def __init__(self, clock, open_s, step_s, memory_mb=1.0):
        self.clock, self.step_s, self.memory_mb = clock, step_s, memory_mb
        clock.now += open_s

    def run(self, count, limit_s):
        self.clock.now += count * self.step_s
        return Burst(self.step_s, {"peak_MB": self.memory_mb})

    def close(self):
        pass


def panel(clock, costs, group="ase", atoms=100, count=0, rounds=0, **options):
    subjects = tuple(
        Subject(f"{n}", lambda limit_s, c=c: Slow(clock, *c, **options))
        for n, c in enumerate(costs)
    )
    return Panel(group, "t", "m", atoms, 1, "e", subjects, count, rounds)


def no_tick(name):
    pass


def test_every_group_has_its_share_and_what_is_left_goes_on():
    clock = Clock()
    panels = [panel(clock, [(1, 1)], group) for group in ("ase", "ranks", "busy")]
    budget = Budget(panels, 1.0, clock)
    assert budget.share == 0.0
    assert budget.begin() == pytest.approx(30.0)  # ase has as much as the two others together
    clock.now = 15.0
    assert budget.share == pytest.approx(0.25)
    assert budget.begin() == pytest.approx(37.5)
    assert budget.share == pytest.approx(0.5)
    clock.now = 90.0
    assert budget.begin() == 90.0
    assert budget.share == 1.0


def test_panels_of_a_group_share_by_what_they_have_to_do():
    clock = Clock()
    panels = [panel(clock, [(1, 1)], atoms=500), panel(clock, [(1, 1)] * 2, atoms=1000)]
    assert Budget(panels, 4.0, clock).begin() == pytest.approx(60.0)


def test_rounds_and_turns_are_cut_to_the_time():
    clock = Clock()
    limits = Limits(60.0, clock, minutes=1)
    result = measure(panel(clock, [(10, 1.0), (10, 3.0)]), Effort(20, 1.0), no_tick, limits)
    # 24 s are gone when both are ready, and a round takes 4 s
    assert (result.rounds_asked, result.rounds) == (20, 9)
    assert clock.now == pytest.approx(60.0)
    assert result.cuts == ["Only 9 of 20 rounds fitted in the time."]


def test_what_does_not_fit_is_a_row_that_says_so():
    clock = Clock()
    limits = Limits(60.0, clock, minutes=1)
    result = measure(panel(clock, [(20, 0.1)] * 4), Effort(1, 0.1), no_tick, limits)
    assert [row.late for row in result.rows] == [False, False, True, True]
    assert result.rows[2].unavailable == "did not fit in its part of 1 minutes"
    assert result.cuts == ["Did not fit in the time: 2; 3."]
    assert reasons([result]) == []


def test_a_larger_box_is_not_tried_if_its_steps_would_not_fit():
    clock = Clock()
    limits = Limits(100.0, clock, minutes=1)
    small = panel(clock, [(5, 1.0)], atoms=100)
    assert measure(small, Effort(1, 1.0), no_tick, limits).rows[0].seconds == [1.0]
    large = panel(clock, [(5, 100.0)], atoms=10_000)
    row = measure(large, Effort(1, 1.0), no_tick, limits).rows[0]
    assert row.late
    assert "a step takes about 1e+02 s" in row.unavailable
    assert clock.now == pytest.approx(7.0)


def test_nor_a_larger_box_of_the_same_panel():
    clock = Clock()
    subjects = tuple(
        Subject(f"{n} atoms", lambda limit_s, n=n: Slow(clock, 1.0, n / 100), atoms=n)
        for n in (100, 300, 10_000)
    )
    scaling = Panel("scaling", "t", "m", 0, 1, "e", subjects)
    result = measure(scaling, Effort(1, 1.0), no_tick, Limits(100.0, clock, minutes=1))
    assert [row.late for row in result.rows] == [False, False, True]
    assert "a step takes about 1e+02 s" in result.rows[2].unavailable


def test_what_would_not_fit_in_memory_is_not_tried():
    clock = Clock()
    limits = Limits(clock=clock)
    measure(panel(clock, [(1, 1)], memory_mb=1e6), Effort(1, 1.0), no_tick, limits)
    row = measure(panel(clock, [(1, 1)], atoms=200), Effort(1, 1.0), no_tick, limits).rows[0]
    assert "would take about 2000 GB of memory" in row.unavailable
    assert not row.late


def test_given_steps_are_fewer_with_less_time():
    clock = Clock()
    limits = Limits(101.0, clock, minutes=1)
    result = measure(panel(clock, [(0, 1.0)], count=50, rounds=10), Effort(5, 1.0), no_tick, limits)
    assert result.rows[0].count == 10
    assert result.rounds == 10
    assert result.cuts == ["Only 100 of 500 steps fitted in the time."]


def test_costs_grow_with_the_number_of_atoms():
    costs = Costs()
    boxes = tuple(Subject(f"{n} atoms", lambda limit_s: None, atoms=n) for n in (100, 300))
    scaling = Panel("scaling", "t", "m", 0, 1, "e", boxes)
    assert costs.expected(scaling, boxes[0]) is None
    costs.note(scaling, boxes[0], Cost(100, 2.0, 1.0, 0.5, 300.0))
    assert costs.expected(scaling, boxes[1]) == Cost(300, 14.0, 3.0, 0.5, 900.0)
