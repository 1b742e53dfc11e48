"""docs/compiled.md has a table of errors, which its script writes."""

import importlib
from pathlib import Path

import pytest

from md_bridge.compiled.agreement import Comparison

DOCS = Path(__file__).parents[2] / "docs"
NUMBERS = {
    "81": {
        "conservative": Comparison("conservative", 3e-5, 0.03, 0.015, 4.943e-6, 2.8e-5),
        "direct": Comparison("direct", 3e-5, 0.02, 0.01, 1.06e-5, 2.7e-4),
    }
}


@pytest.fixture
def make_compiled(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make_compiled")


def test_its_errors_are_those_that_the_text_speaks_of(make_compiled):
    """Each size of the script, and nothing of the compiled model above 1e-5 eV/Å."""
    text = make_compiled.DOCUMENT.read_text(encoding="utf-8")
    assert "The compiled model is within 1e-5 eV/Å of that" in text
    table = text.split("<!-- errors: written by make_compiled.py -->")[1].split("<!-- end -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    assert [int(row[0]) for row in rows] == list(make_compiled.SIZES)
    for row in rows:
        of_conservative, of_torchscript, of_direct, of_its_torchscript = map(float, row[1:])
        assert 0 < of_conservative < 1e-5 < of_torchscript
        assert 0 < of_direct < 1e-5 < of_its_torchscript


def test_the_table_of_some_numbers(make_compiled):
    assert make_compiled.errors(NUMBERS) == [
        "| atoms | compiled, conservative | TorchScript | compiled, direct | TorchScript |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| 81 | 4.94e-6 | 2.80e-5 | 1.06e-5 | 2.70e-4 |",
    ]
