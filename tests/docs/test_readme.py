"""What the README shows works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("lammps", "examples/lammps/in.water"),
        ("xml", "examples/ipi/mts.xml"),
        ("python", "examples/ase/nve.py"),
    ],
)
def test_shown_inputs_are_the_examples_that_other_tests_run(kind, file):
    shown = [text.strip() for found, text in BLOCKS if found == kind]
    assert (ROOT / file).read_text(encoding="utf-8").strip() in shown


@pytest.mark.parametrize("code", [text for kind, text in BLOCKS if kind == "python"])
def test_shown_python_runs(code):
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link
