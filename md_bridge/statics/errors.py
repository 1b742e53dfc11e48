"""The error of this package."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["StaticsError"]


class StaticsError(MDBridgeError, ValueError):
    """A structure cannot be relaxed, displaced or strained as was asked."""
