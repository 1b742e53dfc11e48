"""What commands on models share: sources, and what a failed check does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.options import Words, option

if TYPE_CHECKING:
    from md_bridge.export.checks.result import Check

__all__ = [
    "CHECKS_FAILED",
    "PYTHON_SECTION",
    "dtype_option",
    "given_options",
    "leave_if_failed",
    "lenient_option",
    "module_options",
    "trust_option",
]

PYTHON_SECTION = "Torch modules (SOURCE python:…)"
"""Of a help: options for sources that do not say what they are."""

dtype_option = option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    show_default="as trained",
    help="Precision.",
)
trust_option = option(
    "--trust", is_flag=True, help="Load a checkpoint even if that runs code in it."
)

CHECKS_FAILED = 3
"""Exit status where a check failed."""


def lenient_option(function: Any) -> Any:
    """``--lenient``."""
    lenient = option("--lenient", is_flag=True, help="Exit status 0 also where a check fails.")
    return lenient(function)


def module_options(function: Any) -> Any:
    """What a torch module does not say of itself, but for ``--layers``."""
    for decorator in (
        option(
            "--energy-unit", section=PYTHON_SECTION, show_default="eV", help="Unit of energies."
        ),
        option(
            "--length-unit",
            section=PYTHON_SECTION,
            show_default="angstrom",
            help="Unit of lengths.",
        ),
        option("--cutoff", type=float, section=PYTHON_SECTION, help="Cutoff of the pair list."),
        option(
            "--elements",
            type=Words(str, "symbols"),
            section=PYTHON_SECTION,
            metavar="O,H",
            help="Elements that it knows.",
        ),
    ):
        function = decorator(function)
    return function


def given_options(options: Mapping[str, Any], elements: Sequence[str] | None) -> dict[str, Any]:
    """The options that were given, as :func:`md_bridge.export.sources.build_model` takes them.

    :param options: by name
    :param elements: symbols
    """
    given = {name: v for name, v in options.items() if v not in (None, ()) and v is not False}
    if elements:
        given["elements"] = list(elements)
    return given


def leave_if_failed(checks: Sequence[Check]) -> None:
    """Say which checks failed, and leave with the exit status of that.

    What was only measured cannot fail.

    :raises SystemExit: unless all are passed
    """
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        click.echo(f"Error: {len(failed)} check(s) failed: {', '.join(failed)}", err=True)
        raise SystemExit(CHECKS_FAILED)
