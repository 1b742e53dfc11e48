"""Tables between markers of a document, which a script writes anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from md_bridge.text import minus_sign, significant

__all__ = ["fill_in", "markdown", "marker", "number"]

_END = "<!-- end -->"


def marker(name: str, script: str) -> str:
    """The line above a table.

    :param name: of the table
    :param script: file name of what writes it
    """
    return f"<!-- {name}: written by {script} -->"


def fill_in(
    text: str,
    tables: Mapping[str, Callable[[Mapping[str, Any]], list[str]]],
    numbers: Mapping[str, Any],
    script: str,
) -> str:
    """A document with what is between its markers written anew.

    :param text: of the document
    :param tables: the lines of each, by its name; a document need not have all
    :param numbers: that they are made of
    :param script: see :func:`marker`
    :raises ValueError: a marker is there twice, or has no end
    """
    for name, make in tables.items():
        begin = marker(name, script)
        if begin not in text:
            continue
        before, _, rest = text.partition(begin)
        _, end, after = rest.partition(_END)
        if begin in rest or not end:
            raise ValueError(f"expected {begin} once in the document, and {_END} after it")
        text = "\n".join([before + begin, *make(numbers), end + after])
    return text


def markdown(heading: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table, numbers to the right.

    :param heading: of the columns, the first of which names rows
    :param rows: as many cells each
    """
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows)]


def number(value: float | None) -> str:
    """Two digits; small ones as powers of ten.

    :param value: None: not known
    """
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1e-3:
        return minus_sign(significant(value, 2))
    mantissa, exponent = f"{value:.0e}".split("e")
    return minus_sign(f"{mantissa}·10^{int(exponent)}")
