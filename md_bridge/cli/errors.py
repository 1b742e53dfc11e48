"""Errors of the library, which speaks of arguments, in the words and exit statuses of a command."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import click

from md_bridge.errors import ArgumentError, MDBridgeError

__all__ = [
    "errors_as_sentences",
]

_BAD_OPTIONS = ("CampaignError", "FrameFolderError", "ReadOptionError", "StructureError")
"""Classes of errors about an option, a folder or a file that was named: another one mends them."""
_READ_OPTION = re.compile(r"ReadOptions\((\w+)=([^)]*)\)")
"""How the readers of files name what a user can say."""


@contextlib.contextmanager
def errors_as_sentences(ctx: click.Context) -> Iterator[None]:
    """Turn errors of the library into those of click, which are a sentence and an exit status.

    :raises click.UsageError: (status 2) about an argument or option, or a folder of other runs
    :raises click.ClickException: (status 1) about anything else
    """
    try:
        yield
    except MDBridgeError as error:
        raise _in_words_of(ctx, error) from error


def _in_words_of(ctx: click.Context, error: MDBridgeError) -> click.ClickException:
    options = _options(ctx)
    message = str(error)
    if isinstance(error, ArgumentError):
        message = f"{options.get(error.argument, error.argument)} {error.problem}"
    message = _READ_OPTION.sub(lambda found: _typed(options, *found.groups()), message)
    folder = options.get("folder", options.get("out"))
    if folder is not None:
        message = message.replace("another folder", f"another folder with {folder}")
    for name, option in options.items():
        if "_" in name:  # others are English words, too
            message = re.sub(rf"\b{name}\b", option, message)
    if isinstance(error, ArgumentError) or type(error).__name__ in _BAD_OPTIONS:
        return click.UsageError(message, ctx)
    return click.ClickException(message)


def _typed(options: dict[str, str], name: str, value: str) -> str:
    """``ReadOptions(run=2)`` as it is typed: ``--run 2``."""
    option = options.get(name, name)
    return option if value == "..." else f"{option} {value}"


def _options(ctx: click.Context) -> dict[str, str]:
    """What a user types, by the name of the argument that gets it."""
    return {
        parameter.name: parameter.opts[-1]
        for parameter in ctx.command.params
        if parameter.name and isinstance(parameter, click.Option)
    }
