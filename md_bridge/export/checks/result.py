"""The outcome of a check."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check", "judge"]


@dataclass(frozen=True)
class Check:
    """What one check found.

    :param name: what was checked, in words
    :param passed: None if it was only measured
    :param value: the number that decides
    :param unit: of the value; empty for a ratio
    :param tolerance: largest value that passes; None if it was only measured
    :param detail: a sentence for the user: what the number is, and what to do if it failed
    """

    name: str
    passed: bool | None
    value: float
    unit: str
    tolerance: float | None
    detail: str


def judge(name: str, value: float, unit: str, tolerance: float, detail: str) -> Check:
    """A check that passes when ``value`` is at most ``tolerance``; a NaN fails.

    :param name: what was checked, in words
    :param value: the number that decides
    :param unit: of the value; empty for a ratio
    :param tolerance: largest value that passes
    :param detail: a sentence for the user
    """
    return Check(name, bool(value <= tolerance), float(value), unit, tolerance, detail)
