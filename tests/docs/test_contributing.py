"""The map in CONTRIBUTING leads to files and names that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
# made by a command
MADE = {"build/docs"}


def test_paths_exist():
    paths = set(re.findall(r"`([\w./-]+/[\w./-]*)`", TEXT)) - MADE
    assert len(paths) > 30
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_names_are_in_the_files_named_after_them():
    """`name` … (`path`), and `name()` in `path`."""
    found = re.findall(r"`(\w+)(?:\(\))?`(?: \(| in )`([\w./]+\.\w+)`", TEXT)
    assert len(found) >= 7
    for name, path in found:
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), (name, path)
