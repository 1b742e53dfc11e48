"""docs/certified.md has the numbers of docs/certified.json."""

import importlib
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def make_certified(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make_certified")


def test_the_page_is_that_of_its_numbers(make_certified):
    text = make_certified.DOCUMENT.read_text(encoding="utf-8")
    certificates = json.loads(make_certified.JSON.read_text(encoding="utf-8"))
    assert make_certified.fill_in(text, certificates) == text
    assert set(certificates) >= set(make_certified.cases(Path("work"), ()))
    assert all(f"<!-- {name}: written by" in text for name in make_certified.BLOCKS)


def test_rows_come_in_the_order_of_the_checks(make_certified):
    """Also those that the first checkpoint does not have."""

    def certificate(*names):
        rows = [{"name": name, "outcome": "passed", "measured": "1 eV"} for name in names]
        return {"passed": True, "findings": rows}

    found = make_certified.table({"one": certificate("a", "c"), "two": certificate("a", "b", "c")})
    assert found[0] == "|  | `one` | `two` |"
    assert found[3:] == ["| a | 1 eV | 1 eV |", "| b | - | 1 eV |", "| c | 1 eV | 1 eV |"]


def test_rows_that_were_not_checked_are_counted(make_certified):
    rows = [
        {"name": name, "outcome": outcome, "measured": ""}
        for name, outcome in (("a", "passed"), ("b", "not checked"), ("c", "not checked"))
    ]
    found = make_certified.table(
        {"x": {"passed": True, "findings": rows}, "y": {"passed": True, "findings": rows[:1]}}
    )
    assert found[2] == "| in all | behaves (2 rows not checked) | behaves |"


def test_what_failed_is_said(make_certified):
    rows = [
        {"name": "a", "outcome": outcome, "measured": "1 eV"} for outcome in ("failed", "undecided")
    ]
    cells = [make_certified._cell(row) for row in rows]
    assert cells == ["1 eV **failed**", "1 eV (undecided)"]
    assert make_certified._cell(None) == "-"
