"""What goes wrong in a certification that is no result of it."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["CertifyError"]


class CertifyError(MDBridgeError, RuntimeError):
    """A certificate cannot be made; the message says why and what to do."""
