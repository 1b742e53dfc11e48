"""Protocol ``order``: does the fluctuation of H fall with the square of the time step?

Velocity Verlet conserves an energy that differs from H by a term in δt² (E. Hairer, C. Lubich and
G. Wanner, Acta Numerica 12, 399 (2003)), so H of a smooth potential fluctuates with an amplitude
that falls as δt². Where the potential has jumps or kinks, as from a cutoff without a smooth end or
from a hard limit on the number of neighbours, a smaller step does not help, and the exponent is
smaller. This is the test of smoothness of eSEN (X. Fu et al., arXiv:2502.12147) and the convergence
test of physical_validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from md_bridge.drift.judging.smoothness import white_noise
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
from md_bridge.drift.runs.plan import Run
from md_bridge.forces import ForceAgreement
from md_bridge.text import with_error

__all__ = [
    "Array",
    "OrderFit",
    "OrderVerdict",
    "order_exponent",
    "order_fit",
    "run",
]

Array = NDArray[np.float64]

EXPECTED = 2.0
"""Exponent of velocity Verlet, and of multiple time stepping with a fixed M."""
ORDER_TOLERANCE = 0.3
"""How far from 2 the exponent may be: terms in δt⁴ and finite runs move it a little."""
DIVISORS = (1, 2, 4)
"""The steps are δt, δt/2 and δt/4."""

# Blocks of time that are left out in turn; each run must have some samples in every one.
_BLOCKS = 16
_FEWEST_SAMPLES = 4 * _BLOCKS
# Round-off that makes up more than this share of the variance hides the fluctuation.
_LARGEST_NOISE_SHARE = 0.3


class OrderVerdict(str, Enum):
    """What the exponent says."""

    SECOND_ORDER = "second order"
    NOT_SMOOTH = "not smooth"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class OrderFit:
    """Exponent p of fluctuation ∝ δt^p."""

    exponent: float
    stderr: float
    """By leaving out one block of time after the other, in all runs at once."""
    timesteps: tuple[float, ...]
    fluctuations: tuple[float, ...]
    """Root mean square of H about its line without the noise, in the unit of H."""
    noise: float
    """Root mean square of the round-off of H, from its fourth differences at the smallest step."""
    noise_share: float
    """Of the noise in the variance of H at the smallest step."""

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval of the exponent."""
        return float(special.stdtrit(_BLOCKS - 1, 0.975)) * self.stderr

    @property
    def verdict(self) -> OrderVerdict:
        """Second order if the whole 95 % interval lies within 2 ± 0.3, not smooth if it lies
        below."""
        low, high = self.exponent - self.half_width, self.exponent + self.half_width
        if self.noise_share > _LARGEST_NOISE_SHARE or not np.isfinite(self.exponent):
            return OrderVerdict.INCONCLUSIVE
        if low >= EXPECTED - ORDER_TOLERANCE and high <= EXPECTED + ORDER_TOLERANCE:
            return OrderVerdict.SECOND_ORDER
        if high < EXPECTED - ORDER_TOLERANCE:
            return OrderVerdict.NOT_SMOOTH
        return OrderVerdict.INCONCLUSIVE


def order_exponent(timesteps: ArrayLike, fluctuations: ArrayLike) -> float:
    """Slope of ln(fluctuation) over ln(δt), by least squares.

    :param timesteps: at least two, positive, in any unit
    :param fluctuations: of the conserved quantity, positive
    """
    dt, size = (np.asarray(values, dtype=np.float64) for values in (timesteps, fluctuations))
    if dt.shape != size.shape or dt.ndim != 1 or len(set(dt.tolist())) < 2:
        raise ValueError(
            "expected as many fluctuations as time steps, and two different steps at least; found "
            f"shapes {dt.shape} and {size.shape}"
        )
    if not (np.isfinite(dt).all() and np.isfinite(size).all() and min(*dt, *size) > 0):
        raise ValueError("time steps and fluctuations must be positive and finite")
    x = np.log(dt) - np.log(dt).mean()
    return float(x @ np.log(size) / (x @ x))


def order_fit(
    timesteps: Sequence[float], times: Sequence[ArrayLike], conserved: Sequence[ArrayLike]
) -> OrderFit:
    """The exponent, from runs of one length and one start at several time steps.

    The runs go the same way until chaos parts them, so their fluctuations rise and fall together:
    leaving out the same block of time in all of them gives the error of the exponent.

    :param timesteps: one a run
    :param times: of the samples of each run, shapes (n_i,), over the same stretch of time
    :param conserved: H of each run, shapes (n_i,)
    :raises ValueError: fewer than 64 samples in a run, or arrays that do not match
    """
    if not len(timesteps) == len(times) == len(conserved):
        raise ValueError("expected times and conserved quantity of each time step")
    squares = [_squared_blocks(t, y) for t, y in zip(times, conserved, strict=True)]
    smallest = int(np.argmin(timesteps))
    noise = white_noise(conserved[smallest])
    sums = np.array([block for block, _ in squares])  # (steps, blocks)
    counts = np.array([count for _, count in squares])
    mean_squares = sums.sum(axis=1) / counts.sum(axis=1)
    share = float(noise**2 / mean_squares[smallest]) if mean_squares[smallest] > 0 else 1.0
    fluctuations = _without_noise(mean_squares, noise)
    if not np.all(fluctuations > 0):
        exponent, stderr = np.nan, np.inf
    else:
        exponent = order_exponent(timesteps, fluctuations)
        without = [
            order_exponent(
                timesteps,
                _without_noise(
                    (sums.sum(axis=1) - sums[:, k]) / (counts.sum(axis=1) - counts[:, k]), noise
                ),
            )
            for k in range(_BLOCKS)
        ]
        stderr = float(np.sqrt((_BLOCKS - 1) * np.var(without)))
    sizes = tuple(float(value) for value in fluctuations)
    return OrderFit(float(exponent), stderr, tuple(timesteps), sizes, noise, share)


def run(request: ProtocolRequest, progress: Progress) -> ProtocolResult:
    """Three runs of each kind of forces, from one start.

    :param request: model, start and settings
    :param progress: called with a text and the share done, from 0 to 1
    :raises md_bridge.drift.runs.dynamics.RunError: a run fails
    """
    from md_bridge.drift.runs.dynamics import run_dynamics

    runs = {method: _planned(request, method) for method in request.methods}
    total = sum(
        one.outer_steps * (one.method.multiplicity or 1) for group in runs.values() for one in group
    )
    done = 0
    fits: dict[Method, OrderFit | str] = {}
    agreements: list[tuple[bool, ForceAgreement | None]] = []
    for method, group in runs.items():
        records = []
        for one in group:
            cost = one.method.multiplicity or 1
            before = done

            def report(steps: int, one: Run = one, before: int = before, c: int = cost) -> None:
                what = f"{one.label}, {one.method.timestep_fs:g} fs"
                progress(what, (before + c * min(steps, one.outer_steps)) / total)

            folder = request.folder / "runs" / f"{one.name}-{one.method.timestep_fs:g}fs"
            records.append(
                run_dynamics(request.start, request.model, one, folder, report, request.threads)
            )
            done += one.outer_steps * cost
        fits[method] = _fit(records)
        agreements += [(method.two_models, record.agreement) for record in records]
    return with_agreement(_result(request, fits), agreements)


def _planned(request: ProtocolRequest, method: Method) -> list[Run]:
    """Runs of one length: whole numbers of the largest outer step."""
    longest = max(1, round(1000 * request.length_ps / method.outer_timestep_fs))
    return [
        Run(
            replace(method, timestep_fs=method.timestep_fs / divisor),
            longest * divisor,
            model_options=request.model_options,
        )
        for divisor in DIVISORS
    ]


def _fit(records: list[RunRecord]) -> OrderFit | str:
    """The fit in eV, or the explosion or shortness that prevents it in words."""
    for record in records:
        if record.exploded is not None:
            return f"at {record.method.timestep_fs:g} fs the run {record.exploded}"
    try:
        return order_fit(
            [record.method.timestep_fs for record in records],
            [record.time_ps for record in records],
            [record.conserved_energy for record in records],
        )
    except ValueError as error:
        return f"cannot be judged: {error}"


def _squared_blocks(time: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """Sums of squares about the line, and numbers of samples, of equal stretches of time."""
    t, y = np.asarray(time, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if t.ndim != 1 or t.shape != y.shape or not (np.isfinite(t).all() and np.isfinite(y).all()):
        raise ValueError(f"expected two finite series of one length, found {t.shape}, {y.shape}")
    if len(t) < _FEWEST_SAMPLES:
        raise ValueError(
            f"{len(t)} samples are too few, expected {_FEWEST_SAMPLES} at least: run longer"
        )
    x, h = t - t.mean(), y - y.mean()
    residuals = h - (x @ h) / (x @ x) * x
    block = np.minimum((t - t[0]) / (t[-1] - t[0]) * _BLOCKS, _BLOCKS - 1).astype(int)
    sums = np.bincount(block, weights=residuals**2, minlength=_BLOCKS).astype(np.float64)
    return sums, np.bincount(block, minlength=_BLOCKS).astype(np.float64)


def _without_noise(mean_squares: Array, noise: float) -> Array:
    # half of the variance is left in any case: the verdict is inconclusive long before
    return np.sqrt(np.maximum(mean_squares - noise**2, 0.5 * mean_squares))


def _result(request: ProtocolRequest, fits: dict[Method, OrderFit | str]) -> ProtocolResult:
    count = len(request.start)
    rows, sentences, curves = [], [], []
    runs: list[dict[str, object]] = []
    for method, fit in fits.items():
        label = method.label
        if isinstance(fit, str):
            exploded = "exploded" in fit
            rows.append(_unjudged(method, "exploded" if exploded else "inconclusive", exploded))
            sentences.append(f"{label}: {fit}.")
            runs.append({"label": label, "verdict": rows[-1].verdict, "reason": fit})
            continue
        sizes = 1000 * np.array(fit.fluctuations) / count
        rows.append(_row(method, fit, sizes))
        sentences.append(_sentence(method, fit, 1000 * fit.noise / count))
        runs.append(_summary(method, fit, sizes, 1000 * fit.noise / count))
        curves.append(Curve(label, np.array(fit.timesteps), sizes, markers=True))
    plots = []
    if curves:
        dt = np.array([request.timestep_fs / divisor for divisor in DIVISORS])
        guide = float(curves[0].y[0]) * (dt / dt[0]) ** 2
        plots.append(
            Plot(
                "Fluctuation of the conserved quantity",
                "inner time step (fs)",
                "rms of H about its line (meV/atom)",
                (*curves, Curve("∝ δt²", dt, guide)),
                (True, True),
            )
        )
    steps = [f"{request.timestep_fs / divisor:g} fs" for divisor in DIVISORS]
    return ProtocolResult(
        protocol="order",
        title="Order of the integration",
        lead=f"NVE for {request.length_ps:g} ps from one start with inner steps of "
        f"{', '.join(steps)}. The fluctuation of the conserved quantity must fall as δt².",
        columns=(("run", ""), ("exponent", ""), *((f"at {step}", "meV/atom") for step in steps)),
        rows=tuple(rows),
        sentences=tuple(sentences),
        summary={"runs": runs, "expected_exponent": EXPECTED, "tolerance": ORDER_TOLERANCE},
        plots=tuple(plots),
    )


def _unjudged(method: Method, verdict: str, exploded: bool) -> Row:
    cells = (method.label, "-", *("-" for _ in DIVISORS))
    return Row(cells, verdict, False if exploded else None, observed=method.forces == "direct")


def _row(method: Method, fit: OrderFit, sizes: Array) -> Row:
    good = {OrderVerdict.SECOND_ORDER: True, OrderVerdict.NOT_SMOOTH: False}.get(fit.verdict)
    cells = (
        method.label,
        with_error(fit.exponent, fit.stderr),
        *(f"{size:.3g}" for size in sizes),
    )
    if method.forces == "direct":
        return Row(cells, "observed", None, observed=True)
    return Row(cells, fit.verdict.value, good)


def _sentence(method: Method, fit: OrderFit, noise: float) -> str:
    label = method.label
    exponent = f"{fit.exponent:.2f} ± {fit.half_width:.2f} (95 %)"
    if fit.noise_share > _LARGEST_NOISE_SHARE:
        return (
            f"{label}: the round-off of the energy ({noise:.2g} meV/atom) hides the fluctuation at "
            f"{min(fit.timesteps):g} fs. Take a larger time step."
        )
    if method.forces == "direct":
        return f"{label}: exponent {exponent}; H drifts with direct forces, so nothing is expected."
    if fit.verdict is OrderVerdict.SECOND_ORDER:
        return f"{label}: the fluctuation of H falls as δt to the power {exponent}, as it must."
    if fit.verdict is OrderVerdict.NOT_SMOOTH:
        return (
            f"{label}: the fluctuation of H falls only as δt to the power {exponent}, where 2 is "
            "expected: the potential has jumps or kinks (a cutoff without a smooth end, a hard "
            "limit on the number of neighbours), or H drifts more than it fluctuates. A smaller "
            "time step will not repair it; `md-bridge check` looks for jumps."
        )
    if fit.exponent - fit.half_width > EXPECTED + ORDER_TOLERANCE:
        return (
            f"{label}: the fluctuation of H falls as δt to the power {exponent}, faster than "
            f"expected: {max(fit.timesteps):g} fs is near the limit of stability. Take a smaller "
            "time step."
        )
    return f"{label}: exponent {exponent}, too uncertain to judge. Run longer."


def _summary(method: Method, fit: OrderFit, sizes: Array, noise: float) -> dict[str, object]:
    finite = bool(np.isfinite(fit.exponent) and np.isfinite(fit.stderr))
    return {
        "label": method.label,
        "forces": method.forces,
        "M": method.multiplicity,
        "exponent": fit.exponent if finite else None,
        "stderr": fit.stderr if finite else None,
        "half_width_95": fit.half_width if finite else None,
        "verdict": "observed" if method.forces == "direct" else fit.verdict.value,
        "timesteps_fs": list(fit.timesteps),
        "fluctuations_meV_per_atom": sizes.tolist(),
        "noise_meV_per_atom": noise,
    }
