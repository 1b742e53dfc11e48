"""docs/statics.md and examples/silicon/README.md have the numbers of docs/statics.json."""

import importlib
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def make_statics(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make_statics")


def test_the_pages_are_those_of_their_numbers(make_statics):
    numbers = json.loads(make_statics.JSON.read_text(encoding="utf-8"))
    texts = [document.read_text(encoding="utf-8") for document in make_statics.DOCUMENTS]
    assert [make_statics.fill_in(text, numbers) for text in texts] == texts
    assert make_statics.unused(texts) == []


def test_a_marker_that_is_there_twice_is_refused(make_statics):
    numbers = json.loads(make_statics.JSON.read_text(encoding="utf-8"))
    marker = "<!-- scan: written by make_statics.py -->"
    with pytest.raises(ValueError, match="once"):
        make_statics.fill_in(f"{marker}\n<!-- end -->\n{marker}\n<!-- end -->\n", numbers)
