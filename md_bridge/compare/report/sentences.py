"""What a comparison shows, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence

from md_bridge.compare.comparison import Comparison
from md_bridge.compare.report.tables import best_of, lines
from md_bridge.compare.request import MEASURES
from md_bridge.forces import FORCES
from md_bridge.text import significant

__all__ = ["sentences"]


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """Verdicts first, then which model is best in what, then what is not comparable.

    :param comparison: what was found
    """
    return (
        *_verdicts(comparison),
        *_best(comparison),
        *_trade(comparison),
        *_failures(comparison),
        *_kinds(comparison),
        *_elements(comparison),
        *_precisions(comparison),
        *_of_models(comparison),
        *_kept(comparison),
    )


def _verdicts(comparison: Comparison) -> list[str]:
    judged = [s.name for s in comparison.subjects if comparison.failed_by(s.name)]
    passed = [
        subject.name
        for subject in comparison.subjects
        if subject.name not in judged and _is_judged(comparison, subject.name)
    ]
    found = []
    if passed:
        found.append(f"{_listed(passed)} pass{_s(passed, 'es')} all that can be failed here.")
    for name in judged:
        word = "does not pass" if comparison.verdict_of(name) is False else "is undecided in"
        found.append(f"{name} {word}: {'; '.join(comparison.failed_by(name))}.")
    return found


def _is_judged(comparison: Comparison, model: str) -> bool:
    return any(
        figure.judged
        for outcome in comparison.outcomes
        if outcome.model == model and outcome.found is not None
        for figure in outcome.found.figures
    )


def _best(comparison: Comparison) -> list[str]:
    """How many figures of the main table each model is the best in."""
    winners = [best_of(line) for line in lines(comparison, "")]
    counts = {s.name: winners.count(s.name) for s in comparison.subjects}
    told = sum(counts.values())
    if not told:
        return []
    parts = ", ".join(f"{name} of {count}" for name, count in counts.items() if count)
    return [f"Of {told} figures in which one model is the best: {parts}."]


def _trade(comparison: Comparison) -> list[str]:
    """Errors of forces beside their cost, for the kind of forces that all models have."""
    for kind in FORCES:
        errors = _values(comparison, f"{kind} force, RMSE")
        times = _values(comparison, f"time, {kind} forces")
        names = [subject.name for subject in comparison.subjects]
        if not (set(names) <= set(errors) and set(names) <= set(times)):
            continue
        exact, fast = min(names, key=errors.__getitem__), min(names, key=times.__getitem__)
        if exact == fast:
            return [
                f"{exact} has both the smallest errors of {kind} forces and the lowest cost of "
                "them."
            ]
        return [
            f"{fast} computes {kind} forces {significant(times[exact] / times[fast], 2)} times as "
            f"fast as {exact}, with {significant(errors[fast] / errors[exact], 2)} times its error."
        ]
    return []


def _values(comparison: Comparison, name: str) -> dict[str, float]:
    for line in lines(comparison, ""):
        if next(iter(line.values())).name == name:
            return {model: f.value for model, f in line.items() if f.value}
    return {}


def _failures(comparison: Comparison) -> list[str]:
    return [
        f"{each.model}: {MEASURES[each.measure]} ({each.measure}) could not be measured: "
        f"{each.reason.rstrip('.')}. The same command tries it again."
        for each in comparison.failures
    ]


def _kinds(comparison: Comparison) -> list[str]:
    """Models with one kind of forces, and those without a stress."""
    found = []
    for subject in comparison.subjects:
        if len(subject.kinds) == 1:
            (kind,) = subject.kinds
            (other,) = set(FORCES) - {kind}
            found.append(
                f"{subject.name} gives {kind} forces alone: its lines of {other} forces are empty."
            )
    lacking = [subject.name for subject in comparison.subjects if not subject.stresses]
    if lacking and len(lacking) < len(comparison.subjects):
        found.append(f"{_listed(lacking)} give{_s(lacking)} no stress, which the others do.")
    return found


def _elements(comparison: Comparison) -> list[str]:
    from ase.data import chemical_symbols

    known = {s.name: set(s.engine.info.atomic_types) for s in comparison.subjects}
    common = set.intersection(*known.values())
    if all(each == common for each in known.values()):
        return []
    more = ", ".join(
        f"{name} {_elements_in_words(each - common, chemical_symbols)}"
        for name, each in known.items()
        if each - common
    )
    shared = ", ".join(chemical_symbols[z] for z in sorted(common))
    return [
        f"The models know different elements: what is compared says something about {shared}, and "
        f"nothing about what else there is ({more})."
    ]


def _elements_in_words(numbers: set[int], symbols: Sequence[str]) -> str:
    if len(numbers) > 8:
        return f"{len(numbers)} others"
    return ", ".join(symbols[z] for z in sorted(numbers))


def _precisions(comparison: Comparison) -> list[str]:
    found = {s.name: s.precision for s in comparison.subjects}
    if len(set(found.values())) < 2:
        return []
    parts = ", ".join(f"{name} in {dtype}" for name, dtype in found.items())
    return [f"The models compute in different precisions: {parts}."]


def _of_models(comparison: Comparison) -> list[str]:
    """What measures say of single models."""
    return [
        f"{outcome.model}: {sentence}"
        for outcome in comparison.outcomes
        if outcome.found is not None
        for sentence in outcome.found.sentences
    ]


def _kept(comparison: Comparison) -> list[str]:
    kept = sum(bool(outcome.kept) for outcome in comparison.outcomes)
    if not kept:
        return []
    found = [f"{kept} of {len(comparison.outcomes)} results were there from an earlier call."]
    older = dict.fromkeys(words for each in comparison.outcomes for words in each.other_versions)
    if older:
        found.append(
            f"Some of them are of other versions: {', '.join(older)}. Another folder measures anew."
        )
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _s(names: Sequence[str], ending: str = "s") -> str:
    """The ending of the verb."""
    return ending if len(names) == 1 else ""
