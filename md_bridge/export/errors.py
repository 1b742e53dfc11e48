"""The one exception of the export package, and helpers that word its messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ExportError(Exception):
    """A model can not be exported, read or checked; the message says why and what to do."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the valid word closest to ``word``, or an empty string."""
    matches = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""
