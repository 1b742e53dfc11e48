"""What is told of a student, in tables and sentences."""

from __future__ import annotations

from dataclasses import asdict

from rich.table import Table

from md_bridge.distil.api import Distilled
from md_bridge.export.checks.costs import EvaluationCosts
from md_bridge.text import significant

__all__ = [
    "COST_COLUMNS",
    "ERROR_COLUMNS",
    "MULTIPLICITIES",
    "cost_rows",
    "error_rows",
    "errors_table",
    "sentences",
]

MULTIPLICITIES = (1, 2, 4, 6, 8, 12, 16)
"""M of the table of bounds."""

ERROR_COLUMNS = (
    ("element", ""),
    ("forces", "meV/Å"),
    ("of", "meV/Å"),
    ("acceleration", "meV/Å/√u"),
    ("of", "meV/Å/√u"),
    ("change", "meV/Å"),
    ("of", "meV/Å"),
)
"""Of the errors on held-out dynamics; each beside the root mean square of the labels."""

COST_COLUMNS = (("M", ""), ("S(M)", "times as fast"), ("an outer step", "ms"))


def error_rows(result: Distilled) -> list[tuple[str, ...]]:
    """The cells of :data:`ERROR_COLUMNS`.

    :param result: the student
    """
    return [
        (
            each.element,
            *(_three(value) for name, value in asdict(each).items() if name != "element"),
        )
        for each in result.errors
    ]


def _three(value: float) -> str:
    return significant(value, 3)


def errors_table(result: Distilled) -> Table:
    """Errors on held-out dynamics, a line an element.

    :param result: the student
    """
    table = Table(box=None, padding=(0, 1), pad_edge=False, collapse_padding=True)
    for heading, unit in ERROR_COLUMNS:
        left = heading == "element"
        table.add_column(f"{heading}\n[dim]{unit}[/dim]", justify="left" if left else "right")
    for row in error_rows(result):
        table.add_row(*row)
    return table


def sentences(result: Distilled) -> list[str]:
    """What was made, how good it is, and what it costs.

    :param result: the student
    """
    every = result.errors[-1]
    costs = result.costs
    found = [
        f"{result.frames} frames of {result.teacher}, {result.steps} training steps"
        + (
            f" (of {result.counts.steps}: the error on held-out dynamics did not fall any more)"
            if result.steps < result.counts.steps
            else ""
        )
        + ".",
        f"On held-out dynamics the student misses the forces by {_three(every.force)} meV/Å (of "
        f"{_three(every.force_of_labels)}), and between neighbouring frames this changes by "
        f"{_three(every.change)} meV/Å (of {_three(every.change_of_labels)}).",
        f"An evaluation of the first start takes {_three(1e3 * costs.inner_s)} ms, the teacher's "
        f"conservative forces {_three(1e3 * costs.outer_s)} ms: " + _gain(costs),
    ]
    if result.earlier.frames:
        found.append(f"{result.earlier.frames} of the frames are those of earlier students.")
    found += result.earlier.why_not
    if result.driving.why:
        found.append(result.driving.why)
    if result.dropped:
        found.append(
            f"{result.dropped} frames were dropped because the teacher gave no finite forces."
        )
    return found


def _gain(costs: EvaluationCosts) -> str:
    if costs.speedup_bound(8) <= 1:
        return "no gain, not even with M = 8: the student is too dear for this teacher."
    of_four, of_eight = (
        f"{bound:.2f} times its speed" if bound > 1 else "no gain"
        for bound in map(costs.speedup_bound, (4, 8))
    )
    return f"at most {of_four} with M = 4, {of_eight} with M = 8."


def cost_rows(result: Distilled) -> list[tuple[str, ...]]:
    """The cells of :data:`COST_COLUMNS`.

    :param result: the student
    """
    costs = result.costs
    return [
        (
            f"{m}",
            f"{costs.speedup_bound(m):.2f}",
            _three(1e3 * (m * costs.inner_s + costs.outer_s)),
        )
        for m in MULTIPLICITIES
    ]
