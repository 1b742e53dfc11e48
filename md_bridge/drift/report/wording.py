"""Numbers as people read them, and sentences made from them: true whatever the runs show."""

from __future__ import annotations

import math

from md_bridge.drift.judge.statistics import Verdict
from md_bridge.drift.runs.analysis import Analysis, ForceDifference, MethodResult, RunResult

RESONANCE_FS = 4.0
"""Outer steps from about half the period of the fastest vibration on can resonate (O-H: 9 fs)."""

_POSSIBLE = 1.1
"""A speed-up above its bound by more than this factor is no noise of a quiet machine."""

COLUMNS = (
    ("run", ""),
    ("drift", "meV/atom/ps"),
    ("verdict", ""),
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
    ("fluctuation", "meV/atom"),
    ("largest change", "meV/atom"),
    ("mean T", "K"),
    ("temperature drift", "K/ps"),
    ("length", "ps"),
)
"""Heading and unit of each cell of :func:`run_row`."""

COLUMN_MEANINGS = {
    "drift": "Least-squares slope of the conserved quantity H (kinetic + conservative potential "
    "energy), per atom, ± one standard error that allows for autocorrelation (block averages). "
    "Of several replicas, the mean; their scatter sets the error where it is larger.",
    "verdict": "conserves: the 95 % interval of the drift lies within ±{tolerance:g} meV/atom/ps. "
    "drifts: it lies outside, or the energy of a replica changes steadily one way, or one "
    "explodes. inconclusive: run longer.",
    "per freedom": "The drift per degree of freedom (3N − 3 of N atoms), to compare systems.",
    "fluctuation": "Root mean square of H about that line, per atom: the size of the oscillation "
    "that any finite time step causes.",
    "temperature drift": "Slope of the kinetic temperature ± one standard error. In a short run it "
    "also holds the natural exchange of kinetic and potential energy.",
    "wall time": "Seconds of wall time for one picosecond, set-up left out.",
    "speed-up": "Wall time of {reference} over that of this run.",
    "bound": "The most that M can give: S(M) = M·F / (M − 1 + F), where F is the cost of a "
    "conservative evaluation over that of a direct one{ratio}.",
}


def with_error(value: float, error: float, most_decimals: int = 3) -> str:
    """``-0.012 ± 0.005``: both with the decimals of the error's first two digits, at most three."""
    if not math.isfinite(value):
        return "-"
    if not math.isfinite(error):
        return f"{_plain(value, 3)} ± ?"
    decimals = min(_decimals(error, 2), most_decimals) if error > 0 else most_decimals
    return f"{_minus(f'{value:.{decimals}f}')} ± {error:.{decimals}f}"


def table_row(result: MethodResult) -> tuple[str, ...]:
    """The cells of a method, in the order of :data:`COLUMNS`."""
    statistics = result.statistics
    return (
        result.label,
        _drift_cell(result),
        statistics.verdict.value,
        _per_freedom(result),
        _plain(statistics.energy.rms, 2),
        with_error(statistics.temperature.slope, statistics.temperature.stderr, 2),
        _plain(result.wall_s_per_ps, 3),
        _factor(result.speedup),
        _factor(result.speedup_bound),
    )


def run_row(run: RunResult) -> tuple[str, ...]:
    """The cells of a single run, in the order of :data:`RUN_COLUMNS`."""
    statistics = run.statistics
    return (
        run.record.label,
        with_error(statistics.energy.slope, statistics.energy.stderr),
        statistics.verdict.value + (", exploded" if run.record.exploded else ""),
        _plain(statistics.energy.rms, 2),
        _plain(statistics.largest_excursion, 2),
        _plain(statistics.mean_temperature, 4),
        with_error(statistics.temperature.slope, statistics.temperature.stderr, 2),
        _plain(run.record.length_ps, 3),
    )


def element_columns(result: MethodResult) -> tuple[tuple[str, str], ...]:
    """Heading and unit of each cell of :func:`element_row`."""
    return tuple(
        column
        for entry in result.elements
        for column in ((f"T of {entry.element}", "K"), (f"{entry.element} / all", ""))
    )


def element_row(result: MethodResult) -> tuple[str, ...]:
    """Mean kinetic temperature of each element, and that over the one of all atoms."""
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
    """One explanation a column, with the numbers of these runs in it."""
    ratio = f" (measured here: {analysis.cost_ratio:.2f})" if analysis.cost_ratio else ""
    reference = f"the {analysis.reference.label} run" if analysis.reference else "conservative"
    return {
        name: text.format(tolerance=analysis.tolerance, reference=reference, ratio=ratio)
        for name, text in COLUMN_MEANINGS.items()
    }


def _per_freedom(result: MethodResult) -> str:
    """With the decimals that its error has."""
    slope, error = result.drift_per_degree_of_freedom, result.statistics.energy.stderr
    if not math.isfinite(slope):
        return "-"
    return _rounded(slope, error * abs(slope / (result.statistics.energy.slope or 1)))


def verdict_sentence(result: MethodResult) -> str:
    """What the runs of one method show."""
    label, statistics = result.label, result.statistics
    energy = statistics.energy
    if result.exploded:
        first = result.exploded[0]
        return f"{label} does not conserve energy: {first.label} {first.exploded}."
    interval = _rounded(energy.slope, energy.half_width)
    if math.isfinite(energy.half_width):
        interval += f" ± {_rounded(energy.half_width, energy.half_width)} meV/atom/ps (95 %)"
    else:
        interval += " meV/atom/ps, too short for an error"
    if statistics.verdict is Verdict.CONSERVES:
        zero = ", zero within its error" if energy.is_zero_within_error else ""
        return f"{label} conserves energy: it drifts by {interval}{zero}."
    if statistics.verdict is Verdict.DRIFTS:
        return (
            f"{label} does not conserve energy: it drifts by {interval}, and was "
            f"{_plain(statistics.largest_excursion, 2)} meV/atom away from its start at most."
            f"{_drifting_replicas(result)}"
        )
    length = sum(run.record.length_ps for run in result.runs)
    return (
        f"{label} cannot be judged from {length:.3g} ps: it drifts by {interval}, "
        f"where up to {statistics.tolerance:g} counts as conserved. Run longer."
    )


def _drifting_replicas(result: MethodResult) -> str:
    """Which replicas drift by themselves, if not all do."""
    drifting = [run.record for run in result.runs if run.statistics.verdict is Verdict.DRIFTS]
    if not drifting or len(drifting) == len(result.runs):
        return ""
    names = ", ".join(f"#{record.replica}" for record in drifting)
    return f" Of {len(result.runs)} replicas, {names} drift{'s' * (len(drifting) == 1)} clearly."


def timing_sentences(analysis: Analysis) -> list[str]:
    """A warning if a run was faster than possible; then the machine did other things meanwhile."""
    impossible = [
        result.label
        for result in analysis.results
        if result.speedup is not None
        and result.speedup_bound is not None
        and result.speedup > _POSSIBLE * result.speedup_bound
    ]
    if not impossible:
        return []
    return [
        f"The speed-up of {', '.join(impossible)} exceeds its bound, which is impossible: the "
        "machine was busier during some runs than during others. Measure again when it is quiet."
    ]


def limit_sentences(analysis: Analysis, difference: ForceDifference | None) -> list[str]:
    """What limits M here: the model's two kinds of forces, resonance, and the price of a step."""
    sentences = [_largest_multiplicity(analysis)]
    if difference is not None:
        sentences.append(
            f"Direct and conservative forces of this model differ by {1000 * difference.rms:.0f} "
            f"meV/Å (rms; largest component {1000 * difference.largest:.0f}, where the forces "
            f"themselves have {1000 * difference.conservative_rms:.0f} rms). Between two outer "
            "steps nothing corrects this difference: the better the direct forces, the larger M."
        )
    resonant = sorted(
        {
            (result.method.multiplicity, result.method.timestep_fs)
            for result in analysis.results
            if result.method.multiplicity is not None
            and result.method.outer_timestep_fs >= RESONANCE_FS
        }
    )
    for multiplicity, timestep in resonant:
        sentences.append(
            f"M = {multiplicity} makes an outer step of {multiplicity * timestep:g} fs. From about "
            f"{RESONANCE_FS:g} fs on, half the period of the fastest vibration where there is "
            "hydrogen (O-H: 9 fs), the correction can resonate with that vibration and pump energy "
            "into it, however good the direct forces are."
        )
    if analysis.cost_ratio is not None:
        sentences.append(
            f"A conservative evaluation costs F = {analysis.cost_ratio:.2f} direct ones, so no M "
            f"gains more than a factor of {analysis.cost_ratio:.2f}."
        )
    return sentences


def _largest_multiplicity(analysis: Analysis) -> str:
    verdicts: dict[int, set[Verdict]] = {}
    for result in analysis.results:
        if result.method.multiplicity is not None:
            found = verdicts.setdefault(result.method.multiplicity, set())
            found.add(result.statistics.verdict)
    tried = ", ".join(str(m) for m in sorted(verdicts))
    conserving = [m for m, found in verdicts.items() if found == {Verdict.CONSERVES}]
    drifting = [m for m, found in verdicts.items() if Verdict.DRIFTS in found]
    if not verdicts:
        return "No multiple-time-step run was made."
    text = f"Of the M tried ({tried}), "
    text += (
        f"{max(conserving)} is the largest that conserves energy"
        if conserving
        else "none is shown to conserve energy"
    )
    if drifting:
        text += f", and {min(drifting)} the smallest that drifts"
    return text + f" (tolerance {analysis.tolerance:g} meV/atom/ps)."


def _decimals(size: float, digits: int) -> int:
    return max(0, digits - 1 - math.floor(math.log10(size)))


def _rounded(value: float, scale: float) -> str:
    """``value`` with the decimals that two digits of ``scale`` need."""
    if not math.isfinite(scale) or scale <= 0:
        return _minus(f"{value:.3g}")
    return _minus(f"{value:.{min(_decimals(scale, 2), 3)}f}")


def _plain(value: float, digits: int) -> str:
    """Fixed notation with at least ``digits`` significant digits."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    return _minus(f"{value:.{_decimals(abs(value), digits)}f}")


def _factor(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _minus(text: str) -> str:
    """A true minus sign, and none before a rounded zero."""
    if not text.startswith("-"):
        return text
    return text[1:] if float(text) == 0 else "−" + text[1:]
