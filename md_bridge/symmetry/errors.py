"""What can go wrong with the function that is measured."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["SymmetryError"]


class SymmetryError(MDBridgeError):
    """A function cannot be measured; the message says what it did and what to do."""
