"""Small things about words, numbers and files that several packages share."""

from __future__ import annotations

import difflib
import hashlib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = [
    "factor",
    "finite_or_none",
    "finite_values",
    "minus_sign",
    "nearest",
    "replace_atomically",
    "rounded",
    "sha256_of",
    "significant",
    "with_error",
]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one is nearest to, whatever the case of its letters.

    :param name: what was typed
    :param known: the valid names
    :returns: None if no name is near
    """
    by_lower = {entry.lower(): entry for entry in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=1)
    return by_lower[close[0]] if close else None


def finite_or_none(value: float) -> float | None:
    """The number as JSON can have it: None for NaN and infinity.

    :param value: in any unit
    """
    return value if math.isfinite(value) else None


def finite_values(value: Any) -> Any:
    """The same with None for each number that is not finite, as JSON can have it.

    :param value: a number, anything else, or mappings and sequences of such
    """
    if isinstance(value, Mapping):
        return {name: finite_values(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite_values(each) for each in value]
    return finite_or_none(value) if isinstance(value, float) else value


def replace_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file that appears whole or not at all, so that its presence says it is complete.

    :param path: the file; one that is there is replaced
    :param write: called with another path in the same folder, to write the content to
    :raises OSError: as ``write``, and if the folder cannot be written into
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sha256_of(path: Path) -> str:
    """The checksum of a file; it is read once, as long as it is the same one.

    :param path: of the file
    :raises OSError: it cannot be read
    """
    status = path.stat()
    return _hash_of(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _hash_of(path: Path, *_: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_error(value: float, error: float, most_decimals: int = 3) -> str:
    """``-0.012 ± 0.005``: both with the decimals of the error's first two digits.

    :param value: in any unit
    :param error: its standard error, in the same unit
    :param most_decimals: at most so many decimals, unless both would be zero then: the error has
        one digit in any case
    :returns: ``-`` for a value that is not finite, ``± ?`` for such an error
    """
    if not math.isfinite(value):
        return "-"
    if not math.isfinite(error):
        return f"{significant(value, 3)} ± ?"
    decimals = min(_decimals(error, 2), most_decimals) if error > 0 else most_decimals
    if error > 0 and not round(error, decimals) and not round(value, decimals):
        decimals = _decimals(error, 1)
    return f"{minus_sign(f'{value:.{decimals}f}')} ± {error:.{decimals}f}"


def rounded(value: float, scale: float) -> str:
    """``value`` with the decimals that two digits of ``scale`` need, at most three.

    :param value: in any unit
    :param scale: what gives the decimals, in the same unit
    :returns: with three significant digits if the scale is not finite or not positive
    """
    if not math.isfinite(scale) or scale <= 0:
        return minus_sign(f"{value:.3g}")
    return minus_sign(f"{value:.{min(_decimals(scale, 2), 3)}f}")


def significant(value: float, digits: int) -> str:
    """Fixed notation with at least ``digits`` significant digits; ``-`` if it is not finite.

    :param value: in any unit
    :param digits: at least one
    """
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    return minus_sign(f"{value:.{_decimals(abs(value), digits)}f}")


def factor(value: float | None, missing: str = "-") -> str:
    """A ratio with two decimals; ``missing`` for None, ``-`` if it is not finite.

    :param value: the ratio, without unit
    :param missing: what stands for None
    """
    if value is None:
        return missing
    return f"{value:.2f}" if math.isfinite(value) else "-"


def minus_sign(text: str) -> str:
    """The number in ``text`` with a true minus sign, and none before a rounded zero.

    :param text: a number as Python prints it
    """
    if not text.startswith("-"):
        return text
    return text[1:] if float(text) == 0 else "−" + text[1:]


def _decimals(size: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(size)))
