"""The manual page and the first page of LAMMPS users agree with the pair style and its example."""

import re
from pathlib import Path

import pytest

from md_bridge.lammps import run_lmp

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "pair_style_mdbridge.md").read_text(encoding="utf-8")
KEYWORDS = {
    name
    for cell in re.findall(r"^\| (`[a-z].*?) \|", MANUAL, flags=re.M)
    for name in re.findall(r"`([a-z_/]+)`", cell)
}
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
STYLES = [
    line.split("#")[0]
    for page in PAGES
    for line in re.findall(r"^ *pair_style +(mdbridge .*)$", page.read_text("utf-8"), flags=re.M)
    if " keyword value" not in line
]


def without_comments(text: str) -> list[str]:
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return [" ".join(words) for words in lines if words]


@pytest.mark.parametrize("style", STYLES)
def test_shown_pair_style_has_keywords_of_the_manual(style):
    _, model, *rest = style.split()
    assert model.endswith(".pt")
    # the one keyword with any number of values, all of them files
    committee = rest.index("committee") if "committee" in rest else len(rest)
    files = [word for word in rest[committee + 1 :] if word.endswith(".pt")]
    assert bool(files) == ("committee" in rest), style
    rest = [word for word in rest if word not in ("committee", *files)]
    assert set(rest[::2]) <= KEYWORDS, style
    assert len(rest) % 2 == 0, style


def test_manual_has_all_keywords_of_the_pair_style(tmp_path):
    """An unknown keyword is answered by a list of those that there are."""
    deck = tmp_path / "in.unknown"
    deck.write_text("units metal\npair_style mdbridge model.pt nonsense 1\n")
    done = run_lmp(["-in", str(deck), "-log", "none"], capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    found = re.search(r"The keywords are ([a-z_/, ]+)", said)
    assert found, said
    assert set(found[1].strip().split(", ")) == KEYWORDS


def test_first_input_is_that_of_the_examples():
    page = (ROOT / "docs" / "lammps.md").read_text(encoding="utf-8")
    shown = re.search(r"```lammps\n(.*?)```", page, flags=re.S)
    example = (ROOT / "examples" / "lammps" / "in.water").read_text(encoding="utf-8")
    assert without_comments(shown[1]) == without_comments(example)
