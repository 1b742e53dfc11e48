"""What a check found: a row with what was expected, what was measured, and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from md_bridge.export.checks.result import Check

__all__ = ["Finding", "Outcome", "failure_words", "judged", "of_check", "skipped"]


class Outcome(str, Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """It could not be told: a run was too short."""
    MEASURED = "measured"
    """For information: there is nothing that it could fail."""
    SKIPPED = "not checked"


@dataclass(frozen=True)
class Finding:
    """A row of the certificate."""

    name: str
    """What was checked, in words."""
    outcome: Outcome
    expected: str
    """With its unit; empty where nothing is expected."""
    measured: str
    """With its unit; empty where nothing was measured."""
    sentence: str
    """What the number is, and what to do if the check failed."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Every number, for JSON; names carry their units."""


def judged(
    name: str, passed: bool | None, expected: str, measured: str, sentence: str, **numbers: Any
) -> Finding:
    """A row of a check that can fail.

    :param name: what was checked
    :param passed: None if it could not be told
    :param expected: with its unit
    :param measured: with its unit
    :param sentence: for the user
    :param numbers: for JSON
    """
    outcome = Outcome.UNDECIDED
    if passed is not None:
        outcome = Outcome.PASSED if passed else Outcome.FAILED
    return Finding(name, outcome, expected, measured, sentence.strip(), numbers)


def skipped(name: str, why: str) -> Finding:
    """A row of a check that cannot be made.

    :param name: what would have been checked
    :param why: in words, without an end
    """
    return Finding(name, Outcome.SKIPPED, "", "", f"not checked: {why}")


def of_check(check: Check) -> Finding:
    """A row of a check of ``md-bridge check``.

    :param check: what it found
    """
    known = check.tolerance is not None or math.isfinite(check.value)
    outcome = Outcome.MEASURED if known else Outcome.SKIPPED
    if check.passed is not None:
        outcome = Outcome.PASSED if check.passed else Outcome.FAILED
    expected = "" if check.tolerance is None else f"≤ {check.tolerance:.2g} {check.unit}".strip()
    measured = f"{check.value:.2g} {check.unit}".strip() if known else ""
    numbers = {
        "value": check.value if math.isfinite(check.value) else None,
        "tolerance": check.tolerance,
        "unit": check.unit,
    }
    return Finding(check.name, outcome, expected, measured, check.detail, numbers)


def failure_words(reason: str) -> str:
    """The one line of a failed program that says why.

    :param reason: with the end of its log
    """
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Error:" in line]
    if errors:
        return errors[0]
    return lines[-1] if lines else "it failed without a word"
