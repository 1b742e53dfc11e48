"""Whether all hosts, and any number of ranks, give the same energy, forces and virial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from md_bridge.certify.findings import Finding, judged, skipped
from md_bridge.certify.single_points.in_ase import point_by_metatomic, point_in_ase
from md_bridge.certify.single_points.in_ipi import point_in_ipi
from md_bridge.certify.single_points.in_lammps import point_in_lammps
from md_bridge.certify.single_points.point import Point, PointTask
from md_bridge.certify.subject import Subject
from md_bridge.export.checks.differences import rms
from md_bridge.extras import MissingExtraError

__all__ = ["hosts", "ranks"]

_UNITS = {"energy": "eV", "forces": "eV/Å", "virial": "eV"}
_SMALL_FORCE = 0.1
"""Forces of less are taken for this (eV/Å, rms)."""


@dataclass(frozen=True)
class _Precision:
    """What numbers of the same arithmetic in another order may differ by."""

    force: float
    """Relative to the forces."""
    energy: float
    """Relative to the energy, and in eV for each atom."""

    def allowed(self, quantity: str, reference: Point) -> float:
        """Of a quantity: eV or eV/Å."""
        count = len(reference.forces)
        scale = max(rms(reference.forces), _SMALL_FORCE)
        if quantity == "forces":
            return self.force * scale
        if quantity == "energy":
            return self.energy * (abs(reference.energy) + count)
        assert reference.virial is not None
        return self.force * max(rms(reference.virial), count * scale)


_IN_DOUBLE = _Precision(1e-7, 1e-9)
# constants of i-PI are rounded at the ninth digit; single precision has seven, networks lose two
_IN_SINGLE = _Precision(2e-4, 2e-6)


def _precision(subject: Subject) -> _Precision:
    return _IN_DOUBLE if subject.own.is_double else _IN_SINGLE


def _task(subject: Subject, forces: str) -> PointTask:
    with_virial = forces == "conservative" and (
        not subject.is_python or subject.as_hosts.has_stress
    )
    return PointTask(
        *(subject.point, subject.model, subject.options_of_one, forces, subject.threads),
        with_virial=with_virial,
    )


def ranks(subject: Subject) -> Iterator[Finding]:
    """LAMMPS on several ranks against one rank.

    :param subject: the model
    """
    if subject.is_python:
        yield skipped("several ranks", "a model that Python evaluates runs on one rank")
        return
    if not math.isfinite(subject.own.interaction_range):
        why = "the interaction range is infinite, and such a model runs on one rank"
        yield skipped("several ranks", why)
        return
    task = _task(subject, "conservative")
    subject.say("LAMMPS on one rank")
    try:
        alone = point_in_lammps(task, subject.place("lammps-1"))
    except MissingExtraError as error:
        yield skipped("several ranks", str(error))
        return
    for count in subject.request.ranks:
        subject.say(f"LAMMPS on {count} ranks")
        found = point_in_lammps(task, subject.place(f"lammps-{count}"), count)
        yield _ranks_finding(subject, count, alone, found)


def _ranks_finding(subject: Subject, count: int, alone: Point, found: Point) -> Finding:
    precision = _precision(subject)
    values, parts = {}, []
    for quantity, unit in _UNITS.items():
        difference = found.difference(quantity, alone)
        values[quantity] = (difference, precision.allowed(quantity, alone))
        parts.append(f"{quantity} {difference:.2g} {unit}")
    worst = float(np.max(np.linalg.norm(found.forces - alone.forces, axis=1), initial=0.0))
    atom = int(np.argmax(np.linalg.norm(found.forces - alone.forces, axis=1)))
    symbol = subject.point.get_chemical_symbols()[atom]
    return judged(
        f"{count} ranks = 1 rank",
        all(difference <= allowed for difference, allowed in values.values()),
        f"forces ≤ {values['forces'][1]:.2g} eV/Å",
        f"{values['forces'][0]:.2g} eV/Å",
        f"largest difference of LAMMPS on {count} MPI ranks from one rank: {', '.join(parts)}; "
        f"of a force at most {worst:.2g} eV/Å, of {symbol} atom {atom}. If it fails, the "
        f"interaction range that the file declares ({subject.own.interaction_range:g} Å) is too "
        "short, or a result depends on the order of the atoms: see the checks of range and order, "
        "and export the model with the right range (--layers, --interaction-range)",
        ranks=count,
        **{f"{quantity}_difference": difference for quantity, (difference, _) in values.items()},
        **{f"{quantity}_allowed": allowed for quantity, (_, allowed) in values.items()},
    )


def hosts(subject: Subject) -> Iterator[Finding]:
    """LAMMPS, i-PI and ASE on the same structure; ASE also against metatomic alone.

    :param subject: the model
    """
    for forces in subject.kinds:
        task = _task(subject, forces)
        found, missing = _points(subject, task)
        why = f" Left out: {'; '.join(missing)}." if missing else ""
        if len(found) < 2:
            yield skipped(f"hosts agree: {forces} forces", "; ".join(missing))
            continue
        for quantity in ("energy", "forces") if forces == "conservative" else ("forces",):
            yield _host_finding(subject, forces, quantity, found, why)
        if forces == "conservative":
            yield from _beyond_forces(subject, task, found, why)


def _beyond_forces(
    subject: Subject, task: PointTask, found: Mapping[str, Point], why: str
) -> Iterator[Finding]:
    """What not every calculator has: a virial in every host, and metatomic to compare with."""
    if task.with_virial:
        yield _host_finding(subject, task.forces, "virial", found, why)
    else:
        yield skipped(f"{' = '.join(_in_order(found))}: virial", "the calculator gives no stress")
    if subject.is_python:
        yield skipped("ASE = metatomic alone", "the model is no file that metatomic could run")
        return
    subject.say("metatomic alone")
    metatomic = point_by_metatomic(subject.own, task)
    yield _metatomic_finding(subject, found["ASE"], metatomic)


def _in_order(found: Mapping[str, Point]) -> list[str]:
    """Names of hosts, ASE last, which the others are compared with."""
    return [*(name for name in found if name != "ASE"), "ASE"]


def _points(subject: Subject, task: PointTask) -> tuple[dict[str, Point], list[str]]:
    """By host, and why some are missing."""
    ways: dict[str, Callable[[], Point]] = {
        "ASE": lambda: point_in_ase(task),
        "LAMMPS": lambda: point_in_lammps(task, subject.place(f"lammps-{task.forces}")),
        "i-PI": lambda: point_in_ipi(task, subject.place(f"i-pi-{task.forces}")),
    }
    found, missing = {}, []
    for host, evaluate in ways.items():
        subject.say(f"{task.forces} forces in {host}")
        try:
            found[host] = evaluate()
        except MissingExtraError as error:
            missing.append(str(error))
    return found, missing


def _host_finding(
    subject: Subject, forces: str, quantity: str, found: Mapping[str, Point], why: str
) -> Finding:
    reference = found["ASE"]
    unit = _UNITS[quantity]
    allowed = _precision(subject).allowed(quantity, reference)
    others = {name: point for name, point in found.items() if name != "ASE"}
    differences = {name: point.difference(quantity, reference) for name, point in others.items()}
    largest = float(np.max(list(differences.values())))
    parts = ", ".join(f"{name} {value:.2g} {unit}" for name, value in differences.items())
    what = f"{forces} forces" if quantity == "forces" else quantity
    return judged(
        f"{' = '.join(_in_order(found))}: {what}",
        bool(largest <= allowed),
        f"≤ {allowed:.2g} {unit}",
        f"{largest:.2g} {unit}",
        f"largest difference from ASE of the same structure: {parts}.{why} If it fails, the hosts "
        "do not run the same potential: look at the inputs that the folder of this certificate "
        "keeps, and report it",
        allowed=allowed,
        unit=unit,
        differences=differences,
        energies_eV={name: point.energy for name, point in found.items()},
    )


def _metatomic_finding(subject: Subject, engine: Point, metatomic: Point) -> Finding:
    precision = _precision(subject)
    differences = {quantity: engine.difference(quantity, metatomic) for quantity in _UNITS}
    allowed = {quantity: 5 * precision.allowed(quantity, metatomic) for quantity in _UNITS}
    parts = ", ".join(f"{name} {value:.2g} {_UNITS[name]}" for name, value in differences.items())
    return judged(
        "ASE = metatomic alone",
        all(differences[quantity] <= allowed[quantity] for quantity in _UNITS),
        f"forces ≤ {allowed['forces']:.2g} eV/Å",
        f"{differences['forces']:.2g} eV/Å",
        f"largest difference of this package's evaluation from that by metatomic: {parts}. If it "
        "fails, the file gives other numbers in other programs (a compiled file may be of another "
        "model, or the package mends what the file has wrong): export, or compile, it again",
        differences=differences,
        allowed=allowed,
    )
