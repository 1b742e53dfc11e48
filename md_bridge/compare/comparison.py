"""All that was found: every measure of every model, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from md_bridge.compare.findings import Figure, Found
from md_bridge.compare.request import CompareRequest
from md_bridge.compare.subjects import Subject

__all__ = ["Comparison", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """One measure of one model."""

    measure: str
    """One of :data:`md_bridge.compare.request.MEASURES`."""
    model: str
    """Its name."""
    found: Found | None
    """None if it failed."""
    reason: str = ""
    """Why it failed, in a sentence."""
    kept: str = ""
    """When an earlier call measured it (UTC); empty: this one did."""
    other_versions: tuple[str, ...] = ()
    """What has another version now than when it was measured, as in ``torch 2.12 (now 2.13)``."""


@dataclass(frozen=True)
class Comparison:
    """What several models have in common, and by what they differ."""

    request: CompareRequest
    subjects: tuple[Subject, ...]
    outcomes: tuple[Outcome, ...]
    """By the measure, then by the model."""
    settings: Mapping[str, Any]
    """What was done, where and with which versions."""

    def found(self, measure: str, model: str) -> Found | None:
        """What a measure found of a model; None if it failed.

        :param measure: one that was asked for
        :param model: its name
        :raises KeyError: there is no such outcome
        """
        for outcome in self.outcomes:
            if (outcome.measure, outcome.model) == (measure, model):
                return outcome.found
        raise KeyError(f"there is no {measure} of {model}")

    def numbers(self, measure: str, model: str) -> Mapping[str, Any]:
        """Every number of a measure of a model, by names that carry their units.

        :param measure: one that was asked for
        :param model: its name
        :returns: empty if it failed
        :raises KeyError: there is no such outcome
        """
        found = self.found(measure, model)
        return {} if found is None else found.numbers

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """What could not be measured because something went wrong."""
        return tuple(outcome for outcome in self.outcomes if outcome.found is None)

    def verdict_of(self, model: str) -> bool | None:
        """Whether a model passes all that can be failed: False if not, None if it cannot be told.

        :param model: its name
        """
        goods = [figure.good for figure in self._judged(model)]
        if False in goods:
            return False
        return None if None in goods else True

    def failed_by(self, model: str) -> list[str]:
        """Names of the figures that a model does not pass, or that cannot be told.

        :param model: its name
        """
        return [figure.name for figure in self._judged(model) if figure.good is not True]

    def _judged(self, model: str) -> list[Figure]:
        return [
            figure
            for outcome in self.outcomes
            if outcome.model == model and outcome.found is not None
            for figure in outcome.found.figures
            if figure.judged
        ]

    @property
    def passed(self) -> bool | None:
        """False if a model fails something; else None if something cannot be told; else True."""
        verdicts = [self.verdict_of(subject.name) for subject in self.subjects]
        if False in verdicts:
            return False
        return None if None in verdicts else True
