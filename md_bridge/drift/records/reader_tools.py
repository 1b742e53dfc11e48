"""What the readers share: options, what they return, digits, temperatures, bad samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from ase.units import kB
from numpy.typing import NDArray

from md_bridge.drift.records.errors import ReadError
from md_bridge.drift.records.explosions import ending, too_hot
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord
from md_bridge.text import nearest

__all__ = [
    "ReadOptions",
    "did_you_mean",
    "kinetic_energy",
    "kinetic_temperature",
    "last_digit",
    "record_of_file",
    "sound_part",
    "strictly_later",
]


@dataclass(frozen=True)
class ReadOptions:
    """What a file may leave open and a user can say; None: find it in the file."""

    atoms: int | None = None
    """Number of atoms."""
    column: str | None = None
    """Name of the column that holds the conserved quantity."""
    run: int | None = None
    """Which run of a file with several, from 1."""
    units: str | None = None
    """LAMMPS unit style, where the log does not say it."""
    timestep_fs: float | None = None
    """Time between two MD steps (fs)."""
    interval: int | None = None
    """MD steps between two frames of a trajectory that holds no times."""


def record_of_file(
    source: Path,
    host: str,
    atom_count: int,
    time_ps: NDArray[np.float64],
    conserved_energy: NDArray[np.float64],
    temperature: NDArray[np.float64],
    *,
    label: str | None = None,
    timestep_fs: float | None = None,
    wall_s: float | None = None,
    **further: Any,
) -> RunRecord:
    """What a file holds, as the rest of the package has it.

    :param source: the file
    :param host: one of :data:`md_bridge.drift.records.method.HOSTS`
    :param atom_count: of the whole system
    :param time_ps: shape (n,), ps
    :param conserved_energy: H of the whole system, shape (n,), eV
    :param temperature: kinetic temperature, shape (n,), K
    :param label: a short name for people; None: that of the file
    :param timestep_fs: MD step (fs); None: the distance of two samples
    :param wall_s: wall time of the time stepping (s), where the file tells
    :param further: other fields of :class:`~md_bridge.drift.records.run.RunRecord`
    :raises ReadError: columns of different lengths, or fewer than two samples of a run that did not
        explode
    """
    if atom_count < 1:
        raise ReadError(
            f"{source}: expected at least one atom, found {atom_count}; give the number with "
            "ReadOptions(atoms=...)"
        )
    count = len(time_ps)
    if not count == len(conserved_energy) == len(temperature):
        raise ReadError(
            f"{source}: expected as many times as energies and temperatures, found {count}, "
            f"{len(conserved_energy)} and {len(temperature)}"
        )
    if count < 2 and further.get("exploded") is None:
        raise ReadError(
            f"{source}: expected a series of samples, found {count}; a drift needs at least two, "
            "and its error at least 32"
        )
    distance_fs = 1000.0 * float(np.median(np.diff(time_ps))) if count > 1 else 1.0
    return RunRecord(
        Method(host, "unknown", None, timestep_fs or distance_fs),
        atom_count,
        wall_s or 0.0,
        time_ps,
        conserved_energy,
        temperature,
        source=label or source.name,
        **further,
    )


def last_digit(tokens: Iterable[str]) -> float:
    """Value of the finest digit among printed numbers: 1e-4 for ``-81.5585`` and ``-8.15585e1``.

    :param tokens: numbers as they are printed; other words are left out
    :returns: in the unit of the numbers; zero if there are none
    """
    exponents = []
    for token in tokens:
        try:
            exponent = Decimal(token).as_tuple().exponent
        except InvalidOperation:
            continue
        if isinstance(exponent, int):  # a letter for NaN and infinity
            exponents.append(exponent)
    return 10.0 ** min(exponents) if exponents else 0.0


def kinetic_temperature(kinetic: NDArray[np.float64], atom_count: int) -> NDArray[np.float64]:
    """Temperature (K) of 3N - 3 degrees of freedom (3 for one atom), from kinetic energies (eV).

    :param kinetic: of all atoms together, shape (n,), eV
    :param atom_count: number of atoms
    :returns: shape (n,), K
    """
    return 2.0 * kinetic / (max(3 * atom_count - 3, 3) * kB)


def kinetic_energy(temperature: NDArray[np.float64], atom_count: int) -> NDArray[np.float64]:
    """Kinetic energy (eV) of 3N - 3 degrees of freedom: the inverse of
    :func:`kinetic_temperature`.

    :param temperature: shape (n,), K
    :param atom_count: number of atoms
    :returns: of all atoms together, shape (n,), eV
    """
    return 0.5 * max(3 * atom_count - 3, 3) * kB * temperature


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`` (did you mean X?)`` if one of the known names is near, else nothing.

    :param name: what was found
    :param known: the valid names
    """
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""


def sound_part(
    time: NDArray[np.float64], energy: NDArray[np.float64], temperature: NDArray[np.float64]
) -> tuple[int, str | None]:
    """Number of samples before the first that is not finite or too hot, and what that one is.

    :param time: shape (n,), ps
    :param energy: conserved quantity, shape (n,), eV
    :param temperature: shape (n,), K
    :returns: n and None if all are sound
    """
    good = np.isfinite(time) & np.isfinite(energy) & np.isfinite(temperature)
    bad = np.flatnonzero(~good | too_hot(temperature))
    if not bad.size:
        return len(time), None
    return int(bad[0]), ending(temperature[bad[0]])


def strictly_later(time: NDArray[np.float64], source: Path, advice: str) -> None:
    """Refuse times that do not increase.

    :param time: shape (n,), ps
    :param source: the file, for the message
    :param advice: what to do, a sentence for the end of the message
    :raises ReadError: naming the first pair and what to do
    """
    late = np.flatnonzero(np.diff(time) <= 0)
    if late.size:
        i = int(late[0])
        raise ReadError(
            f"{source}: times must increase, but sample {i + 2} is at {time[i + 1]:g} ps after "
            f"{time[i]:g} ps. {advice}"
        )
