"""All that a certificate says: findings, checksums, versions, and one sentence on top."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from md_bridge.certify.findings import Finding, Outcome
from md_bridge.model_names import is_python_model
from md_bridge.text import finite_values

__all__ = ["Certificate"]


@dataclass(frozen=True)
class Certificate:
    """What was found of one model file in one installation."""

    source: str
    """The model, as the user named it."""
    made: str
    """When it was ready, UTC."""
    findings: tuple[Finding, ...]
    checksums: Mapping[str, str]
    """SHA-256 of the model, the starts and the data, by what each file is."""
    settings: Mapping[str, str]
    """What was done, with which model, where and with which versions."""
    left_out: tuple[str, ...] = field(default=())
    """Names of checks that were not asked for."""

    @property
    def passed(self) -> bool | None:
        """False if a check failed; else None if one could not be decided; else True."""
        outcomes = {finding.outcome for finding in self.findings}
        if Outcome.FAILED in outcomes:
            return False
        return None if Outcome.UNDECIDED in outcomes else True

    def named(self, outcome: Outcome) -> list[Finding]:
        """The findings that ended so.

        :param outcome: of them
        """
        return [finding for finding in self.findings if finding.outcome is outcome]

    @property
    def noun(self) -> str:
        """What the model is: a file, or only a model, which Python evaluates."""
        return "model" if is_python_model(self.source) else "file"

    @property
    def headline(self) -> str:
        """The result in a sentence, with what was not looked at."""
        counts = {outcome: len(self.named(outcome)) for outcome in Outcome}
        passed = _counted(counts[Outcome.PASSED], "check")
        if self.passed is True:
            text = f"The {self.noun} behaves in this installation: {passed} passed"
        elif self.passed is False:
            failed = ", ".join(finding.name for finding in self.named(Outcome.FAILED))
            text = (
                f"The {self.noun} does not behave in this installation: {failed} failed; "
                f"{passed} passed"
            )
        else:
            open_ones = ", ".join(finding.name for finding in self.named(Outcome.UNDECIDED))
            text = f"It could not be told whether the {self.noun} behaves: {open_ones}; "
            text += f"{passed} passed"
        if counts[Outcome.SKIPPED]:
            text += f", {_counted(counts[Outcome.SKIPPED], 'check')} could not be made"
        if self.left_out:
            text += f". Not asked for: {', '.join(self.left_out)}"
        return f"{text}."

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the fingerprint of all else in it."""
        content = self._content()
        return {**content, "fingerprint": _digest(content)}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that the certificate says: the same on the page and in the JSON."""
        return _digest(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "made": self.made,
            "passed": self.passed,
            "headline": self.headline,
            "findings": [
                {
                    "name": finding.name,
                    "outcome": finding.outcome.value,
                    "expected": finding.expected,
                    "measured": finding.measured,
                    "sentence": finding.sentence,
                    "numbers": finite_values(finding.numbers),
                }
                for finding in self.findings
            ],
            "left_out": list(self.left_out),
            "sha256": dict(self.checksums),
            "settings": dict(self.settings),
        }


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
