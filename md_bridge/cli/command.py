"""What all commands have in common: options in sections, defaults from the library, errors as
sentences, examples and exit statuses at the end of the help."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import click

from md_bridge.cli.errors import errors_as_sentences
from md_bridge.text import nearest

__all__ = [
    "DEFAULT_SECTION",
    "Command",
    "Group",
    "Option",
    "epilog",
    "library_default",
]

DEFAULT_SECTION = "Options"

_USUAL_STATUS = {
    0: "all went well",
    1: "an error; a sentence says which",
    2: "bad options",
}


class Option(click.Option):
    """An option of a section of the help, whose default may be that of the library.

    :param section: title under which the help lists it
    :param of: ``module:function`` (or a dataclass) that has a parameter of the name of this option,
        whose default it takes. It is looked up when the default is needed: the module may be a
        heavy one.
    """

    def __init__(
        self,
        *args: Any,
        section: str = DEFAULT_SECTION,
        of: str | None = None,
        **attributes: Any,
    ) -> None:
        attributes.setdefault("show_default", True)
        kind = attributes.get("type")
        if isinstance(kind, click.IntRange | click.FloatRange):
            whole = isinstance(kind, click.IntRange)
            attributes.setdefault("metavar", "INTEGER" if whole else "FLOAT")
        self.section = section
        self.of: str | None = None  # not before click has built the option
        super().__init__(*args, **attributes)
        self.of = of

    @property  # click has an attribute
    def default(self) -> Any:
        """The default, as a user types it: that of the library where ``of`` says so."""
        if self.of is None:
            return self._default
        value = library_default(self.of, self.name or "")
        return self.type.shown(value) if hasattr(self.type, "shown") else value

    @default.setter
    def default(self, value: Any) -> None:
        self._default = value

    def get_help_extra(self, ctx: click.Context) -> Any:
        """What stands in brackets: a default that is worth mentioning, in its shortest form."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        default: Any = self.show_default
        if default is True:
            default = self.get_default(ctx, call=False)
        if isinstance(default, str | float):
            extra["default"] = f"{default:g}" if isinstance(default, float) else default
        if not extra.get("default"):
            extra.pop("default", None)
        return extra


class Command(click.Command):
    """A command whose help has sections, and which says the errors of the library in its words."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                title = getattr(parameter, "section", DEFAULT_SECTION)
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line.

        :raises click.UsageError: for an error of the library, too
        """
        with errors_as_sentences(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        :raises click.ClickException: for each error of the library, see :mod:`md_bridge.cli.errors`
        """
        with errors_as_sentences(ctx):
            return super().invoke(ctx)


class Group(click.Group):
    """A group of commands that names the nearest one if there is none of a name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command.

        :raises click.UsageError: there is none of this name
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest(args[0], self.list_commands(ctx))
            hint = f" Did you mean '{near}'?" if near else ""
            raise click.UsageError(error.message.rstrip(".") + "." + hint, ctx) from None


def epilog(examples: str, status: Mapping[int, str] | None = None) -> str:
    """The end of a help: examples, and what the exit statuses mean.

    :param examples: command lines
    :param status: meanings besides the usual ones of 0, 1 and 2, or in their place
    """
    lines = inspect.cleandoc(examples).splitlines()
    heading = "Example:" if len(lines) == 1 else "Examples:"
    meanings = sorted({**_USUAL_STATUS, **(status or {})}.items())
    return "\n".join(
        [
            "\b",
            heading,
            *(f"  {line}" for line in lines),
            "",
            "\b",
            "Exit status:",
            *(f"  {number:<4d} {meaning}" for number, meaning in meanings),
        ]
    )


def library_default(function: str, parameter: str) -> Any:
    """The default of a parameter.

    :param function: ``module:function``, or a dataclass in place of the function
    """
    module, _, name = function.partition(":")
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    return signature.parameters[parameter].default
