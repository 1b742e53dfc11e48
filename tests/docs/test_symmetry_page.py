"""docs/symmetry.md has the numbers of docs/symmetry.json."""

import importlib.util
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_symmetry():
    spec = importlib.util.spec_from_file_location("make_symmetry", DOCS / "make_symmetry.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_its_numbers(make_symmetry):
    text = make_symmetry.DOCUMENT.read_text(encoding="utf-8")
    summary = json.loads(make_symmetry.JSON.read_text(encoding="utf-8"))
    assert make_symmetry.fill_in(text, summary) == text
