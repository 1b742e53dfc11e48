"""Training: Adam with a cosine schedule, averaged weights, and stops that lose nothing."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from md_bridge.distil.errors import DistilError, FrameFolderError
from md_bridge.distil.student import Student
from md_bridge.distil.training.batches import Frames, Item, TrainingBatch, epoch_of_batches
from md_bridge.distil.training.loss import LabelScales, Sums, sums_of
from md_bridge.text import replace_atomically

__all__ = ["Curves", "Schedule", "Trainer", "clipped_gradient", "label_scales"]

CHECKPOINT_SECONDS = 30.0
_CLIP = 1.5
"""Gradients are clipped at this multiple of their running norm."""
_REMEMBERED = 0.98
"""Of the running norm in each step."""
_LEAST_PATIENCE = 400
"""Steps: the error may rise at first."""
_VALIDATIONS = 40
"""Of the whole training."""


@dataclass(frozen=True)
class Schedule:
    """Steps and rates."""

    steps: int
    learning_rate: float = 4e-3
    warm_up: float = 0.03
    """Share of the steps in which the rate rises."""
    averaged: float = 0.995
    """What averaged weights keep in each step, in the end."""
    patience: float = 0.25
    """Share of the steps after which training stops if the error on held-out dynamics did not
    fall."""

    def rate(self, step: int) -> float:
        """The learning rate.

        :param step: from 0
        """
        done = step / self.steps
        rising = min(1.0, done / self.warm_up + 0.02)
        return self.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * done)) + 1e-6

    @property
    def patient_steps(self) -> float:
        """Steps without progress after which training stops; few steps are never too many."""
        return max(_LEAST_PATIENCE, self.patience * self.steps)

    @property
    def validate_every(self) -> int:
        """Steps between two looks at held-out dynamics."""
        return max(1, self.steps // _VALIDATIONS)


@dataclass
class Curves:
    """The errors on the way, relative to the labels: see :mod:`md_bridge.distil.training.loss`."""

    steps: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    """Mean loss since the entry before."""
    held_out: list[float] = field(default_factory=list)
    """Loss of the averaged weights on held-out dynamics."""


def label_scales(frames: Frames, items: list[Item]) -> LabelScales:
    """The mean squares of the labels of some items.

    :param frames: all frames
    :param items: at least one pair among them
    """
    pairs = [item for item in items if item.is_pair]
    found = [frames.batch([item], torch.device("cpu")) for item in pairs]
    sums = _added(sums_of(batch.forces, batch) for batch in found)
    tiny = 1e-12  # of a start at which no force acts
    return LabelScales(
        max(float(sums.acceleration) / sums.atoms, tiny), max(float(sums.change) / sums.pairs, tiny)
    )


def clipped_gradient(
    student: Student,
    optimizer: torch.optim.Optimizer,
    batch: TrainingBatch,
    scales: LabelScales,
    typical: float | None,
) -> tuple[float, float]:
    """The gradient of the loss, clipped; the optimiser's step is left to the caller.

    :param student: that is trained
    :param optimizer: of its weights
    :param batch: to learn from
    :param scales: of the labels
    :param typical: the running norm of the gradient; None: not known yet
    :returns: the loss, and the running norm after it
    :raises DistilError: the gradient is not finite
    """
    difference = student(*batch.arguments)["forces"] - batch.forces
    loss = sums_of(difference, batch).loss(scales)
    optimizer.zero_grad()
    loss.backward()
    limit = math.inf if typical is None else _CLIP * typical
    norm = float(torch.nn.utils.clip_grad_norm_(student.parameters(), limit))
    if not math.isfinite(norm):
        raise DistilError(
            f"the gradient of the loss is {norm}: the frames hold forces that no student can "
            "learn from. Look at the starts, or take a lower temperature"
        )
    if typical is None:
        typical = norm
    return float(loss.detach()), _REMEMBERED * typical + (1 - _REMEMBERED) * min(norm, 3 * typical)


class Trainer:
    """Trains a student, from a checkpoint if there is one.

    What a student becomes depends on its first weights, the frames and the seed, and not on how
    often the training is interrupted.

    :param student: with the weights to begin with; trained in float32
    :param frames: to learn from
    :param schedule: steps and rates
    :param seed: of the order of the frames
    :param checkpoint: file of the state
    :param device: where to train
    :raises FrameFolderError: the checkpoint is damaged
    """

    def __init__(
        self,
        student: Student,
        frames: Frames,
        schedule: Schedule,
        seed: int,
        checkpoint: Path,
        device: torch.device,
    ) -> None:
        self.student = student.to(dtype=torch.float32, device=device)
        self.average = copy.deepcopy(self.student).requires_grad_(False)
        self.best: dict[str, torch.Tensor] = copy.deepcopy(self.average.state_dict())
        self.curves = Curves()
        self.step = 0
        self.stopped_early = False
        self.seconds = 0.0
        """Spent on the steps so far."""
        self._frames, self._schedule, self._seed = frames, schedule, seed
        self._checkpoint, self._device = checkpoint, device
        self._optimizer = torch.optim.Adam(self.student.parameters(), lr=schedule.learning_rate)
        self._scales = label_scales(frames, frames.training)
        self._held_out_scales = label_scales(frames, frames.held_out)
        self._typical: float | None = None
        self._epoch, self._position = 0, 0
        self._loss_sum, self._loss_count = 0.0, 0
        self._changing = False
        if checkpoint.exists():
            self._load()
            self._validate_if_due()  # of the last step, if it was interrupted there

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.step >= self._schedule.steps or self.stopped_early

    @property
    def best_loss(self) -> float:
        """The smallest error on held-out dynamics."""
        return min(self.curves.held_out, default=math.inf)

    def train(self, progress: Callable[[int, float], None]) -> None:
        """Do the steps that are left; an interruption leaves a checkpoint behind.

        :param progress: called after each step with the number done and the last error on held-out
            dynamics
        :raises DistilError: the checkpoint cannot be written, or gradients are not finite
        """
        saved = began = time.monotonic()
        before = self.seconds
        if not self._checkpoint.exists():
            self.save()  # an interruption of the first step has a state to go on from
        try:
            with _deterministic(self._device):
                while not self.done:
                    self._take_step()
                    now = time.monotonic()
                    self.seconds = before + now - began
                    if now - saved > CHECKPOINT_SECONDS:
                        self.save()
                        saved = now
                    progress(self.step, self.curves.held_out[-1] if self.curves.steps else 1.0)
        finally:
            if not self._changing:  # else the checkpoint before is the one to go on from
                self.save()

    def _take_step(self) -> None:
        """One step; an interruption finds the state before it or after it, or ``_changing``."""
        items = self._next_items()
        batch = self._frames.batch(items, self._device)
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.rate(self.step)
        loss, typical = clipped_gradient(
            self.student, self._optimizer, batch, self._scales, self._typical
        )
        self._changing = True
        self._optimizer.step()
        self._follow()
        self._typical = typical
        self._position += 1
        self.step += 1
        self._loss_sum, self._loss_count = self._loss_sum + loss, self._loss_count + 1
        self._changing = False
        self._validate_if_due()

    def _next_items(self) -> list[Item]:
        if self._position >= len(self._batches()):
            self._epoch, self._position = self._epoch + 1, 0
        return self._batches()[self._position]

    def _batches(self) -> list[list[Item]]:
        if getattr(self, "_batches_of", None) != self._epoch:
            self._made = epoch_of_batches(self._frames.training, [self._seed, self._epoch])
            self._batches_of = self._epoch
        return self._made

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the averaged weights; early on they forget faster."""
        kept = min(self._schedule.averaged, (self.step + 2) / (self.step + 21))
        for mean, weight in zip(self.average.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(weight, 1 - kept)

    def _validate_if_due(self) -> None:
        due = self.step % self._schedule.validate_every == 0 or self.step == self._schedule.steps
        if not self.step or not due or self.step in self.curves.steps[-1:]:
            return
        loss = self.held_out_loss()
        self._changing = True
        if loss < self.best_loss:
            self.best = copy.deepcopy(self.average.state_dict())
        curves = self.curves
        curves.steps.append(self.step)
        curves.held_out.append(loss)
        curves.training.append(self._loss_sum / max(self._loss_count, 1))
        self._loss_sum, self._loss_count = 0.0, 0
        best_step = curves.steps[curves.held_out.index(min(curves.held_out))]
        waited = self.step - best_step
        self.stopped_early = waited >= self._schedule.patient_steps
        self._changing = False

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """Loss of the averaged weights on held-out dynamics."""
        sums = []
        for items in epoch_of_batches(self._frames.held_out, [0]):
            batch = self._frames.batch(items, self._device)
            sums.append(sums_of(self.average(*batch.arguments)["forces"] - batch.forces, batch))
        return float(_added(sums).loss(self._held_out_scales))

    def save(self) -> None:
        """Write the checkpoint.

        :raises DistilError: it cannot be written
        """
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self._optimizer.state_dict(),
            "curves": vars(self.curves),
            "step": self.step,
            "stopped_early": self.stopped_early,
            "seconds": self.seconds,
            "typical": self._typical,
            "place": [self._epoch, self._position],
            "loss": [self._loss_sum, self._loss_count],
            "frames": self._numbers_of_frames(),
        }
        memory = io.BytesIO()  # torch aborts the process if the disk is full
        torch.save(state, memory)
        try:
            replace_atomically(
                self._checkpoint, lambda unfinished: unfinished.write_bytes(memory.getvalue())
            )
        except OSError as error:
            raise DistilError(
                f"cannot write {self._checkpoint}: {error.strerror or error}. The checkpoint "
                "before is there: make room, and the same command goes on"
            ) from error

    def _load(self) -> None:
        try:
            state: dict[str, Any] = torch.load(
                self._checkpoint, map_location=self._device, weights_only=True
            )
            self.student.load_state_dict(state["student"])
            self.average.load_state_dict(state["average"])
            self.best = state["best"]
            self._optimizer.load_state_dict(state["optimizer"])
            self.curves = Curves(**state["curves"])
            self.step, self.stopped_early = state["step"], state["stopped_early"]
            self.seconds, self._typical = state["seconds"], state["typical"]
            self._epoch, self._position = state["place"]
            self._loss_sum, self._loss_count = state["loss"]
            begun_with = state["frames"]
        except Exception as error:  # torch raises many kinds for a damaged file
            raise FrameFolderError(
                f"{self._checkpoint} cannot be read ({error}): delete it, and the training begins "
                "anew with the frames that are there"
            ) from error
        now = self._numbers_of_frames()
        if begun_with != now:
            raise FrameFolderError(
                f"{self._checkpoint} was begun with {begun_with[0]} frames, {begun_with[1]} more "
                f"held out, and now there are {now[0]} and {now[1]}: put back the frames of the "
                "earlier student, or delete that file, and the training begins anew with these"
            )

    def _numbers_of_frames(self) -> list[int]:
        """To learn from, and held out."""
        return [len(self._frames.training), len(self._frames.held_out)]


def _added(all_sums: Any) -> Sums:
    first, *others = list(all_sums)
    total = Sums(first.acceleration, first.atoms, first.change, first.pairs)
    for sums in others:
        total.acceleration = total.acceleration + sums.acceleration
        total.change = total.change + sums.change
        total.atoms += sums.atoms
        total.pairs += sums.pairs
    return total


@contextlib.contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """On a CPU, sums in a fixed order, with the same number of threads."""
    before = torch.are_deterministic_algorithms_enabled()
    if device.type == "cpu":
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
