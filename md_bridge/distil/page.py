"""The self-contained page of a student."""

from __future__ import annotations

from md_bridge.distil.api import Distilled
from md_bridge.distil.request import DistilRequest

__all__ = ["render_page"]


def render_page(result: Distilled, request: DistilRequest) -> str:
    """The page as one string of HTML; curves and their program are embedded, nothing is fetched.

    :param result: the student
    :param request: what was asked for
    """
    return ""
