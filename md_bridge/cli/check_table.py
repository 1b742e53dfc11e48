"""Checks as a table for the terminal and as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from md_bridge.export.checks.result import Check

CHECKS_FAILED = 3
"""Exit code of a command whose checks failed under --strict."""


def failed(checks: Sequence[Check]) -> list[Check]:
    """Those that did not pass; what was only measured can not fail."""
    return [check for check in checks if check.passed is False]


def print_checks(console: Console, checks: Sequence[Check]) -> None:
    """A line for each check, and below a sentence for each that failed or was measured."""
    table = Table(box=None, pad_edge=False)
    for title, justify in (
        ("check", "left"),
        ("", "left"),
        ("value", "right"),
        ("allowed", "right"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for check in checks:
        known = check.tolerance is not None or math.isfinite(check.value)
        value = f"{check.value:.2g} {check.unit}".strip() if known else ""
        allowed = "" if check.tolerance is None else f"{check.tolerance:.2g}"
        table.add_row(escape(check.name), _verdict(check), value, allowed)
    console.print(table)
    for check in checks:
        if not check.passed:
            console.print(f"[bold]{escape(check.name)}[/]: {escape(check.detail)}", highlight=False)


def print_variants(console: Console, path: Path, variant: str | None) -> None:
    """Which variant was checked, if the model has several."""
    from md_bridge.export.checks.runner import energy_variants
    from md_bridge.export.model_file import load_exported

    variants = energy_variants(load_exported(path).capabilities().outputs)
    if len(variants) > 1:
        checked = variant or variants[0]
        others = [name or "the unnamed one" for name in variants if name != checked]
        console.print(
            f"checked: the variant {checked or 'without a name'} of the outputs; not checked: "
            f"{', '.join(others)} (md-bridge check --variant)",
            highlight=False,
            markup=False,
        )


def _verdict(check: Check) -> str:
    if check.passed is None:
        return "[dim]measured[/]" if check.value == check.value else "[dim]not checked[/]"
    return "[green]ok[/]" if check.passed else "[red]FAILED[/]"


def as_data(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """For JSON, which has no NaN or infinity: null where there is no finite number."""
    return [
        {**asdict(check), "value": check.value if math.isfinite(check.value) else None}
        for check in checks
    ]
