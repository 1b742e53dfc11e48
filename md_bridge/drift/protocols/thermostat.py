"""Protocol ``thermostat``: which element runs hot when a thermostat holds the temperature?

Direct forces heat, and each element and vibration at its own rate; a thermostat takes out what they
put in, but not where they put it in. The mean kinetic temperature of each element then differs from
the temperature asked for, and how much depends on the thermostat: Langevin dynamics cools every
atom by itself, velocity rescaling only sees the sum and can leave one element hot and another cold
(the table of F. Bigi, M. F. Langer and M. Ceriotti, arXiv:2412.11569).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from md_bridge.drift.judging.line import Estimate, mean_estimate
from md_bridge.drift.protocols.base import (
    Curve,
    Plot,
    Progress,
    ProtocolRequest,
    ProtocolResult,
    Row,
    with_agreement,
)
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs.dynamics import run_dynamics
from md_bridge.drift.runs.plan import Run
from md_bridge.drift.runs.thermostats import KINDS, Thermostat
from md_bridge.text import with_error

__all__ = [
    "RELAXATION_FS",
    "TOLERANCE",
    "HeatVerdict",
    "HeldTemperature",
    "judge_temperature",
    "run",
]

RELAXATION_FS = 100.0
"""Relaxation time of both thermostats, a usual choice."""
TOLERANCE = 0.02
"""Deviation that is still right, as a share of the temperature asked for."""
DISCARDED = 0.25
"""Share of each run that is left for the steady state to come about."""

_ALL = "all"
_RUNNING_MEANS = 100


class HeatVerdict(str, Enum):
    """What the mean temperature of an element says."""

    RIGHT = "right"
    HOT = "hot"
    COLD = "cold"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class HeldTemperature:
    """Mean kinetic temperature (K) of one element, or of ``all`` atoms, in one run."""

    method: Method
    thermostat: str
    element: str
    mean: Estimate
    target: float

    @property
    def verdict(self) -> HeatVerdict:
        """See :func:`judge_temperature`."""
        return judge_temperature(self.mean, self.target)


def judge_temperature(mean: Estimate, target: float, tolerance: float = TOLERANCE) -> HeatVerdict:
    """Compare a mean temperature with the one asked for.

    - *right*: the whole 95 % interval lies within the tolerance
    - *hot*, *cold*: the whole interval lies above, below the temperature asked for by more than the
      tolerance
    - *inconclusive* otherwise

    :param mean: mean temperature of the run and its error, K
    :param target: temperature asked for, K
    :param tolerance: as a share of the target
    """
    low, high = mean.value - mean.half_width, mean.value + mean.half_width
    if low > target * (1 + tolerance):
        return HeatVerdict.HOT
    if high < target * (1 - tolerance):
        return HeatVerdict.COLD
    if low >= target * (1 - tolerance) and high <= target * (1 + tolerance):
        return HeatVerdict.RIGHT
    return HeatVerdict.INCONCLUSIVE


def _held_temperatures(
    record: RunRecord, thermostat: Thermostat, discarded: float = DISCARDED
) -> list[HeldTemperature]:
    """Mean temperature of all atoms and of each element, the beginning of the run left out.

    :param record: a run with the thermostat
    :param thermostat: what held the temperature
    :param discarded: share of the run that is left out, from 0 to 1
    :returns: all atoms first, then each element; temperatures in K
    """
    first = int(discarded * len(record.time_ps))
    series = {_ALL: record.temperature, **record.element_temperatures}
    return [
        HeldTemperature(
            record.method,
            thermostat.kind,
            element,
            mean_estimate(values[first:]),
            thermostat.temperature,
        )
        for element, values in series.items()
    ]


def run(
    request: ProtocolRequest,
    progress: Progress,
    relaxation_fs: float = RELAXATION_FS,
    kinds: Sequence[str] = tuple(KINDS),
) -> ProtocolResult:
    """Every kind of forces under every thermostat.

    :param request: what to run
    :param progress: called with what is done and its share
    :param relaxation_fs: of the thermostats (fs)
    :param kinds: of thermostats, see :class:`md_bridge.drift.runs.thermostats.Thermostat`
    :raises RunError: a run fails
    """
    bath = [Thermostat(kind, request.temperature, relaxation_fs, request.seed) for kind in kinds]
    plan = [(thermostat, method) for method in request.methods for thermostat in bath]
    records: list[tuple[Thermostat, RunRecord]] = []
    for index, (thermostat, method) in enumerate(plan):
        steps = max(1, round(1000 * request.length_ps / method.outer_timestep_fs))
        one = Run(method, steps, model_options=request.model_options)

        def report(
            done: int, one: Run = one, label: str = thermostat.label, i: int = index
        ) -> None:
            share = min(done, one.outer_steps) / one.outer_steps
            progress(f"{one.label}, {label}", (i + share) / len(plan))

        folder = request.folder / "runs" / f"{one.name}-{thermostat.kind}"
        record = run_dynamics(
            request.start,
            request.model,
            one,
            folder,
            report,
            request.threads,
            thermostat=thermostat,
        )
        records.append((thermostat, record))
    return with_agreement(
        _result(request, records, relaxation_fs),
        [(record.method.two_models, record.agreement) for _, record in records],
    )


def _result(
    request: ProtocolRequest, records: list[tuple[Thermostat, RunRecord]], relaxation_fs: float
) -> ProtocolResult:
    rows: list[Row] = []
    sentences: list[str] = []
    runs: list[dict[str, object]] = []
    for thermostat, record in records:
        if record.exploded is not None:
            cells = (record.method.label, thermostat.label, "-", "-", "-")
            rows.append(Row(cells, "exploded", False, observed=record.method.forces == "direct"))
            sentences.append(f"{record.method.label}, {thermostat.label}: {record.exploded}.")
            runs.append(
                {
                    "label": record.method.label,
                    "thermostat": thermostat.kind,
                    "exploded": record.exploded,
                }
            )
            continue
        temperatures = _held_temperatures(record, thermostat)
        rows += [_row(entry) for entry in temperatures]
        sentences.append(_sentence(record, thermostat, temperatures))
        runs += [_summary(entry) for entry in temperatures]
    plots = [_plot(record, thermostat) for thermostat, record in records if record.exploded is None]
    return ProtocolResult(
        protocol="thermostat",
        title="Kinetic temperature of each element under thermostats",
        lead=f"NVT at {request.temperature:g} K for {request.length_ps:g} ps, relaxation time "
        f"{relaxation_fs:g} fs; the first {DISCARDED:.0%} of each run are left out. In equilibrium "
        "every element has the temperature asked for.",
        columns=(
            ("run", ""),
            ("thermostat", ""),
            ("element", ""),
            ("T", "K"),
            ("T − asked", "K"),
        ),
        rows=tuple(rows),
        sentences=tuple(sentences),
        summary={
            "runs": runs,
            "temperature_K": request.temperature,
            "tolerance_K": TOLERANCE * request.temperature,
            "relaxation_fs": relaxation_fs,
        },
        plots=tuple(plots),
    )


def _row(entry: HeldTemperature) -> Row:
    excess = entry.mean.value - entry.target
    cells = (
        entry.method.label,
        KINDS[entry.thermostat],
        entry.element,
        with_error(entry.mean.value, entry.mean.stderr),
        f"{excess:+.1f}".replace("-", "−"),
    )
    good = {
        HeatVerdict.RIGHT: True,
        HeatVerdict.HOT: False,
        HeatVerdict.COLD: False,
        HeatVerdict.INCONCLUSIVE: None,
    }[entry.verdict]
    return Row(cells, entry.verdict.value, good, observed=entry.method.forces == "direct")


def _sentence(
    record: RunRecord, thermostat: Thermostat, temperatures: list[HeldTemperature]
) -> str:
    head = f"{record.method.label}, {thermostat.label}: "
    wrong = [e for e in temperatures if e.verdict in (HeatVerdict.HOT, HeatVerdict.COLD)]
    if wrong:
        return (
            head
            + ", ".join(
                f"{'all atoms' if e.element == _ALL else e.element} {abs(_excess(e)):.1f} ± "
                f"{e.mean.half_width:.1f} K too {e.verdict.value}"
                for e in wrong
            )
            + " (95 %)."
        )
    if all(e.verdict is HeatVerdict.RIGHT for e in temperatures):
        return head + "every element has the temperature asked for."
    widest = max(temperatures, key=lambda e: e.mean.half_width)
    if not math.isfinite(widest.mean.half_width):
        return head + "too few samples for an error. Run longer."
    return (
        head + f"nothing wrong is seen, but {widest.element} is known to ± "
        f"{widest.mean.half_width:.1f} K only (95 %), where {TOLERANCE * widest.target:.1f} K are "
        "the tolerance. Run longer to be sure."
    )


def _excess(entry: HeldTemperature) -> float:
    return entry.mean.value - entry.target


def _summary(entry: HeldTemperature) -> dict[str, object]:
    finite = math.isfinite(entry.mean.stderr)
    return {
        "label": entry.method.label,
        "forces": entry.method.forces,
        "M": entry.method.multiplicity,
        "thermostat": entry.thermostat,
        "element": entry.element,
        "temperature_K": entry.mean.value,
        "stderr_K": entry.mean.stderr if finite else None,
        "half_width_95_K": entry.mean.half_width if finite else None,
        "verdict": entry.verdict.value,
    }


def _plot(record: RunRecord, thermostat: Thermostat) -> Plot:
    """Means of consecutive stretches of time: the temperature of a few atoms is mostly noise."""
    series = record.element_temperatures or {_ALL: record.temperature}
    width = max(1, len(record.time_ps) // _RUNNING_MEANS)
    curves = [
        Curve(element, _means(record.time_ps, width), _means(values, width))
        for element, values in series.items()
    ]
    ends = record.time_ps[[0, -1]]
    curves.append(Curve("asked for", ends, np.full(2, thermostat.temperature)))
    title = f"{record.method.label}, {thermostat.label}"
    return Plot(title, "time (ps)", "kinetic temperature (K)", tuple(curves))


def _means(values: np.ndarray, width: int) -> np.ndarray:
    whole = len(values) // width * width
    return np.asarray(values[:whole]).reshape(-1, width).mean(axis=1)
