"""Which of several models to trust: one table of errors, conservation, symmetry, statics and cost.

::

    from md_bridge.compare import CompareRequest, compare

    request = CompareRequest(("a.pt", "b.pt"), labelled="test.xyz", start="start.xyz")
    comparison = compare(request, "comparison")
    comparison.passed, comparison.numbers("errors", "a.pt")["errors"]

Everything in ``__all__`` is imported when it is first used: the help of the command needs no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

# Which names come from which module: the one place where they are listed.
_MODULES = {
    "api": "compare",
    "comparison": "Comparison Outcome",
    "findings": "Figure Found",
    "request": "MEASURES USUAL CompareRequest NamedModel",
    "subjects": "Subject",
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
