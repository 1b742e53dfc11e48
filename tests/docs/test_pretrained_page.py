"""docs/pretrained.md has the numbers of docs/pretrained.json."""

import importlib
import itertools
import json
from dataclasses import replace
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
    """But for the places of files."""
    text = make_pretrained.DOCUMENT.read_text(encoding="utf-8").replace("\\\n", "")
    package = replace(make_pretrained.PACKAGES["chgnet"], model="$CHGNET")
    blocks = [" ".join(block.split()) for block in text.split("```")[1::2]]
    for arguments in make_pretrained.measurements(package, Path("work")).values():
        command = f"bash md-bridge {arguments[0]} $CHGNET "
        (line,) = [block for block in blocks if block.startswith(command)]
        for option, value in itertools.pairwise(arguments):
            if option.startswith("-"):
                shown = option if value.startswith("-") else f"{option} {Path(value).name}"
                assert f" {shown}" in line
