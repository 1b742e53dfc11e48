"""What an exported model says of itself: name, authors, references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metatomic.torch import ModelMetadata

from md_bridge.export.errors import ExportError, nearest

__all__ = ["merge_metadata", "parse_metadata"]

KEYS = ("name", "description", "authors", "references", "extra")
"""What metadata may say of a model."""


def parse_metadata(
    metadata: Mapping[str, Any] | ModelMetadata | None, default_name: str = ""
) -> ModelMetadata:
    """``metadata`` as metatomic stores it.

    :param metadata: by :data:`KEYS`, or as metatomic stores it; None: nothing but the name
    :param default_name: of the model, where ``metadata`` has none
    :raises ExportError: an unknown key, or a value of the wrong type
    """
    if metadata is None:
        return ModelMetadata(name=default_name)
    if not isinstance(metadata, Mapping):
        return metadata
    for key in metadata:
        if key not in KEYS:
            raise ExportError(
                f"unknown metadata '{key}'; expected {', '.join(KEYS)}.{nearest(str(key), KEYS)}"
            )
    try:
        return ModelMetadata(**{"name": default_name, **metadata})
    except (RuntimeError, TypeError, ValueError) as error:
        raise ExportError(f"the metadata cannot be stored: {error}") from error


def merge_metadata(old: ModelMetadata, new: ModelMetadata) -> ModelMetadata:
    """``old`` with what ``new`` says: its texts replace, its authors, references and extras add.

    :param old: what the model said so far
    :param new: what is to be said
    """
    references = {
        kind: _union(old.references.get(kind, []), new.references.get(kind, []))
        for kind in {*old.references, *new.references}
    }
    return ModelMetadata(
        name=new.name or old.name,
        description=new.description or old.description,
        authors=_union(old.authors, new.authors),
        references=references,
        extra={**old.extra, **new.extra},
    )


def _union(old: list[str], new: list[str]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))
