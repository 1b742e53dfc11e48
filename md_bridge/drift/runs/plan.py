"""What is to be run: a single run, and the runs of a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from md_bridge.drift.records.method import HOSTS, Method
from md_bridge.errors import ArgumentError
from md_bridge.forces import LARGEST_CORRECTION, Kind, parse_kinds
from md_bridge.model_names import ModelName
from md_bridge.model_options import ModelOptions
from md_bridge.processes import STALL_MINUTES
from md_bridge.text import nearest

__all__ = [
    "DEFAULT_FORCES",
    "DEFAULT_FORCES_OF_TWO",
    "MINIMISER_STEPS",
    "RUN_HOSTS",
    "CampaignPlan",
    "Run",
    "methods_of",
    "require_host",
]

DEFAULT_FORCES = "conservative,direct,mts:2,mts:4,mts:8"

DEFAULT_FORCES_OF_TWO = "conservative,mts:2,mts:4,mts:8"
"""With an inner model: nobody asks for direct forces, which the outer model need not have."""

RUN_HOSTS = ("lammps", "i-pi")
"""Hosts in which runs can be made."""

MINIMISER_STEPS = 1000
"""After so many the start is taken as it is then, as FAIR-Chem's protocol does."""

# 53 bits are a whole number for every reader of JSON
_UNUSED_BITS = np.uint64(11)


@dataclass(frozen=True)
class Run:
    """What to run.

    :raises ArgumentError: fewer steps than one
    """

    method: Method
    outer_steps: int
    replica: int | None = None
    """Number of the start, from 1, where there are several."""
    seed: int | None = None
    """Of the thermostat that made the start."""
    model_options: ModelOptions = field(default_factory=ModelOptions)
    stall_minutes: float = STALL_MINUTES
    """Time without a sign of life after which the host counts as hung."""

    def __post_init__(self) -> None:
        if self.outer_steps < 1:
            raise ArgumentError("outer_steps", f"must be positive, found {self.outer_steps}")

    @property
    def host_options(self) -> ModelOptions:
        """What the host is told of the model: of inner forces only where they are used."""
        if self.method.two_models:
            return self.model_options
        of_one = self.model_options.without_inner()
        if self.method.multiplicity is not None:
            return of_one
        return replace(of_one, max_correction=LARGEST_CORRECTION)

    def models(self, model: ModelName) -> list[ModelName]:
        """All that the run needs: the model, and the one of the inner forces, if any.

        :param model: of the outer forces
        """
        inner = self.host_options.inner
        return [model, inner] if inner else [model]

    @property
    def label(self) -> str:
        """A short name for people: ``LAMMPS MTS M=4``, ``LAMMPS MTS M=4 #2``."""
        return self.method.replica_label(self.replica)

    @property
    def name(self) -> str:
        """A short name that is safe as a file name: ``lammps-mts-4-replica-2``."""
        return self.method.replica_name(self.replica)

    @property
    def outer_timestep_fs(self) -> float:
        """Time of an outer step (fs)."""
        return self.method.outer_timestep_fs


@dataclass(frozen=True)
class CampaignPlan:
    """NVE runs of one model from independent starts at one temperature.

    :raises ArgumentError: a number out of its range, or an unknown host
    """

    model: Path
    start: Path
    """Structure file; its velocities are replaced, unless ``keep_velocities``."""
    host: str = "lammps"
    """``lammps`` or ``i-pi``."""
    forces: tuple[Kind, ...] = parse_kinds(DEFAULT_FORCES)
    """Kinds of forces with their M."""
    timestep_fs: float = 0.5
    """Inner step (fs)."""
    length_ps: float = 10.0
    temperature_k: float = 300.0
    replicas: int = 4
    equilibration_ps: float = 1.0
    seed: int = 1
    """Of the starts: the same seed makes the same ones again, another seed makes others."""
    keep_velocities: bool = False
    """Run from the start as it is: one replica, no equilibration."""
    minimise_fmax: float = 0.0
    """Minimise the energy of the start before velocities are drawn, to forces below this (eV/Å); 0:
    leave it as it is."""
    zero_rotation: bool = False
    """Take the angular momentum out of the velocities of the starts."""
    preset: str = ""
    """The published protocol that the settings are of; only named in reports."""
    model_options: ModelOptions = field(default_factory=ModelOptions)
    stall_minutes: float = STALL_MINUTES
    """Time without a step and without a printed word after which a run counts as hung."""

    def __post_init__(self) -> None:
        require_host(self.host)
        for argument in (
            "timestep_fs",
            "length_ps",
            "temperature_k",
            "replicas",
            "stall_minutes",
        ):
            value = getattr(self, argument)
            if not 0 < value < float("inf"):
                raise ArgumentError(argument, f"must be positive and finite, found {value:g}")
        if not 0 <= self.equilibration_ps < float("inf"):
            raise ArgumentError(
                "equilibration_ps", f"must be 0 ps or more, found {self.equilibration_ps:g}"
            )
        if self.keep_velocities and (self.replicas != 1 or self.equilibration_ps != 0):
            raise ArgumentError(
                "keep_velocities",
                "is for one replica and no equilibration, found "
                f"{self.replicas} and {self.equilibration_ps:g} ps",
            )
        if not 0 <= self.minimise_fmax < float("inf"):
            raise ArgumentError(
                "minimise_fmax", f"must be 0 eV/Å or more, found {self.minimise_fmax:g}"
            )
        if self.keep_velocities and (self.minimise_fmax or self.zero_rotation):
            raise ArgumentError(
                "keep_velocities",
                "leaves the start as it is, found that it is to be minimised, or its velocities "
                "changed: leave one of them out",
            )
        longest = max(method.outer_timestep_fs for method in self.methods)
        if self.length_ps * 1000 < longest:
            raise ArgumentError(
                "length_ps", f"{self.length_ps:g} is shorter than an outer step of {longest:g} fs"
            )

    @property
    def methods(self) -> list[Method]:
        """One for each kind of forces, in the order given."""
        return methods_of(self.host, self.forces, self.timestep_fs, self.model_options)

    @property
    def two_models(self) -> bool:
        """Whether the inner forces come from a model of their own."""
        return any(method.two_models for method in self.methods)

    @property
    def equilibration_steps(self) -> int:
        """Steps of the thermostat."""
        return round(self.equilibration_ps * 1000 / self.timestep_fs)

    @property
    def start_steps(self) -> int:
        """Steps that make a start, at most: those of the minimiser and of the thermostat."""
        return (MINIMISER_STEPS if self.minimise_fmax else 0) + self.equilibration_steps

    def replica_seed(self, replica: int) -> int:
        """Seed of the thermostat of a replica (counted from 1).

        It depends on ``seed`` and this number alone, so that more replicas leave the first ones as
        they are, and no two campaigns with different seeds share one
        (:class:`numpy.random.SeedSequence`).

        :param replica: its number, from 1
        """
        sequence = np.random.SeedSequence(self.seed, spawn_key=(replica - 1,))
        return int(sequence.generate_state(1, np.uint64)[0] >> _UNUSED_BITS)

    def runs(self) -> list[Run]:
        """All runs: every kind of forces from the first start, then from the second."""
        return [
            Run(
                method,
                round(self.length_ps * 1000 / method.outer_timestep_fs),
                replica,
                self.replica_seed(replica),
                self.model_options,
                self.stall_minutes,
            )
            for replica in range(1, self.replicas + 1)
            for method in self.methods
        ]


def methods_of(
    host: str, forces: Iterable[Kind], timestep_fs: float, options: ModelOptions
) -> list[Method]:
    """One for each kind of forces, in the order given.

    :param host: ``lammps`` or ``i-pi``
    :param forces: kinds of forces with their M
    :param timestep_fs: inner step (fs)
    :param options: with an inner model or without
    """
    return [
        Method(host, kind, m, timestep_fs, kind == "mts" and bool(options.inner))
        for kind, m in forces
    ]


def require_host(host: str) -> None:
    """Refuse a host in which no run can be made.

    :param host: its name, ``lammps`` or ``i-pi``
    :raises ArgumentError: naming the nearest one
    """
    if host not in RUN_HOSTS:
        near = nearest(host, RUN_HOSTS)
        hint = f"; did you mean {near}?" if near else ""
        known = " or ".join(RUN_HOSTS)
        other = " (runs of it can be judged, not made)" if host in HOSTS else ""
        raise ArgumentError("host", f"must be {known}, found {host!r}{other}{hint}")
