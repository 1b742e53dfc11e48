"""A missing extra is a sentence with the command to type, and the core does without it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from md_bridge import extras
from md_bridge.cli import SUBCOMMANDS, main
from md_bridge.extras import MissingExtraError, missing_as_sentence, require

ROOT = Path(__file__).parents[2]


@pytest.fixture
def without(monkeypatch):
    """Make packages look as if they were not installed."""

    def hide(*names):
        found = extras._is_installed
        monkeypatch.setattr(extras, "_is_installed", lambda name: name not in names and found(name))

    return hide


def test_installed_extras_are_silent():
    require("lammps", "ipi", "drift", wanted_by="this test")


def test_one_missing_package(without):
    without("matplotlib")
    with pytest.raises(MissingExtraError) as error:
        require("drift", wanted_by="md-bridge drift")
    assert str(error.value) == (
        "md-bridge drift needs matplotlib, which is not installed: pip install 'md-bridge[drift]'"
    )


def test_several_missing_packages_are_one_command(without):
    without("lammps", "mpich", "ipi")
    with pytest.raises(MissingExtraError) as error:
        require("lammps", "ipi", "drift", wanted_by="md-bridge demo")
    assert str(error.value) == (
        "md-bridge demo needs lammps, mpich and ipi, which are not installed: "
        "pip install 'md-bridge[lammps,ipi]'"
    )


def test_an_import_that_fails_names_the_extra():
    sentence = r"this needs ipi, .*'md-bridge\[ipi\]'"
    with pytest.raises(MissingExtraError, match=sentence), missing_as_sentence("this"):
        raise ModuleNotFoundError("No module named 'ipi.utils'", name="ipi.utils")
    with pytest.raises(ModuleNotFoundError) as error, missing_as_sentence("this"):
        raise ModuleNotFoundError("No module named 'other'", name="other")
    assert not isinstance(error.value, MissingExtraError)


@pytest.mark.parametrize("command", sorted(set(extras.COMMANDS) & set(SUBCOMMANDS)))
def test_commands_say_it_before_they_begin(command, without):
    packages = [name for extra in extras.COMMANDS[command] for name in extras.EXTRAS[extra]]
    without(*packages)
    result = CliRunner().invoke(main, [command, "model.pt", "start.xyz"])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: md-bridge {command} needs ")
    assert f"pip install 'md-bridge[{','.join(extras.COMMANDS[command])}]'" in result.output
    assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0


def test_extras_are_those_of_the_package():
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, packages in extras.EXTRAS.items():
        declared = {
            re.split(r"[><=;\[]", entry)[0] for entry in project["optional-dependencies"][extra]
        }
        assert set(packages) <= declared
