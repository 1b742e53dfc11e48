"""Commands that the documentation shows exist, with these options; nothing is run."""

import itertools
import re
import shlex
from pathlib import Path

import click
import pytest

from md_bridge.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("examples/*/README.md")),
]
# blocks of other languages have no commands
BLOCK = re.compile(r"^ *```(?:bash)?\n(.*?)^ *```$|^((?: {4}md-bridge .*\n)+)", re.M | re.S)
INLINE = re.compile(r"`(md-bridge [^`]+)`")
# N, FILES, NAME: for the reader to fill in; $VARIABLE: for the shell
PLACEHOLDER = re.compile(r"\$?[A-Z_]+(,[A-Z]+)*")
# what the shell takes for itself
SHELL = {"&", "|", ">"}


def block_commands(page: Path) -> list[str]:
    """Whole command lines, without comments and what follows in a pipe."""
    blocks = ["".join(found) for found in BLOCK.findall(page.read_text(encoding="utf-8"))]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip().startswith("md-bridge ")]


def inline_commands(page: Path) -> list[str]:
    """Commands in the text, which may leave out what does not matter there; no messages."""
    found = INLINE.findall(page.read_text(encoding="utf-8"))
    return [line for line in found if "is not installed" not in line]


def words(line: str) -> list[str]:
    """Arguments of md-bridge in a command line."""
    found = shlex.split(line)[1:]
    return list(itertools.takewhile(lambda word: word not in SHELL, found))


def find(line: str) -> tuple[click.Command, click.Context, list[str]] | None:
    """The command of a line, and its arguments; None if the name itself is for the reader."""
    command: click.Command = main
    context = main.context_class(main, info_name="md-bridge", **main.context_settings)
    rest = words(line)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        if PLACEHOLDER.fullmatch(name) or name == "…":
            return None
        known = command.get_command(context, name)
        assert known is not None, f"there is no command '{name}': {line}"
        command = known
        context = command.context_class(
            command, info_name=name, parent=context, **command.context_settings
        )
    return command, context, rest


def parse(line: str) -> tuple[click.Command, click.Context, dict[str, object]] | None:
    """As click does, but without looking for files."""
    found = find(line)
    if found is None:
        return None
    command, context, rest = found
    values, left, _ = command.make_parser(context).parse_args(list(rest))
    assert not left or context.allow_extra_args, f"what is {left}: {line}"
    return command, context, values


def shown(collect) -> list:
    return [
        pytest.param(line, id=f"{page.parent.name}/{page.name}: {line}")
        for page in PAGES
        for line in dict.fromkeys(collect(page))
    ]


@pytest.mark.parametrize("line", shown(block_commands))
def test_shown_command_is_whole(line):
    found = parse(line)
    if found is None:
        return
    command, context, values = found
    for parameter in command.get_params(context):
        value = values.get(parameter.name)
        given = value not in (None, (), [])
        assert given or not parameter.required, f"{parameter.name} is missing: {line}"
        if not given or isinstance(parameter.type, click.Path | click.File):
            continue
        if isinstance(value, str) and PLACEHOLDER.fullmatch(value):
            continue
        if isinstance(parameter, click.Option) and not parameter.is_flag:
            parameter.type_cast_value(context, value)


@pytest.mark.parametrize("line", shown(inline_commands))
def test_command_in_the_text_exists(line):
    try:
        parse(line.replace("…", ""))
    except click.BadOptionUsage as error:
        pytest.fail(f"{error.message}: {line}")


def test_there_are_commands_to_look_at():
    assert len(shown(block_commands)) > 30
    assert len(shown(inline_commands)) > 20


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("md-bridge chekc model.pt", "there is no command 'chekc'"),
        ("md-bridge check model.pt start.xyz other.xyz", "what is"),
    ],
)
def test_wrong_commands_are_found(line, message):
    with pytest.raises(AssertionError, match=message):
        parse(line)


def test_wrong_options_are_found():
    with pytest.raises(click.NoSuchOption):
        parse("md-bridge check model.pt --mots 3")
