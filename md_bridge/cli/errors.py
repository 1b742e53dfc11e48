"""Errors of the library, which speaks of arguments, in the words and exit statuses of a command."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import click

from md_bridge.errors import MDBridgeError

_ABOUT_A_FOLDER = ("CampaignError",)
"""Classes of errors that another --out mends: as with any bad option, the status is 2."""


@contextlib.contextmanager
def errors_as_sentences(ctx: click.Context) -> Iterator[None]:
    """Turn errors of the library into those of click, which are a sentence and an exit status.

    :raises click.UsageError: (status 2) about an argument, or a folder that belongs to other runs
    :raises click.ClickException: (status 1) about anything else
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, MDBridgeError) and not type(error).__module__.startswith(
            "md_bridge"
        ):
            raise
        raise _in_words_of(ctx, error) from error


def _in_words_of(ctx: click.Context, error: MDBridgeError) -> click.ClickException:
    argument = getattr(error, "argument", None)
    message = str(error)
    for name, option in _options(ctx).items():
        # a name such as "forces" is an English word too, unless the error is about it
        if name == argument or "_" in name:
            message = re.sub(rf"\b{name}\b", option, message)
    if argument is not None or type(error).__name__ in _ABOUT_A_FOLDER:
        return click.UsageError(message, ctx)
    return click.ClickException(message)


def _options(ctx: click.Context) -> dict[str, str]:
    """What a user types, by the name of the argument that gets it."""
    return {
        parameter.name: parameter.opts[-1]
        for parameter in ctx.command.params
        if parameter.name and isinstance(parameter, click.Option)
    }
