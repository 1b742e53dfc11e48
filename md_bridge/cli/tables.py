"""What commands print at their end: checks as a table, errors as a table, the files written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from md_bridge.export.checks.result import Check
    from md_bridge.model_options import ModelOptions

__all__ = [
    "as_data",
    "print_checks",
    "print_errors",
    "print_variants",
    "tell_files",
    "widen_for",
]


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


def print_variants(console: Console, path: Path, options: ModelOptions) -> None:
    """Which variant was checked, if the model has several.

    :param path: of the model
    :param options: with which it was checked
    """
    from md_bridge.export.checks.runner import energy_variants
    from md_bridge.export.model_file import load_exported
    from md_bridge.model_names import is_python_model

    if is_python_model(path):
        return  # a calculator has one
    variants = energy_variants(load_exported(path, options.extensions).capabilities().outputs)
    if len(variants) > 1:
        checked = options.variant or variants[0]
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


def print_errors(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    """The rows of an error table; names of groups are folded to the width, numbers never cut."""
    titles = ("quantity", "of", "MAE", "RMSE", "unit", "label spread", "values")
    lines = []
    previous = ""
    for row in rows:
        lines.append(
            (
                row["quantity"] if row["quantity"] != previous else "",
                row["of"],
                f"{row['mae']:.3g}",
                f"{row['rmse']:.3g}",
                row["unit"],
                f"{row['label_spread']:.3g}",
                f"{row['count']}",
            )
        )
        previous = row["quantity"]
    table = Table(box=None, pad_edge=False)
    for title, *cells in zip(titles, *lines, strict=True):
        left = title in ("quantity", "of", "unit")
        folds = title == "of"
        table.add_column(
            title,
            justify="left" if left else "right",
            no_wrap=not folds,
            overflow="fold",
            min_width=8 if folds else max(len(text) for text in (title, *cells)),
        )
    for line in lines:
        table.add_row(*map(escape, line))
    widen_for(console, table)
    console.print(table, highlight=False)


def widen_for(console: Console, table: Table, *, whole: bool = False) -> None:
    """On a terminal that is too narrow for the numbers of a table, let lines run over instead.

    :param console: where it will be printed
    :param table: whose columns that must not be cut say so
    :param whole: all its lines stay in one piece
    """
    needed = Measurement.get(console, console.options.update(max_width=10_000), table)
    console.width = max(console.width, needed.maximum if whole else needed.minimum)


def tell_files(console: Console, *files: tuple[str, Path]) -> None:
    """One line for each file that was written, which a path of any length leaves in one piece.

    :param files: what each is ("Page", "Numbers"), and where
    """
    console.print()
    for what, path in files:
        console.print(f"{what:9} {path}", highlight=False, markup=False, soft_wrap=True)
