"""What goes wrong with files of runs."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = [
    "ReadError",
    "ReadOptionError",
]


class ReadError(MDBridgeError, ValueError):
    """A file cannot be read as H(t); the message says what was expected, found, and what to do."""


class ReadOptionError(ReadError):
    """What :class:`~md_bridge.drift.records.reader_tools.ReadOptions` ask for is not in the file,
    or is against what the file says; the message says what there is."""
