"""Protocol ``reverse``: run, turn the velocities round, run back: how far from the start?

Velocity Verlet and multiple time stepping are reversible in time: with exact arithmetic the run
comes back to its start, whatever the forces, as long as they are a function of the positions alone.
Round-off is not reversed, and chaos makes it grow exponentially, at the rate of the largest
Lyapunov exponent. So the distance is compared with what the model's own round-off can do: far more
than that, and early, means that the forces depend on more than the positions (a pair list that
misses pairs, random numbers, a model that is not deterministic). It says nothing about whether the
forces have a potential: direct forces are reversible too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import ase.io
import numpy as np
from ase import Atoms
from ase.units import fs
from numpy.typing import ArrayLike, NDArray

from md_bridge.drift.protocols.base import (
    Curve,
    Plot,
    Progress,
    ProtocolRequest,
    ProtocolResult,
    Row,
    with_agreement,
)
from md_bridge.drift.records.agreement import agreement_in
from md_bridge.drift.records.explosions import LAST_FRAME, Explosion, explosion_in
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.lammps import (
    LOG,
    SCREEN,
    TRAJECTORY,
    lammps_input_text,
    lammps_program,
    write_data_file,
)
from md_bridge.drift.runs.plan import Run
from md_bridge.export.checks.two_models import engine_forces
from md_bridge.forces import ForceAgreement, force_noise
from md_bridge.model_names import absolute_model
from md_bridge.processes import LineCounter, Program, RunError, watch
from md_bridge.structures import standard_orientation

if TYPE_CHECKING:
    from md_bridge.engine import Engine

__all__ = [
    "FRAMES",
    "Array",
    "ReturnPath",
    "ReverseVerdict",
    "Share",
    "distances",
    "expected_round_off",
    "run",
]

Array = NDArray[np.float64]
Share = Callable[[float], None]
"""Called with the share of one run that is done."""

FRAMES = 32
"""Distances are taken at this many times on the way back."""
ROUND_OFF_FACTOR = 10.0
"""A distance up to this many times that of the round-off alone is round-off."""
FAULT_FACTOR = 1000.0
"""One beyond this many times, in the first frame, is none."""

# below this distance (Å) chaos still grows exponentially, above it fills the box
_LINEAR = 0.1
# chaos is called what ends so many times farther off than it began and than round-off explains
_LEAST_GROWTH = 10.0


class ReverseVerdict(str, Enum):
    """What the way back says."""

    REVERSIBLE = "reversible"
    NOT_REVERSIBLE = "not reversible"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class ReturnPath:
    """Distances between the way out and the way back, by the length τ of a run that turns at its
    end.

    The way back from the end to time t is the test of a run of length τ from t to the end.
    """

    length_ps: Array
    """τ, shape (n,), increasing from the first frame after the turn."""
    rms: Array
    """Root mean square distance over the atoms (Å)."""
    largest: Array
    """Largest distance of an atom (Å)."""
    round_off: Array
    """What round-off alone, without chaos, makes of the rms (Å)."""
    energy_difference: float
    """H on return minus H at the start (eV)."""

    @property
    def growth_rate(self) -> float | None:
        """Rate of exponential growth (1/ps), an estimate of the Lyapunov exponent: the slope of
        ln(rms) where it is small; None unless it grows far beyond the round-off."""
        chosen = (self.rms > 0) & (self.rms < _LINEAR)
        if np.count_nonzero(chosen) < 4:
            return None
        x, y = self.length_ps[chosen], np.log(self.rms[chosen])
        if self.rms[-1] < _LEAST_GROWTH * max(self.rms[0], self.round_off[-1]):
            return None
        return float(np.polyfit(x, y, 1)[0])

    @property
    def verdict(self) -> ReverseVerdict:
        """From the first frame, where chaos has not had its time yet."""
        ratio = self.rms[0] / self.round_off[0]
        if ratio <= ROUND_OFF_FACTOR:
            return ReverseVerdict.REVERSIBLE
        return (
            ReverseVerdict.NOT_REVERSIBLE if ratio > FAULT_FACTOR else ReverseVerdict.INCONCLUSIVE
        )


def distances(forward: ArrayLike, backward: ArrayLike) -> tuple[Array, Array]:
    """Rms and largest distance of the atoms in each frame, the motion of the centre left out: what
    all atoms are shifted by together is nothing that forces between them do.

    :param forward: unwrapped positions on the way out, shape (frames, N, 3)
    :param backward: those at the same places on the way back, the same shape
    """
    out, back = (np.asarray(values, dtype=np.float64) for values in (forward, backward))
    if out.shape != back.shape or out.ndim != 3 or out.shape[2] != 3:
        raise ValueError(
            f"expected two arrays of shape (frames, N, 3), found {out.shape} and {back.shape}"
        )
    difference = back - out
    difference -= difference.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(difference, axis=2)
    return np.sqrt(np.mean(lengths**2, axis=1)), lengths.max(axis=1)


def expected_round_off(
    force_noise: float, masses: ArrayLike, timestep_fs: float, steps: ArrayLike, size: float
) -> Array:
    """Rms distance (Å) after some steps and as many back, from errors that do not grow.

    Force errors of size σ at random make a random walk of the velocities, and n steps of it move an
    atom of mass m by (σ/m) δt² √(n³/3); twice that n for both ways. Positions in double precision
    lose 2⁻⁵³ of the size of the box in each step, at worst all in one direction.

    :param force_noise: rms error of a force component (eV/Å)
    :param masses: shape (N,), u
    :param timestep_fs: between two force evaluations
    :param steps: n each way
    :param size: largest coordinate (Å)
    """
    n = 2.0 * np.asarray(steps, dtype=np.float64)
    inverse = float(np.sqrt(np.mean(1 / np.asarray(masses, dtype=np.float64) ** 2)))
    walk = np.sqrt(3) * force_noise * inverse * (timestep_fs * fs) ** 2 * np.sqrt(n**3 / 3)
    rounding = np.finfo(np.float64).eps * size * n
    return np.asarray(np.hypot(walk, rounding))


def _force_noise(engine: Engine, atoms: Atoms, direct: bool) -> float:
    """Rms round-off of a force component (eV/Å).

    :param engine: with the model
    :param atoms: the structure
    :param direct: whether of direct or of conservative forces
    """
    forces = engine_forces(engine, "direct" if direct else "conservative")
    # one at a time: each has a random rotation of its own, where there are any
    return force_noise(lambda copies: [forces(copy) for copy in copies], atoms) / float(np.sqrt(3))


def run(request: ProtocolRequest, progress: Progress) -> ProtocolResult:
    """There and back with each kind of forces.

    :param request: model, start and settings
    :param progress: called with a text and the share done, from 0 to 1
    :raises RunError: a run fails; one that explodes is a result
    """
    from md_bridge.engine import set_threads

    set_threads(request.threads)
    outcomes: dict[Method, ReturnPath | Explosion] = {}
    for index, method in enumerate(request.methods):

        def report(share: float, index: int = index, method: Method = method) -> None:
            progress(method.label, (index + share) / len(request.methods))

        report(0.0)
        try:
            outcomes[method] = _return_path(request, method, report)
        except RunError:
            explosion = _explosion(request, method)
            if explosion is None:
                raise
            outcomes[method] = explosion
    progress("done", 1.0)
    return with_agreement(_result(request, outcomes), _agreements(request))


def _agreements(request: ProtocolRequest) -> list[tuple[bool, ForceAgreement | None]]:
    """What the hosts say of the forces at the first outer step of each run."""
    logs = {method: _folder(request, method) / SCREEN for method in request.methods}
    return [
        (method.two_models, agreement_in(log.read_text(encoding="utf-8", errors="replace")))
        for method, log in logs.items()
        if log.exists()
    ]


def _explosion(request: ProtocolRequest, method: Method) -> Explosion | None:
    """Whether the run that failed has exploded; its last good frame is kept then."""
    folder = _folder(request, method)
    explosion = explosion_in(folder / SCREEN)
    if explosion is not None:
        _host(request).keep_last_frame(folder, request.start)
    return explosion


def _folder(request: ProtocolRequest, method: Method) -> Path:
    return request.folder / "runs" / method.name


def _host(request: ProtocolRequest) -> ModuleType:
    """The module that knows the files of the host that was asked for."""
    from md_bridge.drift.runs import ipi, lammps

    return ipi if request.host == "i-pi" else lammps


def _return_path(request: ProtocolRequest, method: Method, progress: Share) -> ReturnPath:
    """One run there and back in the host that was asked for.

    :param request: model, start and settings
    :param method: kind of forces and time step
    :param progress: called with the share done, from 0 to 1
    :returns: times in ps, distances in Å, energies in eV
    :raises RunError: the run fails or explodes
    """
    interval = max(1, round(1000 * request.length_ps / method.outer_timestep_fs / FRAMES))
    # hosts run in a folder of their own
    one = Run(method, interval * FRAMES, model_options=request.model_options.absolute())
    folder = _folder(request, method)
    folder.mkdir(parents=True, exist_ok=True)
    _host(request).remove_output(folder)
    (folder / SCREEN).unlink(missing_ok=True)
    travel = _in_ipi if request.host == "i-pi" else _in_lammps
    forward, backward, energy = travel(request, one, interval, folder, progress)
    rms, largest = distances(forward, backward)
    # frame k of FRAMES is the start of a run of FRAMES - k intervals; the last is the turn itself
    turns = interval * np.arange(1, FRAMES + 1)
    noise = [
        _force_noise(engine, request.start, direct)
        for engine, direct in _evaluated(request, method)
    ]
    multiplicity = method.multiplicity or 1
    round_off = expected_round_off(
        # the correction kicks with M times its error, once in M steps
        float(np.linalg.norm(noise) * np.sqrt(multiplicity)),
        request.start.get_masses(),
        method.timestep_fs,
        turns * multiplicity,
        float(np.abs(request.start.positions).max()),
    )
    return ReturnPath(
        turns * one.outer_timestep_fs / 1000,
        rms[-2::-1],
        largest[-2::-1],
        round_off,
        float(energy[1] - energy[0]),
    )


def _evaluated(request: ProtocolRequest, method: Method) -> list[tuple[Engine, bool]]:
    """What a method evaluates: engines, each with whether of its direct forces."""
    from md_bridge.engine import Engine, open_inner

    engine = Engine(request.model, **request.model_options.engine_keywords())
    if method.two_models:
        inner, kind = open_inner(request.model_options)
        return [(engine, False), (inner, kind == "direct")]
    kinds = {"conservative": (False,), "direct": (True,)}.get(method.forces, (False, True))
    return [(engine, direct) for direct in kinds]


def _in_lammps(
    request: ProtocolRequest, one: Run, interval: int, folder: Path, progress: Share
) -> tuple[Array, Array, Array]:
    elements = sorted(set(request.start.get_chemical_symbols()))
    write_data_file(request.start, folder / "start.data", elements)
    model = absolute_model(request.model)
    text = lammps_input_text(request.start, model, one, frame_interval=interval)
    text += "\n# and back\n"
    text += "".join(f"variable back_{x} atom -v{x}\n" for x in "xyz")
    text += "velocity all set v_back_x v_back_y v_back_z units box\n"
    text += f"run {one.outer_steps}\n"
    (folder / "in.lammps").write_text(text, encoding="utf-8")
    log, trajectory = folder / LOG, folder / TRAJECTORY
    lines = LineCounter(trajectory, lambda line: line.startswith(b"ITEM: TIMESTEP"))
    program = lammps_program(
        ["-in", "in.lammps", "-log", LOG], folder, request.threads, one.models(model)
    )
    _watch(program, lines, progress)
    frames = ase.io.read(trajectory, index=":", format="lammps-dump-text")
    positions = np.array([frame.positions for frame in frames])
    if len(positions) != 2 * FRAMES + 1:
        raise RunError(
            f"{trajectory}: expected {2 * FRAMES + 1} frames, found {len(positions)}; the log is "
            f"{log}"
        )
    return positions[: FRAMES + 1], positions[FRAMES:][::-1], _ends(log)


def _in_ipi(
    request: ProtocolRequest, one: Run, interval: int, folder: Path, progress: Share
) -> tuple[Array, Array, Array]:
    from md_bridge.drift.runs.ipi import PROPERTIES, ipi_input_text

    oriented = standard_orientation(request.start)
    ase.io.write(folder / "start.xyz", oriented, format="extxyz")
    text = ipi_input_text(oriented, absolute_model(request.model), one)
    (folder / "input.xml").write_text(text, encoding="utf-8")
    properties, frames = folder / PROPERTIES, folder / "frames.npz"
    frames.unlink(missing_ok=True)
    module = "md_bridge.drift.protocols.reverse_ipi"
    steps = [str(one.outer_steps), str(interval), frames.name]
    lines = LineCounter(properties, lambda line: not line.startswith(b"#"))
    program = Program(
        "i-PI",
        [sys.executable, "-m", module, "input.xml", *steps],
        folder / SCREEN,
        environment={"OMP_NUM_THREADS": str(request.threads)},
        folder=folder,
    )
    _watch(program, lines, progress, scale=interval)
    with np.load(frames) as found:
        return found["forward"], found["backward"], found["energy"]


def _watch(
    program: Program,
    lines: LineCounter,
    progress: Share,
    scale: int = 1,
) -> None:
    expected = scale * (2 * FRAMES + 1)
    watch(
        program,
        lines,
        lambda count: progress(min(1.0, count / expected)),
    )


def _ends(log: Path) -> Array:
    """Total energy (eV) at the start and at the end, from the thermo output."""
    rows = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    energies = [
        float(row[2]) for row in rows if len(row) > 3 and row[0].isdigit() and "." in row[2]
    ]
    return np.array([energies[0], energies[-1]])


_SHOWN = (FRAMES // 8 - 1, FRAMES // 2 - 1, FRAMES - 1)
"""The frames in the table."""


def _result(
    request: ProtocolRequest, outcomes: dict[Method, ReturnPath | Explosion]
) -> ProtocolResult:
    lengths = request.length_ps * (np.array(_SHOWN) + 1) / FRAMES
    rows, sentences, curves = [], [], []
    summary: list[dict[str, object]] = []
    for method, outcome in outcomes.items():
        if isinstance(outcome, Explosion):
            row, sentence, found = _exploded(method, outcome)
        else:
            row, sentence, found = _returned(method, outcome, len(request.start))
            label = method.label
            curves.append(Curve(label, outcome.length_ps, outcome.rms))
            curves.append(Curve(f"{label}, round-off alone", outcome.length_ps, outcome.round_off))
        rows.append(row)
        sentences.append(sentence)
        described = {"label": method.label, "forces": method.forces}
        summary.append({**described, "M": method.multiplicity, "verdict": row.verdict, **found})
    sentences.append(
        "Reversible says that the forces are a function of the positions and the integrator is "
        "symmetric in time. It does not say that energy is conserved: direct forces come back too."
    )
    plot = Plot(
        "Distance between the way out and the way back",
        "length of the run (ps)",
        "rms distance (Å)",
        tuple(curves),
        (False, True),
    )
    return ProtocolResult(
        protocol="reverse",
        title="There and back",
        lead=f"NVE for {lengths[-1]:g} ps, velocities turned round, and back. The distance from "
        "the way out, for runs of several lengths.",
        columns=(
            ("run", ""),
            *((f"{length:.3g} ps", "Å rms") for length in lengths),
            ("farthest", "Å"),
            ("growth", "1/ps"),
        ),
        rows=tuple(rows),
        sentences=tuple(sentences),
        summary={"runs": summary},
        plots=(plot,) if curves else (),
    )


def _exploded(method: Method, explosion: Explosion) -> tuple[Row, str, dict[str, object]]:
    """Row, sentence and numbers of a run that never came back."""
    sentence = explosion.sentence(method.outer_timestep_fs)
    cells = (method.label, *["-"] * (len(_SHOWN) + 2))
    row = Row(cells, "exploded", False, observed=method.forces == "direct")
    kept = f"Its last good frame is in {LAST_FRAME}."
    return row, f"{method.label} {sentence}. {kept}", {"exploded": sentence}


def _returned(
    method: Method, path: ReturnPath, atom_count: int
) -> tuple[Row, str, dict[str, object]]:
    """Row, sentence and numbers of a run there and back."""
    good = {ReverseVerdict.REVERSIBLE: True, ReverseVerdict.NOT_REVERSIBLE: False}
    growth = path.growth_rate
    cells = (
        method.label,
        *(f"{path.rms[k]:.1e}" for k in _SHOWN),
        f"{path.largest[-1]:.1e}",
        "-" if growth is None else f"{growth:.1f}",
    )
    row = Row(cells, path.verdict.value, good.get(path.verdict))
    numbers: dict[str, object] = {
        "length_ps": path.length_ps.tolist(),
        "rms_A": path.rms.tolist(),
        "largest_A": path.largest.tolist(),
        "round_off_A": path.round_off.tolist(),
        "growth_rate_per_ps": growth,
        "energy_difference_meV_per_atom": 1000 * path.energy_difference / atom_count,
    }
    return row, _sentence(method.label, path), numbers


def _sentence(label: str, path: ReturnPath) -> str:
    first = 1000 * path.length_ps[0]
    ratio = path.rms[0] / path.round_off[0]
    growth = path.growth_rate
    later = (
        f" From there the distance grows {np.e:.1f}-fold every {1000 / growth:.0f} fs: chaos."
        if growth is not None and growth > 0
        else ""
    )
    size = f"{path.rms[0]:.1e} Å after {first:.3g} fs there and back"
    if path.verdict is ReverseVerdict.REVERSIBLE:
        return f"{label} comes back: {size}, which round-off explains.{later}"
    if path.verdict is ReverseVerdict.NOT_REVERSIBLE:
        return (
            f"{label} does not come back: {size}, {ratio:.0e} times what round-off makes. The "
            "forces depend on more than the positions: a model with random numbers, or a pair "
            "list that misses pairs (raise the skin)."
        )
    return f"{label}: {size}, {ratio:.0f} times what round-off makes. That proves nothing.{later}"
