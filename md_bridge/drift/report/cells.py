"""Tables of runs: headings, what they mean, and the cells, for the terminal and the page."""

from __future__ import annotations

import math

from md_bridge.drift.judging.published import DRIFT_RATIO_LIMIT
from md_bridge.drift.judging.verdict import DriftStatistics
from md_bridge.drift.runs.analysis import Analysis, MethodResult, RunResult
from md_bridge.text import factor, rounded, significant, with_error

__all__ = [
    "COLUMNS",
    "LEAST_HEATING",
    "PUBLISHED_COLUMNS",
    "PUBLISHED_MEANINGS",
    "RUN_COLUMNS",
    "column_meanings",
    "element_columns",
    "element_row",
    "heating_cell",
    "published_row",
    "run_row",
    "table_row",
]

COLUMNS = (
    ("run", ""),
    ("drift", "meV/atom/ps"),
    ("verdict", ""),
    ("heating", "meV/atom/ps"),
    ("per freedom", "meV/ps"),
    ("fluctuation", "meV/atom"),
    ("temperature drift", "K/ps"),
    ("wall time", "s/ps"),
    ("speed-up", ""),
    ("bound", ""),
)
"""Heading and unit of each cell of :func:`table_row`."""

RUN_COLUMNS = (
    ("run", ""),
    ("drift", "meV/atom/ps"),
    ("verdict", ""),
    ("heating", "meV/atom/ps"),
    ("fluctuation", "meV/atom"),
    ("largest change", "meV/atom"),
    ("mean T", "K"),
    ("temperature drift", "K/ps"),
    ("length", "ps"),
)
"""Heading and unit of each cell of :func:`run_row`."""

PUBLISHED_COLUMNS = (
    ("run", ""),
    ("drift", "meV/atom/ps"),
    ("FAIR-Chem", "meV/atom/ps"),
    ("LAMBench", "meV/atom/ps"),
    ("ml-peg", f"must be < {DRIFT_RATIO_LIMIT:g}"),
)
"""Heading and unit of each cell of :func:`published_row`."""

PUBLISHED_MEANINGS = {
    "drift": "Ours: the least-squares slope of all samples, with its error.",
    "FAIR-Chem": "|Ē(end) − Ē(after 10 %)| / t, where Ē is a mean over 20 samples, ten steps "
    "apart: the measure for TM23 and MD22, the tests of eSEN.",
    "LAMBench": "Size of the slope after the first 20 %, from 100 samples.",
    "ml-peg": "Drift over 50 ps over the standard deviation of the kinetic energy, the measure of "
    "ml-peg and mlipaudit.",
}
"""What the columns of :data:`PUBLISHED_COLUMNS` mean."""

LEAST_HEATING = 0.001
"""A heating rate below this is told as such (meV/atom/ps)."""

COLUMN_MEANINGS = {
    "drift": "Least-squares slope of the conserved quantity H (kinetic + conservative potential "
    "energy), per atom, ± one standard error that allows for autocorrelation (block averages). "
    "Of several replicas, the mean; their scatter sets the error where it is larger. Runs made "
    "here have at least the error of a random walk that wanders as far as H does.",
    "verdict": "conserves: the 95 % interval of the drift, or that of the heating, lies within "
    "±{tolerance:g} meV/atom/ps. drifts: that of the drift lies outside and the heating does not "
    "contradict it, or the energy of a replica changes steadily one way, or one explodes. "
    "inconclusive: run longer.",
    "heating": "The rate of heating that follows from how far H wanders, D/kT (D: its diffusion "
    "constant per atom, times the number of atoms), as 95 % interval. Kicks that make H wander "
    "also heat, at this rate, if the time stepping preserves phase-space volume, as these runs do; "
    "in a short run it is much sharper than the slope. In brackets where the slope contradicts it: "
    "then the slope alone counts.",
    "per freedom": "The drift per degree of freedom (3N − 3 of N atoms), to compare systems.",
    "fluctuation": "Root mean square of H about that line, per atom: the size of the oscillation "
    "that any finite time step causes.",
    "temperature drift": "Slope of the kinetic temperature ± one standard error. In a short run it "
    "also holds the natural exchange of kinetic and potential energy.",
    "wall time": "Seconds of wall time for one picosecond, set-up left out.",
    "speed-up": "Wall time of {reference} over that of this run.",
    "bound": "The most that M can give: {bounds}.",
}
_BOUND = (
    "S(M) = M·F / (M − 1 + F), where F is the cost of a conservative evaluation over that of a "
    "direct one"
)
_BOUND_OF_TWO = (
    "S(M) = M·c_o / (M·c_i + c_o), where c_o and c_i are the costs of an evaluation of the outer "
    "and of the inner model"
)


def table_row(result: MethodResult) -> tuple[str, ...]:
    """The cells of a method, in the order of :data:`COLUMNS`.

    :param result: of one method
    """
    statistics = result.statistics
    return (
        result.label,
        _drift_cell(result),
        statistics.verdict.value,
        "-" if result.exploded else heating_cell(statistics),
        _per_freedom(result),
        significant(statistics.energy.rms, 2),
        with_error(statistics.temperature.slope, statistics.temperature.stderr, 2),
        significant(result.wall_s_per_ps, 3),
        factor(result.speedup),
        factor(result.speedup_bound),
    )


def run_row(run: RunResult) -> tuple[str, ...]:
    """The cells of a single run, in the order of :data:`RUN_COLUMNS`.

    :param run: with its record and statistics
    """
    statistics = run.statistics
    return (
        run.record.label,
        with_error(statistics.energy.slope, statistics.energy.stderr),
        statistics.verdict.value + (", exploded" if run.record.exploded else ""),
        heating_cell(statistics),
        significant(statistics.energy.rms, 2),
        significant(statistics.largest_excursion, 2),
        significant(statistics.mean_temperature, 4),
        with_error(statistics.temperature.slope, statistics.temperature.stderr, 2),
        significant(run.record.length_ps, 3),
    )


def published_row(result: MethodResult) -> tuple[str, ...]:
    """The drift of a method by the formulas of others, in the order of :data:`PUBLISHED_COLUMNS`.

    :param result: of one method
    :returns: ``-`` for what is not known
    """
    published = result.published
    values = [getattr(published, name, None) for name in ("fairchem", "lambench", "ratio")]
    cells = ("-" if value is None else significant(value, 2) for value in values)
    return (result.label, _drift_cell(result), *cells)


def heating_cell(statistics: DriftStatistics) -> str:
    """The 95 % interval of the heating rate: ``0.0062–0.016``; ``-`` if it is not known.

    :param statistics: of a run or a method
    :returns: in brackets if the slope contradicts it
    """
    heating = statistics.heating
    if heating is None:
        return "-"
    interval = f"{significant(heating.low, 2)}–{significant(heating.high, 2)}"
    if heating.high < LEAST_HEATING:
        interval = f"< {LEAST_HEATING:g}"
    return interval if statistics.heating_counts else f"({interval})"


def element_columns(result: MethodResult) -> tuple[tuple[str, str], ...]:
    """Heading and unit of each cell of :func:`element_row`.

    :param result: of one method; the elements of others are the same
    """
    return tuple(
        column
        for entry in result.elements
        for column in ((f"T of {entry.element}", "K"), (f"{entry.element} / all", ""))
    )


def element_row(result: MethodResult) -> tuple[str, ...]:
    """Mean kinetic temperature of each element, and that over the one of all atoms.

    :param result: of one method
    :returns: two cells an element: K, and a number without unit
    """
    return tuple(
        cell
        for entry in result.elements
        for cell in (
            with_error(entry.mean.value, entry.mean.stderr),
            with_error(entry.ratio.value, entry.ratio.stderr),
        )
    )


def _drift_cell(result: MethodResult) -> str:
    if result.exploded:
        return f"{len(result.exploded)} of {len(result.runs)} exploded"
    energy = result.statistics.energy
    return with_error(energy.slope, energy.stderr)


def column_meanings(analysis: Analysis) -> dict[str, str]:
    """One explanation a column, with the numbers of these runs in it.

    :param analysis: whose tolerance (meV/atom/ps), reference and F are named
    :returns: the explanation of each heading of :data:`COLUMNS` that needs one
    """
    reference = f"the {analysis.reference.label} run" if analysis.reference else "conservative"
    return {
        name: text.format(
            tolerance=analysis.tolerance, reference=reference, bounds=_bounds(analysis)
        )
        for name, text in COLUMN_MEANINGS.items()
    }


def _bounds(analysis: Analysis) -> str:
    """Of one model, of two, or of both, as there are runs."""
    two = {result.method.two_models for result in analysis.results if result.method.forces == "mts"}
    parts = []
    if two != {True}:
        ratio = f" (measured here: {analysis.cost_ratio:.2f})" if analysis.cost_ratio else ""
        parts.append(_BOUND + ratio)
    if True in two:
        costs = analysis.costs
        measured = ""
        if costs is not None:
            measured = (
                f" (measured here: {1000 * costs.outer_s:.3g} and {1000 * costs.inner_s:.3g} ms)"
            )
        parts.append(("with two models " if len(two) > 1 else "") + _BOUND_OF_TWO + measured)
    return "; ".join(parts)


def _per_freedom(result: MethodResult) -> str:
    """With the decimals that its error has."""
    slope, error = result.drift_per_degree_of_freedom, result.statistics.energy.stderr
    if not math.isfinite(slope):
        return "-"
    return rounded(slope, error * abs(slope / (result.statistics.energy.slope or 1)))
