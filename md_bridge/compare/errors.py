"""What goes wrong in a comparison that is no result of it."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["CompareError"]


class CompareError(MDBridgeError, RuntimeError):
    """Models cannot be compared; the message says why and what to do."""
