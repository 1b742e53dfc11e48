"""The one exception of the export package, and helpers that word its messages."""

from __future__ import annotations

from collections.abc import Iterable

from md_bridge import text
from md_bridge.errors import MDBridgeError

__all__ = ["ExportError", "nearest"]


class ExportError(MDBridgeError):
    """A model cannot be exported, read or checked; the message says why and what to do."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` for the valid word closest to ``word``, or an empty string.

    :param word: what was written
    :param valid: what might have been meant
    """
    near = text.nearest(word, valid)
    return f" Did you mean '{near}'?" if near else ""
