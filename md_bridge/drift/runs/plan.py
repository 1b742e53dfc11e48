"""What a campaign runs: kinds of forces x replicas, from the words of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from md_bridge.drift.records.method import Method
from md_bridge.drift.runs.dynamics import NveRun

DEFAULT_FORCES = "conservative,direct,mts:2,mts:4,mts:8"
DEFAULT_LENGTH_PS = 10.0
DEFAULT_TEMPERATURE_K = 300.0
DEFAULT_REPLICAS = 4
DEFAULT_EQUILIBRATION_PS = 1.0

_KINDS = ("conservative", "direct", "mts:2", "mts:4", "mts:8")


@dataclass(frozen=True)
class CampaignPlan:
    """NVE runs of one model from independent starts at one temperature.

    :raises ValueError: a number out of its range; the message names the option
    """

    model: Path
    start: Path
    """Structure file; its velocities are replaced, unless ``keep_velocities``."""
    engine: str
    """``lammps`` or ``i-pi``."""
    forces: tuple[tuple[str, int | None], ...]
    """Kinds of forces with their M, see :func:`parse_forces`."""
    timestep_fs: float = 0.5
    """Inner step (fs)."""
    length_ps: float = DEFAULT_LENGTH_PS
    temperature_k: float = DEFAULT_TEMPERATURE_K
    replicas: int = DEFAULT_REPLICAS
    equilibration_ps: float = DEFAULT_EQUILIBRATION_PS
    seed: int = 1
    keep_velocities: bool = False
    """Run from the start as it is: one replica, no equilibration."""
    variant: str = ""
    """Of the model's outputs."""

    def __post_init__(self) -> None:
        for option, value in (
            ("--timestep", self.timestep_fs),
            ("--ps", self.length_ps),
            ("--temperature", self.temperature_k),
            ("--replicas", self.replicas),
        ):
            if not 0 < value < float("inf"):
                raise ValueError(f"{option} must be positive and finite, found {value:g}")
        if not 0 <= self.equilibration_ps < float("inf"):
            raise ValueError(f"--equilibrate must be 0 ps or more, found {self.equilibration_ps:g}")
        if self.keep_velocities and (self.replicas != 1 or self.equilibration_ps != 0):
            raise ValueError(
                "--keep-velocities is for one replica and no equilibration, found "
                f"{self.replicas} and {self.equilibration_ps:g} ps"
            )
        longest = max(method.outer_timestep_fs for method in self.methods)
        if self.length_ps * 1000 < longest:
            raise ValueError(
                f"--ps {self.length_ps:g} is shorter than an outer step of {longest:g} fs"
            )

    @property
    def methods(self) -> list[Method]:
        """One for each kind of forces, in the order given."""
        return [Method(self.engine, kind, m, self.timestep_fs) for kind, m in self.forces]

    @property
    def equilibration_steps(self) -> int:
        """Steps of the thermostat."""
        return round(self.equilibration_ps * 1000 / self.timestep_fs)

    def replica_seed(self, replica: int) -> int:
        """Seed of the thermostat of a replica (counted from 1)."""
        return self.seed + replica - 1

    def runs(self) -> list[NveRun]:
        """All runs: every kind of forces from the first start, then from the second."""
        return [
            NveRun(
                *method.description,
                round(self.length_ps * 1000 / method.outer_timestep_fs),
                replica,
                self.replica_seed(replica),
                self.variant,
            )
            for replica in range(1, self.replicas + 1)
            for method in self.methods
        ]


def parse_forces(text: str) -> tuple[tuple[str, int | None], ...]:
    """``conservative,direct,mts:4`` as kinds of forces with their M.

    :raises ValueError: an unknown kind, named with the nearest valid one; an M that is no whole
        number above 1; a kind given twice; none at all
    """
    kinds = [_parse_kind(word.strip()) for word in text.split(",")]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise ValueError(f"'{_words(*kind)}' is given twice")
    return tuple(kinds)


def forces_text(forces: Sequence[tuple[str, int | None]]) -> str:
    """What :func:`parse_forces` reads."""
    return ",".join(_words(*kind) for kind in forces)


def _parse_kind(word: str) -> tuple[str, int | None]:
    if word in ("conservative", "direct"):
        return word, None
    kind, colon, number = word.partition(":")
    if kind == "mts" and colon:
        if not number.isdecimal() or int(number) < 2:
            raise ValueError(
                f"'{word}': M, the number of inner steps in an outer step, must be a whole number "
                "above 1, as in mts:4"
            )
        return "mts", int(number)
    if not word:
        raise ValueError(f"expected kinds of forces such as {DEFAULT_FORCES}, found nothing")
    near = difflib.get_close_matches(word, _KINDS, n=1) or ["mts:4"] * word.startswith("mts")
    hint = f", did you mean {near[0]}?" if near else ""
    raise ValueError(f"'{word}' is none of conservative, direct and mts:M{hint}")


def _words(kind: str, multiplicity: int | None) -> str:
    return kind if multiplicity is None else f"{kind}:{multiplicity}"
