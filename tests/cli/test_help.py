"""The help of every command: it fits a screen, and ends with examples and exit statuses."""

import re
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from md_bridge import _build_info
from md_bridge.cli import SECTIONS, SUBCOMMANDS, main
from md_bridge.drift.protocols import PROTOCOLS

COMMANDS = [[name] for name in SUBCOMMANDS] + [["protocol", name] for name in PROTOCOLS]
"""All there are, as a user types them."""

LINES_OF_OPTIONS = 36
COLUMNS = 80


def help_of(*command):
    # click takes this variable in place of the size of the terminal
    result = CliRunner().invoke(main, [*command, "--help"], env={"COLUMNS": str(COLUMNS)})
    assert result.exit_code == 0, result.output
    return result.stdout


def options_of(text):
    """The lines between the description and the examples, without titles."""
    lines = re.search(r"^Options:\n(.*?)^ +Examples?:", text, re.M | re.S).group(1).splitlines()
    return [line for line in lines if line.startswith("  ")]


def loaded(command):
    """The click command, and its context."""
    context = click.Context(main)
    found = main
    for word in command:
        found = found.get_command(context, word)
        context = click.Context(found, parent=context, info_name=word)
    return found, context


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_fits_a_screen_with_examples_and_exit_statuses(command):
    text = help_of(*command)
    assert re.search(r"^ +Exit status:\n +0 ", text, re.M)
    assert len(options_of(text)) <= LINES_OF_OPTIONS
    prose = [line for line in text.splitlines() if "md-bridge " not in line]  # but for examples
    assert [line for line in prose if len(line) > COLUMNS] == []
    assert max(map(len, text.splitlines())) <= COLUMNS + 10


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_examples_are_of_this_command_and_can_be_parsed(command):
    """Every word that begins with a dash is an option of the command."""
    found, context = loaded(command)
    text = found.epilog.replace("\\\n", " ")
    block = re.search(r"Examples?:\n(.*?)\n\n", text, re.S).group(1)
    commands = [found, *getattr(found, "commands", {}).values()]
    known = {name for one in commands for option in one.get_params(context) for name in option.opts}
    for line in block.splitlines():
        words = shlex.split(line.partition("& ")[2] or line)
        assert words[: len(command) + 1] == ["md-bridge", *command]
        if command != ["lammps"]:  # what follows is for lmp
            assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_every_option_begins_with_a_capital_and_ends_with_a_full_stop(command):
    found, _ = loaded(command)
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert re.match(r"[A-Z].*[.]$", parameter.help or ""), parameter.opts


def test_group_lists_every_command_once_under_its_reader():
    text = help_of()
    titles = re.findall(r"^(\S.*):$", text, re.M)
    assert titles == ["Options", *SECTIONS]
    for name, entry in SUBCOMMANDS.items():
        assert len(re.findall(rf"^  {name} +{re.escape(entry.summary)}$", text, re.M)) == 1
    assert "..." not in text.replace("[ARGS]...", "")


def test_group_help_imports_no_command():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom md_bridge.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'numpy', 'ase', 'rich', 'md_bridge.cli.models'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_group_help_survives_another_torch(monkeypatch):
    """The commands cannot run then, and say so; the list of them is there all the same."""
    monkeypatch.setitem(_build_info.COMPILED_AGAINST, "torch", "1.2.3")
    assert "ipi-input" in help_of()
    result = CliRunner().invoke(main, ["drift", "--help"])
    assert result.exit_code == 1
    assert "compiled against torch 1.2.3" in result.stderr


def test_the_nearest_command_is_named():
    result = CliRunner().invoke(main, ["jugde"])
    assert result.exit_code == 2
    assert "Did you mean 'judge'?" in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_defaults_can_be_typed(command):
    """What generated pages print, which look at the option and not at its help."""
    found, context = loaded(command)
    for parameter in found.params:
        default = parameter.default
        assert "UNSET" not in repr(default) or not getattr(parameter, "of", None)
        if isinstance(default, str) and isinstance(parameter, click.Option):
            parameter.type.convert(default, parameter, context)


@pytest.mark.parametrize(
    ("command", "option", "expected"),
    [
        (["drift"], "--timestep", "0.5"),
        (["drift"], "--replicas", "4"),
        (["drift"], "--tolerance", "0.1"),
        (["tune"], "--longest-ps", "8"),
        (["tune"], "--timesteps", "0.5"),
        (["ipi-input"], "--steps", "1000"),
        (["ipi-client"], "--sockets-prefix", "/tmp/ipi_"),
        (["protocol", "order"], "--ps", "1"),
        (["protocol", "thermostat"], "--ps", "10"),
        (["evaluate"], "--device", "auto"),
    ],
)
def test_defaults_are_shown(command, option, expected):
    text = re.sub(r"\s+", " ", "\n".join(options_of(help_of(*command))))
    assert re.search(rf"{option} .*?\[default: {re.escape(expected)}\]", text)


def test_python_m_md_bridge():
    done = subprocess.run(
        [sys.executable, "-m", "md_bridge", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith("md-bridge, version ")
