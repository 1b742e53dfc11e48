"""The page of a student, read without a browser."""

import re
from dataclasses import replace

import pytest
from distil_tools import argon, quietly

from md_bridge.distil import DistilError
from md_bridge.distil.report import write
from md_bridge.distil.report.page import render_page
from md_bridge.distil.tuning import TuningOutcome
from md_bridge.export.checks.costs import EvaluationCosts


def cells_of(page):
    """Rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]


@pytest.fixture
def made(request_of):
    request = request_of(frames=14, steps=1, temperatures_k=(30.0,), starts=[argon(size=1)])
    return quietly(request), request


def test_all_tables_are_on_the_page_and_a_full_disk_loses_nothing(made, monkeypatch):
    result, request = made
    row = ("4", "8", "0.01 ± 0.02", "conserves", "1 x 1", "3.10", "3.50")
    outcome = TuningOutcome(["Use M = 4 <here>."], [row])
    result = replace(result, tuning=outcome, costs=EvaluationCosts(1.0, 0.1))
    page = render_page(result, request)
    rows = cells_of(page)
    assert list(row) in rows
    assert ["4", "2.86", "1400"] in rows
    errors = {cells[0]: cells for cells in rows if len(cells) == 7}
    assert errors["Ar"][1:] == errors["all"][1:]
    assert float(errors["Ar"][1]) == pytest.approx(result.errors[0].force, rel=0.01)
    assert "Use M = 4 &lt;here&gt;." in page

    files = write.write_report(result, request)
    before = files.page.read_bytes(), files.numbers.read_bytes()

    def full(path, write):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write, "replace_atomically", full)
    with pytest.raises(DistilError, match=r"No space left.*the same command writes the page"):
        write.write_report(result, request)
    assert before == (files.page.read_bytes(), files.numbers.read_bytes())
