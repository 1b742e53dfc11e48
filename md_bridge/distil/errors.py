"""The exceptions of the distillation."""

from __future__ import annotations

from md_bridge.errors import MDBridgeError

__all__ = ["DistilError", "FrameFolderError"]


class DistilError(MDBridgeError, RuntimeError):
    """A student cannot be made; the message says why and what to do."""


class FrameFolderError(DistilError):
    """A folder that cannot be used for this student; another folder or other options mend it."""
