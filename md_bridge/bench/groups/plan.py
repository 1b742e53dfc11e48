"""What all groups are made from: models, boxes, threads, folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from md_bridge.bench.boxes import box, write_box
from md_bridge.bench.models.files import ModelFiles, Source
from md_bridge.bench.panels import Bound, Subject
from md_bridge.bench.sessions import Session
from md_bridge.bench.sessions.lammps import Deck, LammpsSession
from md_bridge.bench.sessions.process import Work, WorkerSession

__all__ = ["Box", "Plan"]

_SOCKET_ATOMS = 200
"""i-PI is measured over sockets in boxes up to this size: what they add does not grow."""


@dataclass(frozen=True)
class Box:
    """A structure in a file."""

    path: Path
    atoms: int


@dataclass
class Plan:
    """What to measure, and with what."""

    models: list[ModelFiles]
    sizes: list[int]
    threads: int
    device: str
    folder: Path
    """For everything that runs."""
    multiplicities: list[int]
    """M of multiple time stepping."""
    scaling_sizes: list[int]
    memory_steps: int
    start: Path | None = None
    """Structure to copy; None: water."""
    timestep_fs: float = 0.5
    """The inner step."""
    _boxes: dict[int, Box] = field(default_factory=dict)
    _sessions: int = 0

    def box(self, size: int) -> Box:
        """A box of about so many atoms, in a file.

        :param size: number of atoms, about
        """
        if size not in self._boxes:
            atoms = box(size, self.start)
            path = write_box(atoms, self.folder.resolve() / f"box-{len(atoms)}.xyz")
            self._boxes[size] = Box(path, len(atoms))
        return self._boxes[size]

    def over_sockets(self, where: Box) -> bool:
        """Whether i-PI is measured over sockets, too, in a box.

        :param where: the box
        """
        return where.atoms <= _SOCKET_ATOMS

    def cases(self) -> Iterator[tuple[ModelFiles, Box]]:
        """Each model with each box."""
        for model in self.models:
            for size in self.sizes:
                yield model, self.box(size)

    def new_folder(self) -> Path:
        """For one session."""
        self._sessions += 1
        folder = self.folder.resolve() / f"run-{self._sessions}"
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def worker(
        self, source: Source, variables: Mapping[str, str] | None = None, **task: Any
    ) -> Callable[[float], Session]:
        """Opens a session of a worker on a model file.

        :param source: the model, for the task's ``model``
        :param variables: of its environment
        :param task: the rest of it
        """

        def open_session(limit_s: float) -> Session:
            whole: Mapping[str, Any] = {
                **task,
                "model": str(source.need()),
                "threads": self.threads,
                "device": self.device,
            }
            work = Work(whole, self.threads, self.new_folder(), variables or {})
            return WorkerSession(work, limit_s)

        return open_session

    def lammps(
        self,
        source: Source,
        where: Box,
        forces: str = "",
        inner: Source | None = None,
        ranks: int = 1,
        threads: int = 0,
        variables: Mapping[str, str] | None = None,
        **deck: Any,
    ) -> Callable[[float], Session]:
        """Opens a session of LAMMPS.

        :param source: the model
        :param where: the box
        :param forces: conservative or direct; empty for multiple time stepping
        :param inner: a small model for the inner steps
        :param ranks: of MPI
        :param threads: of each; 0: those of the plan
        :param variables: of its environment
        :param deck: further fields of :class:`~md_bridge.bench.sessions.lammps.Deck`
        """

        def open_session(limit_s: float) -> Session:
            keywords = []
            if forces:
                keywords.append(f"forces {forces}")
                # LAMMPS asks for a pressure in the first and last step of a run
                keywords.append("virial conservative" if forces == "conservative" else "")
            if inner is not None:
                keywords.append(f"inner {inner.need()}")
            keywords.append(f"device {self.device}")
            ready = Deck(
                where.path, source.need(), self.timestep_fs, " ".join(filter(None, keywords)),
                **deck,
            )  # fmt: skip
            return LammpsSession(
                ready, ranks, threads or self.threads, self.new_folder(), limit_s, variables
            )

        return open_session

    def steps(self) -> str:
        """The unit of times per inner step."""
        return f"step of {self.timestep_fs:g} fs"

    def one_model_steps(
        self, open_step: Callable[[int], Callable[[float], Session]], suffix: str = ""
    ) -> list[Subject]:
        """Multiple time stepping of one model, for each M, against its bound.

        :param open_step: from M to what opens it
        :param suffix: of the names of all rows of this program
        """
        bound = Bound(f"conservative{suffix}", f"direct{suffix}")
        return [
            Subject(f"MTS M = {m}{suffix}", open_step(m), multiplicity=m, bound=bound)
            for m in self.multiplicities
        ]
