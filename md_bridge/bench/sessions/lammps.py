"""Steps in the stock LAMMPS, which reads its commands from us and reports its own loop time."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from md_bridge.bench.errors import UnavailableError
from md_bridge.bench.sessions.child import Child
from md_bridge.bench.sessions.session import Burst
from md_bridge.errors import ArgumentError
from md_bridge.lammps.runner import environment, lmp_command
from md_bridge.model_names import is_python_model
from md_bridge.processes import memory_of

__all__ = ["Deck", "LammpsSession"]

_WARM_UP = 3
"""Steps that are not timed."""
_POLL_S = 0.02
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Deck:
    """A simulation in LAMMPS."""

    start: Path
    """Structure with velocities, as ASE reads it."""
    model: Path
    """A file, or ``python:…``, which runs LAMMPS inside of Python."""
    timestep_fs: float
    """The inner step."""
    keywords: str = ""
    """Of the pair style."""
    multiplicity: int = 1
    """M, inner steps in a step."""
    extra: str = ""
    """Further lines before the run."""

    def commands(self, folder: Path) -> str:
        """All up to the first timed step; the structure is written beside it.

        :param folder: for the structure
        """
        atoms = ase.io.read(self.start)
        assert isinstance(atoms, Atoms)
        elements = sorted(set(atoms.symbols))
        ase.io.write(folder / "start.data", atoms, format="lammps-data", specorder=elements,
                     masses=True, velocities=True, units="metal")  # fmt: skip
        respa = f"run_style respa 2 {self.multiplicity} inner 1 3.0 4.0 outer 2"
        return f"""units metal
read_data start.data
pair_style mdbridge {self.model} timing yes {self.keywords}
pair_coeff * * {" ".join(elements)}
fix move all nve
timestep {1e-3 * self.timestep_fs * self.multiplicity:.10g}
{respa if self.multiplicity > 1 else "run_style verlet"}
{self.extra}
thermo 1000000000
run {_WARM_UP}
"""


class LammpsSession:
    """One process that waits for commands between its turns; of several ranks the processes belong
    to ``mpiexec``, which is not stopped but started anew for each turn.

    :param deck: the simulation
    :param ranks: of MPI
    :param threads: of each
    :param folder: it runs in
    :param limit_s: how long it may take to start and make its first steps
    :param variables: of its environment, besides those that it always has
    :raises UnavailableError: LAMMPS stops
    """

    first: Mapping[str, Any] | None = None

    def __init__(
        self,
        deck: Deck,
        ranks: int,
        threads: int,
        folder: Path,
        limit_s: float,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._commands = deck.commands(folder)
        self._model = deck.model
        self._ranks, self._threads, self._folder = ranks, threads, folder
        self._variables = variables or {}
        self._turn = 0
        self._child: Child | None = None
        try:
            self.run(1, limit_s)
        except BaseException:
            self.close()
            raise

    def run(self, count: int, limit_s: float) -> Burst:
        """Do so many (outer) steps.

        :param count: how many
        :param limit_s: how long they may take; with several ranks the start is part of it
        """
        child = self._child or self._start()
        self._turn += 1
        log = self._folder / f"{self._turn}.log"
        done = self._folder / f"{self._turn}.done"
        with child.awake():
            # a log is complete when the next one begins, the file after it says that it has begun
            commands = f"log {log.name}\nrun {count}\nlog none\nprint done file {done.name}\n"
            child.send(commands)
            self._wait(child, done, limit_s)
        details = memory_of(child.pid) if self._ranks == 1 else {}
        if self._ranks > 1:
            self.close()
        text = log.read_text(encoding="utf-8")
        log.unlink()
        done.unlink()
        return Burst(_loop_seconds(text) / count, {**details, **_overhead(text)})

    def _start(self) -> Child:
        """A process that has done the warm-up, or is doing it."""
        words = ["-log", "none", *(["-in", "-"] if is_python_model(self._model) else [])]
        try:
            command = lmp_command(words, self._ranks, models=[self._model])
        except ArgumentError as error:
            raise UnavailableError(str(error)) from error
        self._child = Child(
            command,
            self._folder,
            self._folder / "screen.log",
            {**environment(self._threads), **self._variables},
        )
        self._child.send(self._commands)
        return self._child

    def _wait(self, child: Child, done: Path, limit_s: float) -> None:
        """Until a file is there."""
        deadline = time.monotonic() + limit_s
        while not done.exists():
            if child.status is not None:
                raise UnavailableError(self._last_words(child))
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"LAMMPS did not answer within {limit_s:.0f} s, and was ended"
                )
            time.sleep(_POLL_S)

    def _last_words(self, child: Child) -> str:
        """Why LAMMPS stopped."""
        screen = (self._folder / "screen.log").read_text(encoding="utf-8", errors="replace")
        errors = re.findall(r"^ERROR.*", screen, re.MULTILINE)
        return f"LAMMPS stopped: {errors[-1] if errors else child.last_words()}"

    def close(self) -> None:
        """End the process; ranks end at the end of their input, and free what they share."""
        child, self._child = self._child, None
        if child is not None:
            child.close(_PATIENCE_S if self._ranks > 1 else 0.0)


def _loop_seconds(log: str) -> float:
    """As LAMMPS reports it, without the set-up of the run."""
    found = re.findall(r"^Loop time of (\S+)", log, re.MULTILINE)
    if not found:
        raise UnavailableError("LAMMPS reported no loop time")
    return float(found[-1])


def _overhead(log: str) -> dict[str, float]:
    """The share of the loop that is neither forward nor backward.

    The pair style's table includes the set-up of the run, LAMMPS's does not: shares are compared.
    """
    table = re.findall(r"^  (\w[\w ]*?) {2,}(\d+\.\d+) +\d+\.\d+ %$", log, re.MULTILINE)
    seconds = {name: float(value) for name, value in table}
    pair = re.findall(r"^Pair +\| +\S+ +\| +(\S+)", log, re.MULTILINE)
    if not pair or not seconds.get("total"):
        return {}
    in_model = (seconds["forward"] + seconds.get("backward", 0.0)) / seconds["total"]
    return {"overhead": 1.0 - in_model * float(pair[-1]) / _loop_seconds(log)}
