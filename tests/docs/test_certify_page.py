"""docs/certify.md has the table of docs/certify.json, and names every check."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from md_bridge.certify import CHECKS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_certify():
    spec = importlib.util.spec_from_file_location("make_certify", DOCS / "make_certify.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_that_of_its_numbers(make_certify):
    text = make_certify.DOCUMENT.read_text(encoding="utf-8")
    rows = json.loads(make_certify.JSON.read_text(encoding="utf-8"))
    assert make_certify.fill_in(text, rows) == text
    assert len(rows) >= 2


def test_a_certificate_becomes_a_row(make_certify):
    drift = {"name": "NVE, M = 4: verdict", "outcome": "passed", "numbers": {}}
    certificate = {
        "passed": None,
        "findings": [
            {**drift, "measured": "0.01 ± 0.02 meV/atom/ps"},
            {"name": "direct = conservative", "outcome": "not checked", "numbers": {}},
            {
                "name": "4 ranks = 1 rank",
                "outcome": "failed",
                "numbers": {"forces_difference": 0.02},
            },
        ],
    }
    found = make_certify.figures(certificate)
    assert found["M = 4"] == "0.01 ± 0.02, passed"
    assert found["4 ranks − 1, eV/Å"] == "0.02"
    assert found["direct − conservative, meV/Å"] == found["M = 8"] == "–"
    assert found["passed"] == "undecided"


def test_the_page_names_every_check():
    page = (DOCS / "certify.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(CHECKS)
