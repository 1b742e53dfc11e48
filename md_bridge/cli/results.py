"""A result with tables, sentences and a page: on the screen, or as JSON, and into a folder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from md_bridge.cli.tables import tell_files, widen_for

if TYPE_CHECKING:
    from md_bridge.drift.protocols.base import ProtocolResult

__all__ = ["tell_result", "writing_into"]


@contextlib.contextmanager
def writing_into(folder: Path) -> Iterator[None]:
    """Say in a sentence that files cannot be written.

    :param folder: they go to, of ``--out``
    :raises click.ClickException: in the place of the OSError
    """
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"cannot write into {folder}: {error.strerror or error}; choose another folder with "
            "--out"
        ) from None


def tell_result(
    result: ProtocolResult,
    settings: list[tuple[str, str]],
    out: Path,
    as_json: bool,
    *files: tuple[str, Path],
) -> None:
    """To the screen first: a full disk must not take the result of a long measurement with it.

    :param result: what was found
    :param settings: what was tested, and where
    :param out: folder of the page and the numbers
    :param as_json: print the numbers, and no table
    :param files: what else was written, and where
    :raises click.ClickException: the folder cannot be written into
    """
    from md_bridge.drift.report.protocol import (
        protocol_table,
        result_data,
        section_table,
        write_result,
    )

    console = Console()
    if as_json:
        click.echo(json.dumps(result_data(result, settings), allow_nan=False))
    else:
        for table in (protocol_table(result), *map(section_table, result.sections)):
            widen_for(console, table, whole=True)
            console.print(table)
            console.print()
        for sentence in result.sentences:
            console.print(sentence, markup=False, highlight=False)
    with writing_into(out):
        written = write_result(result, settings, out)
    if not as_json:
        tell_files(console, ("Page", written.page), ("Numbers", written.summary), *files)
