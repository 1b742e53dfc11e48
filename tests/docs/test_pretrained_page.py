"""docs/pretrained.md has the numbers of docs/pretrained.json."""

import importlib
import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def make_pretrained(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("make_pretrained")


def test_the_page_is_that_of_its_numbers(make_pretrained):
    numbers = json.loads(make_pretrained.JSON.read_text(encoding="utf-8"))
    text = make_pretrained.DOCUMENT.read_text(encoding="utf-8")
    assert make_pretrained.fill_in(text, numbers) == text
    assert all(f"<!-- {name}: written by" in text for name in make_pretrained.TABLES)


def test_its_commands_are_those_that_made_the_numbers(make_pretrained):
    """But for names of files, and what is left at its default or said in the text."""
    text = " ".join(
        make_pretrained.DOCUMENT.read_text(encoding="utf-8").replace("\\\n", "").split()
    )
    commands = make_pretrained.measurements("$CHGNET", Path("work"))
    for arguments in commands.values():
        options = [word for word in arguments if word.startswith("--")]
        (line,) = [
            each for each in text.split("```") if f"md-bridge {arguments[0]} $CHGNET" in each
        ]
        for option in options:
            if f"{option} " in line:
                value = arguments[arguments.index(option) + 1]
                value = value if "/" not in value else Path(value).name
                assert f"{option} {value}" in line
