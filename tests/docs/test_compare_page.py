"""docs/compare.md names every measure, and what needs which structures."""

import re
from pathlib import Path

from md_bridge.compare.request import MEASURES, NEEDS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_names_every_measure_and_its_structures():
    page = (DOCS / "compare.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| `--(\w+)`", page, re.M)
    assert found == [(name, NEEDS[name]) for name in MEASURES]
