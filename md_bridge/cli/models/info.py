"""``md-bridge info``: what a model is, on one screen."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from md_bridge.cli.command import DEFAULT_SECTION, Command, epilog
from md_bridge.cli.options import extensions_option, option

__all__ = [
    "info",
]


@click.command(
    cls=Command, epilog=epilog("md-bridge info model.pt\nmd-bridge info python:my_model.py:make")
)
@click.argument("model", type=click.Path(path_type=Path))
@option("--all", "everything", is_flag=True, help="Outputs that no host uses, too.")
@option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@extensions_option(DEFAULT_SECTION)
def info(model: Path, everything: bool, as_json: bool, extensions: str) -> None:
    """Say what MODEL is: elements, cutoff, range, outputs and units, precision, size, citation.

    MODEL is an exported file, or python:package.module:factory.
    """
    from md_bridge.export.description import describe

    warnings.filterwarnings("ignore", category=DeprecationWarning)
    facts = describe(model, extensions)
    if as_json:
        click.echo(json.dumps(facts, allow_nan=False))
    else:
        _print(Console(), facts, everything)


def _print(console: Console, facts: dict[str, Any], everything: bool) -> None:
    console.print(f"[bold]{escape(facts['name'] or facts['path'])}[/]", highlight=False)
    if facts["description"]:
        console.print(escape(facts["description"]), highlight=False)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    rows = {
        "elements": _elements(facts["elements"]),
        "cutoff": _cutoffs(facts),
        "interaction range": _range(facts),
        "inputs": ", ".join(
            f"{name} ({_input(name, value)})" for name, value in facts["inputs"].items()
        ),
        "precision": facts["dtype"],
        "devices": ", ".join(facts["devices"]),
        "size": _size(facts),
        "exported": _origin(facts),
        "authors": ", ".join(facts["authors"]),
    }
    for name, text in rows.items():
        if text:
            table.add_row(name, escape(text))
    for output in facts["outputs"]:
        if output["used"] or everything:
            unit = output["unit"] or "no unit"
            table.add_row("output", escape(f"{output['name']} ({unit}, per {output['per']})"))
    for kind, references in facts["references"].items():
        for reference in references:
            table.add_row(f"cite ({kind})", escape(reference))
    for key, value in facts["extra"].items():
        table.add_row(escape(key), escape(value))
    console.print(table, highlight=False)


def _elements(symbols: list[str]) -> str:
    """Those that it knows; of a calculator that names none, all there are."""
    from ase.data import chemical_symbols

    return "all" if len(symbols) == len(chemical_symbols) - 1 else " ".join(symbols)


def _cutoffs(facts: dict[str, Any]) -> str:
    """Of the pair lists that it is given; nothing of a calculator, which makes its own."""
    found = " and ".join(f"{cutoff:g} Å" for cutoff in facts["cutoffs_A"])
    return found or ("" if facts["bytes"] is None else "none")


def _size(facts: dict[str, Any]) -> str:
    """Of the file, if it is one."""
    if facts["bytes"] is None:
        return ""
    return f"{facts['parameters']:,} parameters, {facts['bytes'] / 1e6:.1f} MB"


def _origin(facts: dict[str, Any]) -> str:
    """When the file was made, if it is one."""
    if facts["bytes"] is None:
        return ""
    return f"{facts['exported']} (torch {facts['torch']}, metatomic {facts['metatomic']})"


def _input(name: str, value: str | None) -> str:
    """Whether there is a value for what the network asks for."""
    if value:
        return f"{value} unless it is given"
    known = ("charge", "spin_multiplicity")
    return "to be given" if name in known else "which MD Bridge cannot give"


def _range(facts: dict[str, Any]) -> str:
    """How far atoms feel each other, and whether the file says so."""
    reach, stated = facts["interaction_range_A"], facts["stated_range_A"]
    text = "infinite" if reach is None else f"{reach:g} Å"
    if stated is not None and (reach is None or stated < reach * (1 - 1e-6)):
        text += f" by the network in it; the file states {stated:g} Å"
    return text
