"""The root of all errors that MD Bridge raises on purpose."""

from __future__ import annotations

__all__ = ["MDBridgeError"]


class MDBridgeError(Exception):
    """Something that the caller can mend; the message says what was found and what to do.

    Every error class of this package derives from it, besides a standard class where one fits:
    ``except MDBridgeError`` catches them all.
    """
