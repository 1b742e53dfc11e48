"""The whole job: frames, training, and the student as a file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols

from md_bridge.distil.budget import Counts, count, held_out_blocks, runs_of
from md_bridge.distil.costs import measure_costs
from md_bridge.distil.earlier import FOLDER, Taken, earlier_folders, take_frames
from md_bridge.distil.errors import DistilError, FrameFolderError
from md_bridge.distil.files import copy_learned, read_student, write_student
from md_bridge.distil.labelling.consistency import labels_are_of
from md_bridge.distil.labelling.driving import Driving, choose_driving
from md_bridge.distil.labelling.frames import FrameStore
from md_bridge.distil.labelling.sampling import Run, Sampler, default_timestep
from md_bridge.distil.labelling.teacher import Source, Teacher, check_starts, open_teacher
from md_bridge.distil.request import DistilRequest
from md_bridge.distil.settings import Decided, StudentFolder, asked
from md_bridge.distil.student import Architecture, Student
from md_bridge.distil.training.batches import Frames
from md_bridge.distil.training.held_out import (
    ElementErrors,
    as_data,
    fit_free_atoms,
    held_out_errors,
)
from md_bridge.distil.training.trainer import Curves, Schedule, Trainer
from md_bridge.distil.tuning import SHARE_BEFORE, Progress, TuningOutcome, measure_multiplicity
from md_bridge.engine import TEACHER_VARIANT, choose_threads, set_threads
from md_bridge.errors import ArgumentError
from md_bridge.export.checks.costs import EvaluationCosts
from md_bridge.export.files import check_destination
from md_bridge.structures import read_structures, spread

__all__ = ["Distilled", "Progress", "distil", "perform"]

_SHARE_OF_FRAMES = 1 / 3
"""Of the bar before the search."""
_TOLD_EVERY = 0.2
"""Seconds between two words about the training."""
_MOST_CHECKED = 20
"""Starts that the teacher is tried on."""


@dataclass(frozen=True)
class Distilled:
    """A student, and what is known of it."""

    path: Path
    folder: Path
    architecture: Architecture
    teacher: str
    counts: Counts
    frames: int
    """Labelled ones that it was made from, those held out among them."""
    earlier: Taken
    """Those of earlier students among them."""
    dropped: int
    """Frames that the teacher gave no finite forces for."""
    timestep_fs: float
    driving: Driving
    """Of the dynamics that the frames are from."""
    curves: Curves
    errors: tuple[ElementErrors, ...]
    """On held-out dynamics."""
    costs: EvaluationCosts
    """Of teacher (outer) and student (inner), on the first start."""
    tuning: TuningOutcome
    """The largest M that conserves energy, if it was measured."""
    steps: int
    """Of the training that were done."""
    seconds: float
    """Of the training."""


def distil(
    teacher: Source,
    starts: Sequence[Path | str | Atoms] | Path | str | Atoms,
    out: Path | str,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Distilled:
    """Make a small student of a model, for the inner steps of multiple time stepping.

    ::

        distil("pet-mad.pt", "start.xyz", "inner.pt", temperatures_k=(300, 600), hours=1)

    The same call goes on where it was interrupted.

    :param teacher: an exported file, ``python:package.module:factory`` of a model that Python
        evaluates, or an ASE calculator
    :param starts: structures, or files with some; periodic or not
    :param out: file of the student, ``something.pt``; what it is made of goes to
        ``something.distil`` beside it
    :param progress: called from time to time
    :param options: the other fields of :class:`DistilRequest`
    :raises md_bridge.errors.MDBridgeError: with what was expected and what was found
    """
    given = [starts] if isinstance(starts, Path | str | Atoms) else list(starts)
    request = DistilRequest(
        teacher,
        [each if isinstance(each, Atoms) else Path(each) for each in given],
        Path(out),
        **options,
    )
    return perform(request, progress or (lambda stage, share, detail: None))


def perform(request: DistilRequest, progress: Progress) -> Distilled:
    """Make a student, or go on with it.

    :param request: what to make
    :param progress: called from time to time
    :raises md_bridge.errors.MDBridgeError: with what was expected and what was found
    """
    check_destination(request.out)
    _refuse_to_overwrite(request)
    set_threads(choose_threads(request.model_options.threads))
    progress("loading the teacher", None, "")
    teacher = open_teacher(request.teacher, request.model_options)
    starts = _read(request.starts)
    check_starts(teacher, spread(starts, _MOST_CHECKED))
    folder = StudentFolder(request.place)
    with folder.alone():
        return _Work(request, teacher, starts, folder, progress).perform()


def _refuse_to_overwrite(request: DistilRequest) -> None:
    """The teacher and an earlier student stay what they are."""
    precious = {"the teacher": request.teacher, "the earlier student": request.from_student}
    for what, file in precious.items():
        if isinstance(file, str | os.PathLike) and os.path.realpath(file) == os.path.realpath(
            request.out
        ):
            raise ArgumentError(
                "out", f"'{request.out}' is {what}, which would be lost: name another file"
            )


class _Work:
    def __init__(
        self,
        request: DistilRequest,
        teacher: Teacher,
        starts: list[Atoms],
        folder: StudentFolder,
        progress: Progress,
    ) -> None:
        self._request, self._teacher, self._starts = request, teacher, starts
        self._folder, self._progress = folder, progress
        self._device = _torch_device(request.model_options.device)
        self._earlier = None if request.from_student is None else read_student(request.from_student)
        searched = request.tune and teacher.model is not None
        self._before_search = SHARE_BEFORE if searched else 1.0
        self._taken = Taken()
        self._decide()

    def _decide(self) -> None:
        """Counts, architecture, time step, driving forces: those of the folder if it was begun."""
        wanted = asked(self._request, self._teacher, self._starts)
        decided = self._folder.settings(wanted)
        if decided is None:
            timestep = self._request.timestep_fs or default_timestep(self._starts)
            architecture = self._architecture()
            driving = choose_driving(self._teacher, spread(self._starts, _MOST_CHECKED))
            sampler = Sampler(
                self._teacher, timestep, self._request.seed, 0, driving.multiple_time_stepping
            )
            counts = count(
                self._request,
                self._starts,
                sampler,
                architecture,
                self._device,
                lambda what: self._progress(what, None, ""),
            )
            earlier = self._relative_folders()
            decided = Decided(counts, architecture, timestep, driving, earlier)
            self._folder.claim(wanted, decided)
        self.counts, self.architecture = decided.counts, decided.architecture
        self.timestep_fs, self.driving = decided.timestep_fs, decided.driving
        self._earlier_folders = decided.earlier

    def _relative_folders(self) -> tuple[str, ...]:
        """Where earlier frames are, as seen from the folder of this student."""
        source = self._request.from_student
        if source is None or self._earlier is None:
            return ()
        found = earlier_folders(source, self._earlier.about)
        return tuple(os.path.relpath(each, self._folder.path) for each in found)

    def _architecture(self) -> Architecture:
        elements = sorted({int(number) for atoms in self._starts for number in atoms.numbers})
        cutoff = self._request.cutoff
        if self._earlier is None:
            return Architecture(tuple(elements), cutoff or _default_cutoff(self._starts))
        earlier = self._earlier.architecture
        if list(earlier.elements) != elements:
            raise ArgumentError(
                "from_student",
                f"knows {_symbols(earlier.elements)}, and the starts have {_symbols(elements)}: "
                "begin without it, or add starts with the elements that are missing",
            )
        if cutoff is not None and cutoff != earlier.cutoff:
            raise ArgumentError(
                "cutoff",
                f"is {cutoff:g} Å, and that of the earlier student {earlier.cutoff:g} Å: leave it "
                "out, or begin without that student",
            )
        return earlier

    def perform(self) -> Distilled:
        counts = self.counts
        runs = runs_of(spread(self._starts, counts.starts), self._request.temperatures_k)
        frames, dropped = self._frames(runs)
        student = Student(self.architecture, self._request.seed)
        if self._earlier is not None:
            copy_learned(self._earlier.state, student)
        else:
            self._normalise(student, frames)
        trainer = self._train(student, frames)
        student, errors = self._finished(trainer, frames)
        self._write(student, errors, runs, frames)
        costs, tuning = self._measure()
        return Distilled(
            path=self._request.out,
            folder=self._folder.path,
            architecture=self.architecture,
            teacher=self._teacher.name,
            counts=counts,
            frames=len(frames),
            earlier=self._taken,
            dropped=dropped,
            timestep_fs=self.timestep_fs,
            driving=self.driving,
            curves=trainer.curves,
            errors=tuple(errors),
            costs=costs,
            tuning=tuning,
            steps=trainer.step,
            seconds=trainer.seconds,
        )

    def _frames(self, runs: list[Run]) -> tuple[Frames, int]:
        """Those of an earlier student of the same teacher, and new ones."""
        frames = Frames(self.architecture.cutoff)
        self._add_earlier(frames)
        sampler = Sampler(
            self._teacher,
            self.timestep_fs,
            self._request.seed,
            self.counts.frames(len(runs)),
            self.driving.multiple_time_stepping,
        )
        store = FrameStore(self._folder.frames)
        self._require_labels_of_teacher(store)
        total = len(runs) * self.counts.blocks
        done = 0
        for run in runs:
            held_out_from = self.counts.blocks - held_out_blocks(self.counts.blocks)
            for number in range(1, self.counts.blocks + 1):
                held_out = number > held_out_from
                block = sampler.make(store, run, number, distort=not held_out)
                frames.add(block, held_out)
                done += 1
                self._progress(
                    "frames",
                    self._before_search * _SHARE_OF_FRAMES * done / total,
                    f"{len(frames)} at {run.temperature_k:g} K",
                )
        return frames, sampler.dropped

    def _require_labels_of_teacher(self, store: FrameStore) -> None:
        if not all(labels_are_of(self._teacher, block) for block in store.first_blocks()):
            raise FrameFolderError(
                f"the frames in {self._folder.path} were labelled by another teacher than "
                f"{self._teacher.name} as it is now: give another folder with --dir, or delete it"
            )

    def _add_earlier(self, frames: Frames) -> None:
        """The frames of an earlier student, if they are there and the teacher is the same."""
        if self._earlier is None:
            return
        place = self._folder.path
        folders = [Path(os.path.normpath(place / each)) for each in self._earlier_folders]
        self._taken = take_frames(folders, self._teacher, frames)
        told = " ".join([f"{self._taken.frames} frames", *self._taken.why_not])
        self._progress("the earlier student", None, told)

    def _normalise(self, student: Student, frames: Frames) -> None:
        """By the first frames of all elements."""
        items = [
            frames.training[k]
            for k in np.unique(np.linspace(0, len(frames.training) - 1, 16).astype(int))
        ]
        batch = frames.batch(items, torch.device("cpu"))
        arguments = tuple(
            tensor.double() if tensor.is_floating_point() else tensor for tensor in batch.arguments
        )
        rms = float(batch.forces.double().square().mean().sqrt())
        student.normalise(arguments, max(rms, 1e-3))

    def _train(self, student: Student, frames: Frames) -> Trainer:
        trainer = Trainer(
            student,
            frames,
            Schedule(self.counts.steps),
            self._request.seed,
            self._folder.checkpoint,
            self._device,
        )
        told = 0.0

        def show(step: int, held_out: float) -> None:
            nonlocal told
            if time.monotonic() - told > _TOLD_EVERY or trainer.done:
                told = time.monotonic()
                share = _SHARE_OF_FRAMES + (1 - _SHARE_OF_FRAMES) * step / self.counts.steps
                self._progress(
                    "training", self._before_search * share, f"error {held_out**0.5:.1%}"
                )

        trainer.train(show)
        return trainer

    def _finished(self, trainer: Trainer, frames: Frames) -> tuple[Student, list[ElementErrors]]:
        """The best student, its constants in full precision, and its errors."""
        trained = trainer.average
        trained.load_state_dict(trainer.best)
        elements = self.architecture.elements
        errors = held_out_errors(trained, frames, elements, self._device)
        fit_free_atoms(trained, frames, elements, self._device)
        student = Student(self.architecture)
        copy_learned(trained.state_dict(), student)
        return student, errors

    def _write(
        self, student: Student, errors: list[ElementErrors], runs: list[Run], frames: Frames
    ) -> None:
        request = self._request
        self._progress("writing the student", None, "")
        symbols = _symbols(self.architecture.elements)
        about = {
            "teacher": self._teacher.name,
            "teacher_sha256": self._teacher.checksum,
            TEACHER_VARIANT: request.model_options.variant,
            "temperatures_K": list(request.temperatures_k),
            "seed": request.seed,
            "counts": {**asdict(self.counts), "runs": len(runs), "frames": len(frames)},
            "held_out": as_data(errors),
            FOLDER: os.path.relpath(self._folder.path, request.out.parent),
        }
        write_student(
            student,
            self.architecture,
            request.out,
            f"student of {self._teacher.name}",
            f"For the inner steps of multiple time stepping with {self._teacher.name} outside; "
            f"knows {symbols}. Its direct forces are the gradient of its energy",
            about,
        )

    def _measure(self) -> tuple[EvaluationCosts, TuningOutcome]:
        """What both models cost, and which M conserves energy."""
        request, teacher, start = self._request, self._teacher, self._starts[0]
        self._progress("measuring the costs", None, "")
        costs = measure_costs(teacher, request.out, start, request.model_options)
        tuning = measure_multiplicity(
            request, teacher, start, self.timestep_fs, self._folder.path, self._progress
        )
        return costs, tuning


def _read(starts: Sequence[Path | Atoms]) -> list[Atoms]:
    found: list[Atoms] = []
    for each in starts:
        here = [each.copy()] if isinstance(each, Atoms) else read_structures(each)
        for number, atoms in enumerate(here, 1):
            if len(atoms) < 2:
                where = "a start" if isinstance(each, Atoms) else f"{each}: structure {number}"
                raise DistilError(
                    f"{where} has {len(atoms)} atom{'s' if len(atoms) != 1 else ''}: a student "
                    "learns from forces between at least two"
                )
        found += here
    return found


def _default_cutoff(starts: Sequence[Atoms]) -> float:
    """What holds 18 neighbours at the mean density, 3.5 to 7 Å: 3.5 Å in water. Without a volume,
    1.7 distances of nearest neighbours."""
    found = []
    for atoms in starts:
        if atoms.pbc.all() and atoms.cell.rank == 3:
            found.append((3 * 18 * atoms.cell.volume / len(atoms) / (4 * np.pi)) ** (1 / 3))
        else:
            distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
            np.fill_diagonal(distances, np.inf)
            found.append(1.7 * float(np.median(distances.min(axis=1))))
    return round(float(np.clip(max(found), 3.5, 7.0)), 1)


def _torch_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError("device", f"{name} cannot be used: {error}") from error
    return device


def _symbols(numbers: Sequence[int]) -> str:
    return ", ".join(chemical_symbols[number] for number in numbers)
