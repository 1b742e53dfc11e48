"""Does this model file behave in this installation? A certificate to file beside a paper.

::

    from md_bridge.certify import CertifyRequest, certify

    certificate = certify(CertifyRequest("model.pt", starts=("start.xyz",)), "certificate")
    certificate.passed, [finding.name for finding in certificate.findings]

Everything in ``__all__`` is imported when it is first used: the help of the command needs no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

# Which names come from which module: the one place where they are listed.
_MODULES = {
    "api": "certify iterate_findings",
    "certificate": "Certificate",
    "findings": "Finding Outcome",
    "request": "CHECKS CertifyRequest",
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
