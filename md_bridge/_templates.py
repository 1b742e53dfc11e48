"""The one way in which pages and inputs are written from the templates of a package."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def templates(package: str, *, autoescape: bool = True, **options: Any) -> Environment:
    """Jinja environment of the folder ``templates`` of a package; an unknown name is an error.

    :param autoescape: for HTML and XML
    :param options: further ones of :class:`jinja2.Environment`
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
