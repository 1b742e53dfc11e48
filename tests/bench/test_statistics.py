"""Medians, ratios and bounds of made-up numbers."""

import pytest

from md_bridge.bench.panels import Bound, PanelResult, Row
from md_bridge.bench.statistics import fractions_of_bound, ratios, spread
from md_bridge.bench.tables import reasons, table_of


def test_spread_of_known_numbers():
    found = spread([4.0, 1.0, 3.0, 2.0, 100.0])
    assert found.as_dict() == {
        "median": 3.0, "lower": 2.0, "upper": 4.0, "least": 1.0, "most": 100.0, "count": 5,
    }  # fmt: skip
    assert spread([2.0, 4.0]).median == 3.0
    assert spread([]) is None


def test_ratios_are_formed_within_a_round():
    """The machine is ten times slower in the second round: the ratio does not know."""
    assert ratios([1.0, 10.0, 2.0], [2.0, 20.0, 4.0]) == [0.5, 0.5, 0.5]
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


def test_fraction_of_a_bound():
    bounds, fractions = fractions_of_bound([3.0, 1.0], [6.0, 6.0], [2.0, 1.0], lambda c, d: c / d)
    assert bounds == [3.0, 6.0]
    assert fractions == [1.0, pytest.approx(1 / 6)]


def panel(*rows, group="lammps", atoms=81):
    return PanelResult(group, "LAMMPS", "bundled", atoms, 2, "step of 0.5 fs", list(rows))


def test_speedup_and_bound_of_one_model():
    """F = 3 and M = 4: S = 12 / 6 = 2; four inner steps in the time of two and a half conservative
    ones gain 1.6, which is 0.8 of it."""
    conservative = Row("conservative", 1, 81, seconds=[3.0, 6.0])
    direct = Row("direct", 1, 81, seconds=[1.0, 2.0])
    mts = Row("MTS M = 4", 4, 81, seconds=[7.5, 15.0], bound=Bound("conservative", "direct"))
    found = panel(conservative, direct, mts).speedups(mts)
    assert found["gain"] == [pytest.approx(1.6)] * 2
    assert found["bound"] == [pytest.approx(2.0)] * 2
    assert found["fraction"] == [pytest.approx(0.8)] * 2


def test_bound_of_two_models():
    """S = M c_o / (M c_i + c_o) = 4 · 10 / (4 + 10)."""
    assert Bound("a", "b", two_models=True).of(4, 10.0, 1.0) == pytest.approx(40 / 14)


def test_no_bound_without_its_rows():
    mts = Row("MTS M = 4", 4, 81, seconds=[7.5], bound=Bound("conservative", "direct"))
    failed = Row("direct", 1, 81, unavailable="no direct forces")
    assert panel(Row("conservative", 1, 81, seconds=[3.0]), failed, mts).speedups(mts) == {}


def test_ratios_are_of_inner_steps():
    one = Row("a", 1, 81, seconds=[1.0, 2.0])
    other = Row("b", 4, 81, {"a": "a", "gone": "c"}, seconds=[2.0, 4.0])
    assert panel(one, other).ratios(other) == {"a": [0.5, 0.5]}


def test_table_of_known_numbers():
    one = Row("direct", 1, 81, seconds=[0.010, 0.012, 0.011], details={"overhead": [0.02] * 3})
    other = Row("MTS M = 2", 2, 81, {"direct": "direct"}, seconds=[0.022, 0.024, 0.022])
    gone = Row("compiled", 1, 81, unavailable="no such command")
    found = table_of(panel(one, other, gone))
    assert found.title == "LAMMPS: bundled, 81 atoms, 2 threads"
    assert found.headers == ["step of 0.5 fs", "ms", "quartiles", "÷ direct", "overhead, %"]
    assert found.rows == [
        ["direct", "11", "10.5–11.5", "", "2"],
        ["MTS M = 2", "11", "11–11.5", "1.00 (1.00–1.10)", ""],
    ]
    assert reasons([panel(one, gone), panel(gone)]) == [
        "compiled (81 atoms, LAMMPS, bundled) and 1 more: no such command"
    ]


def test_times_of_an_atom_in_boxes_of_several_sizes():
    rows = [Row("100 atoms", 1, 100, seconds=[0.01]), Row("200 atoms", 1, 200, seconds=[0.02])]
    found = table_of(panel(*rows, group="scaling", atoms=0))
    column = found.headers.index("µs/atom")
    assert [cells[column] for cells in found.rows] == ["100", "100"]


def test_memory_halfway_and_at_the_end():
    row = Row("direct", 1, 81, seconds=[1.0] * 4, count=5,
              details={"rss_MB": [90, 100, 101, 102], "peak_MB": [100, 110, 111, 112]})  # fmt: skip
    found = table_of(panel(row, group="memory"))
    shown = dict(zip(found.headers, found.rows[0], strict=True))
    assert shown["steps"] == "20"
    assert (shown["MB, halfway"], shown["MB, end"], shown["MB, peak"]) == ("101", "102", "112")
