"""What users typed before goes on working, with one line that says what to type now."""

import pytest
from click.testing import CliRunner

from md_bridge.cli import main
from md_bridge.cli.old_spellings import modernise


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("drift --from a.log b.out --atoms 81", "judge a.log b.out --atoms 81", "judge FILES"),
        ("drift --json --from=a.log", "judge --json a.log", "judge FILES"),
        ("drift m.pt s.xyz --protocol loop", "protocol loop m.pt s.xyz", "protocol loop"),
        ("drift --protocol=order m.pt s.xyz --ps 1", "protocol order m.pt s.xyz --ps 1", "order"),
        ("drift m.pt s.xyz --protocol nve", "drift m.pt s.xyz", "can be left out"),
        ("drift m.pt s.xyz --engine ipi", "drift m.pt s.xyz --host ipi", "--host"),
        ("tune m.pt s.xyz --engine=i-pi", "tune m.pt s.xyz --host=i-pi", "--host"),
        ("check m.pt --strict", "check m.pt", "--lenient"),
        ("export m.ckpt -o m.pt --strict", "export m.ckpt -o m.pt", "--lenient"),
    ],
)
def test_old_is_new_with_a_hint(old, new, hint, capsys):
    assert modernise(old.split()) == new.split()
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert hint in line


@pytest.mark.parametrize(
    "line",
    ["drift m.pt s.xyz", "judge a.log", "lammps -in x --engine y", "info", "drift --from-scratch"],
)
def test_todays_spelling_is_left_alone(line, capsys):
    assert modernise(line.split()) == line.split()
    assert capsys.readouterr().err == ""


def test_both_old_spellings_at_once(capsys):
    words = modernise(["drift", "m.pt", "s.xyz", "--protocol", "order", "--engine", "ipi"])
    assert words == ["protocol", "order", "m.pt", "s.xyz", "--host", "ipi"]
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_an_old_command_line_runs(tmp_path):
    result = CliRunner().invoke(main, ["drift", "--from", str(tmp_path / "none.log")])
    assert result.exit_code == 2
    assert "md-bridge judge FILES" in result.stderr
    assert "does not exist" in result.stderr


def test_a_protocol_without_a_name_is_no_old_spelling():
    result = CliRunner().invoke(main, ["drift", "m.pt", "s.xyz", "--protocol"])
    assert result.exit_code == 2
    assert "No such option" in result.stderr
