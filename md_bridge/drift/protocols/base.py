"""What every protocol takes and gives: a request, and a result made of a table and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from md_bridge.drift.records.agreement import agreement_sentences
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.plan import methods_of
from md_bridge.forces import ForceAgreement, Kind
from md_bridge.model_options import ModelOptions

__all__ = [
    "Curve",
    "Picture",
    "Plot",
    "Progress",
    "ProtocolRequest",
    "ProtocolResult",
    "Row",
    "Section",
    "with_agreement",
]

Progress = Callable[[str, float], None]
"""Called with what is being done, in a few words, and the share of the whole that is done."""


@dataclass(frozen=True)
class ProtocolRequest:
    """What to test, and how thoroughly. A protocol uses what it needs of it."""

    model: Path
    """Exported model."""
    start: Atoms
    """Positions, cell and velocities; runs start from it as it is."""
    folder: Path
    """Gets the inputs and outputs of every run; made if missing."""
    host: str = "lammps"
    """``lammps`` or ``i-pi``."""
    forces: tuple[Kind, ...] = (("conservative", None),)
    """Kinds of forces with their M, see :func:`md_bridge.forces.parse_kinds`."""
    timestep_fs: float = 0.5
    """Inner step (fs)."""
    length_ps: float = 1.0
    temperature: float = 300.0
    """K, for the protocols that have a thermostat."""
    seed: int = 1
    threads: int = 1
    model_options: ModelOptions = field(default_factory=ModelOptions)

    @property
    def methods(self) -> list[Method]:
        """One for each kind of forces, in the order given."""
        return methods_of(self.host, self.forces, self.timestep_fs, self.model_options)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    :param verdict: in a word or two
    :param good: None if nothing can be said
    :param observed: for information only, as all that direct forces do: no part of the result
    """

    cells: tuple[str, ...]
    verdict: str
    good: bool | None
    observed: bool = False


@dataclass(frozen=True)
class Section:
    """A further table, with a heading of its own."""

    title: str
    columns: tuple[tuple[str, str], ...]
    """As those of :class:`ProtocolResult`."""
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Curve:
    """A line of the plot; with ``markers`` points, with ``bars`` a bar for each point."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    markers: bool = False
    bars: bool = False


@dataclass(frozen=True)
class Plot:
    """One panel of the page."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    logarithmic: tuple[bool, bool] = (False, False)
    """Of x and y."""


@dataclass(frozen=True)
class Picture:
    """One that is drawn already, with a heading of its own."""

    title: str
    words: str
    """What it shows, for those who do not see it."""
    svg: bytes


@dataclass(frozen=True)
class ProtocolResult:
    """What a protocol found."""

    protocol: str
    title: str
    lead: str
    """What was done, in a sentence or two."""
    columns: tuple[tuple[str, str], ...]
    """Heading and unit of each cell; the verdict has a column of its own, the last."""
    rows: tuple[Row, ...]
    sentences: tuple[str, ...]
    """What the numbers say, and what they do not."""
    summary: Mapping[str, Any]
    """Every number, for JSON: None where a number does not exist."""
    plots: tuple[Plot, ...] = field(default=())
    sections: tuple[Section, ...] = field(default=())
    pictures: tuple[Picture, ...] = field(default=())

    @property
    def passed(self) -> bool | None:
        """False if any row is bad; else None if nothing can be said of one; else True."""
        rows = [*self.rows, *(row for section in self.sections for row in section.rows)]
        judged = [row.good for row in rows if not row.observed]
        if False in judged:
            return False
        return None if None in judged else True


def with_agreement(
    result: ProtocolResult, runs: Sequence[tuple[bool, ForceAgreement | None]]
) -> ProtocolResult:
    """A result that also says how far inner and conservative forces were apart.

    :param result: of runs of dynamics
    :param runs: whether each has two models, and how its forces agree at the first outer step
    """
    known = [{"two_models": two, **asdict(found)} for two, found in runs if found is not None]
    return replace(
        result,
        sentences=(*result.sentences, *agreement_sentences(runs)),
        summary={**result.summary, "agreement_eV_per_angstrom": known},
    )
