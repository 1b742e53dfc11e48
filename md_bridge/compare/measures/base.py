"""What every measure takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.request import CompareRequest
from md_bridge.compare.subjects import Subject
from md_bridge.text import minus_sign, significant

__all__ = ["Measure", "Progress", "Task", "missing", "percent", "smallest"]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the measure that is done."""


@dataclass(frozen=True)
class Task:
    """One measure of one model."""

    subject: Subject
    request: CompareRequest
    folder: Path
    """For whatever the measure leaves; it exists, and is the same in a later call."""
    threads: int
    progress: Progress


@dataclass(frozen=True)
class Measure:
    """A measure: what decides its numbers besides the model, and how it is made."""

    settings: Callable[[CompareRequest], Mapping[str, Any]]
    """Fields of the request, as JSON has them; checksums of structures come on top."""
    make: Callable[[Task], Found]
    """Raises what the measured packages raise: it becomes a sentence."""
    weight: float
    """About how long it takes, in terms of the others."""
    of_machine: bool = False
    """Whether the machine and the number of threads decide, too."""


def missing(kind: str, what: str) -> str:
    """Why a model has no figure.

    :param kind: of forces or stress that it does not give
    :param what: is not measured, in words
    """
    return f"It gives no {kind} forces, so there is no {what}."


def smallest(name: str, unit: str, value: float, digits: int = 3, section: str = "") -> Figure:
    """A figure of which the smallest is the best.

    :param name: in words
    :param unit: of it
    :param value: in the unit
    :param digits: to show
    :param section: of another table than the main one
    """
    if value and abs(value) < 1e-3:
        text = minus_sign(f"{value:.{digits - 1}e}")
    else:
        text = significant(value, digits)
    return Figure(name, unit, text, value, "smaller", section=section)


def percent(name: str, share: float, digits: int = 3, section: str = "") -> Figure:
    """The same of a share, shown in percent.

    :param name: in words
    :param share: 1 for all
    :param digits: to show
    :param section: of another table than the main one
    """
    return smallest(name, "%", 100.0 * share, digits, section)
