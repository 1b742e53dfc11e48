"""What goes wrong with files of runs."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = [
    "ReadError",
]


class ReadError(MDBridgeError, ValueError):
    """A file cannot be read as H(t); the message says what was expected, found, and what to do."""
