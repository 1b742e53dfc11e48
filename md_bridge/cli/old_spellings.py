"""What users typed before the first release, which goes on working in version 0.1 with a hint.

This file is all there is of it; the version after that goes without.
"""

from __future__ import annotations

import click

__all__ = [
    "modernise",
]

_ENGINE = ("drift", "tune", "protocol")
_STRICT = ("check", "export")


def modernise(arguments: list[str]) -> list[str]:
    """The command line in today's spelling; a line on stderr for each that is not.

    :param arguments: a subcommand and what follows it
    """
    command, *rest = arguments
    if command == "drift":
        command, rest = _split_drift(rest)
    if command in _ENGINE:
        rest = _host(rest)
    if command in _STRICT and "--strict" in rest:
        rest = [word for word in rest if word != "--strict"]
        _hint("--strict is what happens without it; --lenient is the opposite")
    return [command, *rest]


def _split_drift(arguments: list[str]) -> tuple[str, list[str]]:
    """``drift --from FILES`` is ``judge FILES``, ``drift --protocol NAME`` is ``protocol NAME``."""
    if any(word == "--from" or word.startswith("--from=") for word in arguments):
        _hint("'drift --from FILES' is 'md-bridge judge FILES' now")
        return "judge", [word.removeprefix("--from=") for word in arguments if word != "--from"]
    for index, word in enumerate(arguments):
        option, equals, name = word.partition("=")
        if option != "--protocol":
            continue
        after = index + 1 if equals else index + 2
        name = name if equals else "".join(arguments[index + 1 : after])
        if not name:
            break
        rest = arguments[:index] + arguments[after:]
        if name == "nve":
            _hint("'--protocol nve' can be left out")
            return "drift", rest
        _hint(f"'drift --protocol {name}' is 'md-bridge protocol {name}' now")
        return "protocol", [name, *rest]
    return "drift", arguments


def _host(arguments: list[str]) -> list[str]:
    words = [
        "--host" + word.removeprefix("--engine")
        if word == "--engine" or word.startswith("--engine=")
        else word
        for word in arguments
    ]
    if words != arguments:
        _hint("--engine is --host now")
    return words


def _hint(text: str) -> None:
    click.echo(f"md-bridge: {text}", err=True)
