"""What ``check`` and ``export`` share: what a failed check does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.options import option

if TYPE_CHECKING:
    from md_bridge.export.checks.result import Check

CHECKS_FAILED = 3
"""Exit status where a check failed."""


def lenient_option(what: str) -> Callable[[Any], Any]:
    """``--lenient``.

    :param what: it does
    """
    return option("--lenient", is_flag=True, help=what)


def failed(checks: Sequence[Check]) -> list[Check]:
    """Those that did not pass; what was only measured cannot fail."""
    return [check for check in checks if check.passed is False]


def leave_if_failed(checks: Sequence[Check], consequence: str = "") -> None:
    """Say which checks failed, and leave with the exit status of that.

    :param consequence: what follows from it, for the message
    :raises SystemExit: unless all are passed
    """
    names = ", ".join(check.name for check in failed(checks))
    if names:
        click.echo(f"Error: {len(failed(checks))} check(s) failed ({names}){consequence}", err=True)
        raise SystemExit(CHECKS_FAILED)
