"""What can go wrong in a benchmark."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["BenchError", "UnavailableError"]


class BenchError(MDBridgeError, RuntimeError):
    """The benchmark cannot be run as asked; the message says why and what to do."""


class UnavailableError(BenchError):
    """One subject cannot be measured here; the message is the reason that the report prints."""
