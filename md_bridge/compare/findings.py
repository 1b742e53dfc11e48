"""What one measure finds of one model: figures for the tables, sentences, and every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from md_bridge.text import finite_values

__all__ = ["Figure", "Found"]


@dataclass(frozen=True)
class Figure:
    """One figure of one model. Those of the same name are side by side in a line of a table."""

    name: str
    """What it is, in words."""
    unit: str
    text: str
    """As the table shows it, without the unit."""
    value: float | None = None
    """The number, to tell the best by; None where it has none, or none is better."""
    better: str = ""
    """``smaller`` or ``larger``; empty: neither is."""
    judged: bool = False
    """Whether it can be failed."""
    good: bool | None = None
    """Of a judged one: passed, failed, or None where it cannot be told."""
    section: str = ""
    """Title of the further table that it is in; empty: the main one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", finite_values(self.value))

    @property
    def key(self) -> tuple[str, str, str]:
        """What it has in common with those of other models."""
        return self.section, self.name, self.unit


@dataclass(frozen=True)
class Found:
    """What a measure finds of a model.

    :param figures: in the order of the tables
    :param sentences: what the figures do not say, and why one is missing
    :param numbers: everything, for JSON; names carry their units. What is not finite becomes None
    """

    figures: tuple[Figure, ...] = ()
    sentences: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", finite_values(self.numbers))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "figures": [asdict(figure) for figure in self.figures],
            "sentences": list(self.sentences),
            "numbers": dict(self.numbers),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Found:
        """From :meth:`as_dict`.

        :param content: what it returned
        :raises KeyError: it is something else
        :raises TypeError: likewise
        """
        return cls(
            tuple(Figure(**figure) for figure in content["figures"]),
            tuple(content["sentences"]),
            content["numbers"],
        )
