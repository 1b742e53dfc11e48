"""Protocol ``loop``: the work of the forces around closed paths, which a potential makes zero.

A conservative force gives back on the way home what it took on the way out: the work around any
closed path is zero. The work of direct forces around one, W = ∮ F·dx, is energy from nowhere.
The paths are periodic in their parameter, so that the trapezoidal rule converges faster than any
power of the number of points where the forces are smooth (L. N. Trefethen and J. A. C. Weideman,
SIAM Rev. 56, 385 (2014)).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from md_bridge.drift.protocols.base import (
    Curve,
    Plot,
    Progress,
    ProtocolRequest,
    ProtocolResult,
    Row,
)
from md_bridge.drift.protocols.paths import ClosedPath, default_paths

__all__ = [
    "LoopWork",
    "PathResult",
    "evaluate_path",
    "loop_work",
    "run",
]

POINTS = 32
"""Points on a small loop; a full turn of a molecule gets four times as many."""

_COMBS = 4
# 99.9 % of Student's t with as many degrees of freedom as the combs have: a protocol has many paths
_SIGNIFICANCE = float(special.stdtrit(_COMBS - 1, 0.9995))
_BATCH = 8


@dataclass(frozen=True)
class LoopWork:
    """Work of a force around a closed path (eV), with the error of its quadrature."""

    work: float
    error: float

    @property
    def is_zero_within_error(self) -> bool:
        """Whether the work lies within the 99.9 % interval about zero."""
        return bool(abs(self.work) <= _SIGNIFICANCE * self.error)


def loop_work(forces: ArrayLike, tangents: ArrayLike) -> LoopWork:
    """W = ∮ F·dx by the trapezoidal rule at θ_k = 2π k/K.

    The points are dealt to four combs, each a trapezoidal rule of K/4 points. The error is the
    standard error of their mean: right for noise (float32), too large rather than too small for a
    path that K/4 points do not resolve.

    :param forces: shape (K, ...), at the points of the path; any generalised force will do, for
        example the virial -dE/d(strain) (eV)
    :param tangents: dx/dθ of the coordinates that belong to them, the same shape
    :raises ValueError: shapes differ, K is no multiple of four or smaller than eight, or a number
        is not finite
    """
    f = np.asarray(forces, dtype=np.float64)
    t = np.asarray(tangents, dtype=np.float64)
    if f.shape != t.shape or f.ndim < 1:
        raise ValueError(f"forces and tangents must have one shape, found {f.shape} and {t.shape}")
    count = len(f)
    if count % _COMBS or count < 2 * _COMBS:
        raise ValueError(f"a path needs 8, 12, 16, ... points, found {count}")
    if not (np.isfinite(f).all() and np.isfinite(t).all()):
        raise ValueError("a force or a tangent of the path is not finite")
    power = np.sum((f * t).reshape(count, -1), axis=1)
    combs = 2 * np.pi * power.reshape(-1, _COMBS).mean(axis=0)
    round_off = 2 * np.pi * np.finfo(np.float64).eps * float(np.sum(np.abs(f * t))) / count
    return LoopWork(
        float(combs.mean()), max(float(combs.std(ddof=1)) / math.sqrt(_COMBS), round_off)
    )


@dataclass(frozen=True)
class PathResult:
    """Both forces around one path. Energies in eV."""

    path: str
    kind: str
    atoms: int
    """How many atoms the path moves."""
    conservative: LoopWork
    direct: LoopWork | None
    """None if the model has no direct forces (or, for a strain, no direct stress)."""
    energy_swing: float
    """Largest minus smallest energy on the path."""
    work_so_far: dict[str, list[float]]
    """Running work up to each point (eV), for the plot."""


def run(request: ProtocolRequest, progress: Progress, points: int = POINTS) -> ProtocolResult:
    """Evaluate model and paths, and put the result into words.

    :param request: model, start and settings
    :param progress: called with a text and the share done, from 0 to 1
    :param points: points on a circle; turns and the collective loop have more
    :raises md_bridge.engine.EngineError: the model cannot be loaded or lacks an element
    """
    paths = default_paths(request.start, points, request.seed)
    results = []
    for i, path in enumerate(paths):
        progress(path.name, i / len(paths))
        results.append(evaluate_path(request, path))
    progress("done", 1.0)
    return _result(request, results)


def evaluate_path(request: ProtocolRequest, path: ClosedPath) -> PathResult:
    """Energy, conservative and direct forces (or virials) at every point of the path.

    :param request: model and settings
    :param path: the closed path, its points in Å
    :returns: works and range of the energy in eV
    :raises md_bridge.engine.EngineError: the model cannot be loaded or lacks an element
    """
    from md_bridge.engine import Engine, set_threads, structure_from_ase

    set_threads(request.threads)
    engine = Engine(
        request.model, **request.model_options.engine_keywords(), remove_net_force=not path.whole
    )
    strain = path.kind == "strain"
    has_direct = _has_direct(engine, strain)
    quantities = ("conservative", "direct") if has_direct else ("conservative",)
    names = {q: f"{q}_virial" if strain else f"{q}_forces" for q in quantities}
    energies: list[float] = []
    forces: dict[str, list[NDArray[np.float64]]] = {q: [] for q in quantities}
    for first in range(0, len(path.configurations), _BATCH):
        chunk = [structure_from_ase(a) for a in path.configurations[first : first + _BATCH]]
        evaluations = engine.evaluate(chunk, None, **dict.fromkeys(names.values(), True))
        for evaluation in evaluations:
            energies.append(evaluation.energy)
            for quantity, name in names.items():
                forces[quantity].append(np.array(getattr(evaluation, name)))
    works = {q: loop_work(f, path.tangents) for q, f in forces.items()}
    return PathResult(
        path.name,
        path.kind,
        path.moved,
        works["conservative"],
        works.get("direct"),
        float(np.ptp(energies)),
        {q: _running(np.array(f), path.tangents) for q, f in forces.items()},
    )


def _has_direct(engine: Any, strain: bool) -> bool:
    from md_bridge.engine import ModelError, Wanted

    try:
        engine.require(Wanted(direct_virial=True) if strain else Wanted(direct_forces=True))
    except ModelError:
        return False
    return True


def _running(forces: NDArray[np.float64], tangents: NDArray[np.float64]) -> list[float]:
    """Work up to each of the K + 1 points, the last being the first again."""
    power = np.sum((forces * tangents).reshape(len(forces), -1), axis=1)
    closed = np.append(power, power[0])
    steps = 0.5 * (closed[1:] + closed[:-1]) * 2 * np.pi / len(power)
    return [0.0, *np.cumsum(steps).tolist()]


def _result(request: ProtocolRequest, results: list[PathResult]) -> ProtocolResult:
    rows = []
    for result in results:
        closes = result.conservative.is_zero_within_error
        direct = result.direct
        rows.append(
            Row(
                (
                    result.path,
                    _milli(result.conservative),
                    "-" if direct is None else _milli(direct),
                    "-" if direct is None else _three_digits(1000 * direct.work / result.atoms),
                    f"{1000 * result.energy_swing:.3g}",
                ),
                "closes" if closes else "does not close",
                closes,
            )
        )
    summary = {
        "paths": [
            {
                **{k: v for k, v in asdict(result).items() if k != "work_so_far"},
                "closes": result.conservative.is_zero_within_error,
            }
            for result in results
        ],
        "unit": "eV",
    }
    return ProtocolResult(
        protocol="loop",
        title="Work around closed paths",
        lead="Atoms are led along closed paths, back to where they were. A force with a potential "
        "does no work on the whole of such a path; direct forces do. The verdict is on the "
        "conservative ones.",
        columns=(
            ("path", ""),
            ("conservative", "meV"),
            ("direct", "meV"),
            ("direct per moved atom", "meV"),
            ("energy swing", "meV"),
        ),
        rows=tuple(rows),
        sentences=tuple(_sentences(results)),
        summary=summary,
        plots=tuple(_plot(result) for result in results if result.direct is not None),
    )


def _milli(work: LoopWork) -> str:
    return f"{_three_digits(1000 * work.work)} ± {1000 * work.error:.1g}"


def _three_digits(value: float) -> str:
    text = f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.0e}"
    return f"−{text[1:]}" if text.startswith("-") else text


def _sentences(results: list[PathResult]) -> list[str]:
    open_paths = [r.path for r in results if not r.conservative.is_zero_within_error]
    sentences = []
    if open_paths:
        sentences.append(
            f"The conservative forces do work around {', '.join(open_paths)}: they are not the "
            "gradient of the energy there, or the energy has jumps on the path. Look at them with "
            "`md-bridge check` before you trust any run."
        )
    else:
        sentences.append("The conservative forces close every path within the quadrature's error.")
    direct = [r for r in results if r.direct is not None]
    if not direct:
        sentences.append("The model has no direct forces, so there is nothing to compare with.")
        return sentences
    worst = max(direct, key=lambda r: abs(r.direct.work) / r.atoms if r.direct else 0.0)
    assert worst.direct is not None
    sentences.append(
        f"The direct forces do the most work per moved atom around {worst.path}: "
        f"{1000 * worst.direct.work / worst.atoms:.3g} meV a turn, where the energy itself swings "
        f"by {1000 * worst.energy_swing:.3g} meV."
    )
    if any(r.direct is None for r in results):
        sentences.append("The model has no direct stress, so strains were led without it.")
    return sentences


def _plot(result: PathResult) -> Plot:
    curves = []
    for name, work in result.work_so_far.items():
        angle = np.linspace(0.0, 360.0, len(work))
        curves.append(Curve(name, angle, 1000 * np.array(work)))
    return Plot(f"Work so far: {result.path}", "way along the path (degrees)", "meV", tuple(curves))
