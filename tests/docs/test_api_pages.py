"""The pages on Python show every public name."""

import re
from pathlib import Path

import md_bridge.drift

API = Path(__file__).parents[2] / "docs" / "api"


def test_page_of_drift_has_all_public_names():
    page = (API / "drift.md").read_text(encoding="utf-8")
    shown = re.findall(r"auto\w+:: md_bridge\.drift\.(?:\w+\.)*(\w+)", page)
    assert sorted(shown) == sorted(md_bridge.drift.__all__)
