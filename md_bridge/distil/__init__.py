"""A small student of a large model, for the inner steps of multiple time stepping.

::

    from md_bridge.distil import distil

    distil("model.pt", "start.xyz", "inner.pt", temperatures_k=(300, 600), hours=1.0)
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "api": "Distilled distil perform",
    "errors": "DistilError FrameFolderError",
    "labelling.frames": "read_frames",
    "request": "DistilRequest",
    "student": "Architecture Student",
    "labelling.teacher": "Teacher open_teacher",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import what is in ``__all__`` when it is first asked for."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
