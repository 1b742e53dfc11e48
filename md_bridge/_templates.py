"""The one way in which pages and inputs are written from the templates of a package."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def templates(*packages: str, autoescape: bool = True, **options: Any) -> Environment:
    """Jinja environment of the folders ``templates`` of packages; an unknown name is an error.

    :param packages: where a template is looked for, one after the other
    :param autoescape: for HTML and XML
    :param options: further ones of :class:`jinja2.Environment`
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )
