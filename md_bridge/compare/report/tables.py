"""The lines of the tables: a figure each, with a cell for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from md_bridge.compare.comparison import Comparison
from md_bridge.compare.findings import Figure
from md_bridge.drift.protocols.base import Row, Section

__all__ = ["Line", "best_of", "columns", "lines", "rows", "sections"]

_ALIKE = 0.01
"""Relative difference below which no model is called the best."""

Line = Mapping[str, Figure]
"""The figures of one name, by the model."""


def columns(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """A column for what it is, and one for each model.

    :param comparison: what was found
    """
    return (("measure", ""), *((subject.name, "") for subject in comparison.subjects))


def rows(comparison: Comparison) -> tuple[Row, ...]:
    """The lines of the main table, in the order of the measures.

    :param comparison: what was found
    """
    names = [subject.name for subject in comparison.subjects]
    return tuple(_row(line, names) for line in lines(comparison, ""))


def sections(comparison: Comparison) -> tuple[Section, ...]:
    """The further tables.

    :param comparison: what was found
    """
    names = [subject.name for subject in comparison.subjects]
    titles = dict.fromkeys(figure.section for figure in _figures(comparison) if figure.section)
    return tuple(
        Section(
            title,
            columns(comparison),
            tuple(_row(line, names) for line in lines(comparison, title)),
        )
        for title in titles
    )


def lines(comparison: Comparison, section: str) -> list[Line]:
    """Figures of one name and unit side by side.

    A figure that the first model lacks comes after the one that it follows in another model.

    :param comparison: what was found
    :param section: title of a further table; empty: of the main one
    """
    order: list[tuple[str, str, str]] = []
    found: dict[tuple[str, str, str], dict[str, Figure]] = {}
    for outcome in comparison.outcomes:
        previous = None
        for figure in () if outcome.found is None else outcome.found.figures:
            if figure.section != section:
                continue
            if figure.key not in found:
                place = len(order) if previous is None else order.index(previous) + 1
                order.insert(place, figure.key)
            found.setdefault(figure.key, {})[outcome.model] = figure
            previous = figure.key
    return [found[key] for key in order]


def best_of(line: Line) -> str | None:
    """The model that a figure is best of; None where that cannot be said, or several are alike.

    :param line: figures of one name
    """
    known = {model: f.value for model, f in line.items() if f.value is not None and f.better}
    if len(known) < 2:
        return None
    larger = next(iter(line.values())).better == "larger"
    ranked = sorted(known.items(), key=lambda pair: pair[1], reverse=larger)
    (model, first), (_, second) = ranked[:2]
    scale = max(abs(first), abs(second))
    shown = {figure.text for figure in line.values()}
    return model if abs(first - second) > _ALIKE * scale and len(shown) > 1 else None


def _figures(comparison: Comparison) -> list[Figure]:
    return [
        figure
        for outcome in comparison.outcomes
        if outcome.found is not None
        for figure in outcome.found.figures
    ]


def _row(line: Line, models: Sequence[str]) -> Row:
    first = next(iter(line.values()))
    title = f"{first.name}, {first.unit}" if first.unit else first.name
    cells = (title, *(line[name].text if name in line else "–" for name in models))
    judged = {model: figure.good for model, figure in line.items() if figure.judged}
    if judged:
        return Row(cells, _words(judged), _all(judged))
    best = best_of(line)
    return Row(cells, "" if best is None else f"best: {best}", None, observed=True)


def _all(judged: Mapping[str, bool | None]) -> bool | None:
    goods = set(judged.values())
    if False in goods:
        return False
    return None if None in goods else True


def _words(judged: Mapping[str, bool | None]) -> str:
    """Who failed; of those who did not, who cannot be told."""
    parts = []
    for good, word in ((False, "fails"), (None, "undecided")):
        names = [model for model, each in judged.items() if each is good]
        if names:
            parts.append(f"{', '.join(names)}: {word}")
    return "; ".join(parts) or "passed"
