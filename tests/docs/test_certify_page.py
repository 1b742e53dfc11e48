"""docs/certify.md names every check."""

import re
from pathlib import Path

from md_bridge.certify import CHECKS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_names_every_check():
    page = (DOCS / "certify.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == list(CHECKS)
