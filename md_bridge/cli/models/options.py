"""What ``check`` and ``export`` share: what a failed check does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from md_bridge.cli.options import option

if TYPE_CHECKING:
    from md_bridge.export.checks.result import Check

__all__ = [
    "CHECKS_FAILED",
    "leave_if_failed",
    "lenient_option",
]

CHECKS_FAILED = 3
"""Exit status where a check failed."""


def lenient_option(function: Any) -> Any:
    """``--lenient``."""
    lenient = option("--lenient", is_flag=True, help="Exit status 0 also where a check fails.")
    return lenient(function)


def leave_if_failed(checks: Sequence[Check]) -> None:
    """Say which checks failed, and leave with the exit status of that.

    What was only measured cannot fail.

    :raises SystemExit: unless all are passed
    """
    failed = [check.name for check in checks if check.passed is False]
    if failed:
        click.echo(f"Error: {len(failed)} check(s) failed: {', '.join(failed)}", err=True)
        raise SystemExit(CHECKS_FAILED)
