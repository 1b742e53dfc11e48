"""What is made depends on the seed and the counts, and not on interruptions."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from distil_tools import frames_of, quietly, same_frames, same_student

from md_bridge.distil.api import perform
from md_bridge.distil.errors import DistilError, FrameFolderError
from md_bridge.distil.labelling import frames as frames_module
from md_bridge.distil.settings import StudentFolder
from md_bridge.distil.training import trainer
from md_bridge.errors import MDBridgeError


class StopError(Exception):
    """In place of Ctrl-C."""


def stopper(stage, count):
    """A progress that stops at the count-th word of a stage."""
    calls = 0

    def progress(said, share, detail):
        nonlocal calls
        calls += said == stage
        if calls == count and said == stage:
            raise StopError

    return progress


def test_the_same_seed_makes_the_same_student(request_of, reference, tmp_path):
    again = quietly(request_of(out=tmp_path / "again.pt"))
    assert same_frames(reference.folder, again.folder)
    assert same_student(reference.path, again.path)
    assert again.curves == reference.curves
    other = quietly(request_of(out=tmp_path / "other.pt", seed=2))
    assert not same_frames(reference.folder, other.folder)
    assert not same_student(reference.path, other.path)


def test_interrupted_anywhere_it_goes_on_as_if_nothing_was(
    request_of, reference, tmp_path, monkeypatch
):
    """By an exception, where the training leaves a checkpoint behind, at its first and later
    steps."""
    monkeypatch.setattr("md_bridge.distil.api._TOLD_EVERY", 0.0)
    request = request_of()
    for stage, count in (("frames", 1), ("frames", 2), ("training", 1), ("training", 5)):
        with pytest.raises(StopError):
            perform(request, stopper(stage, count))
    folder = StudentFolder(request.place)
    assert torch.load(folder.checkpoint, weights_only=True)["step"] == 6
    result = quietly(request)
    assert same_frames(reference.folder, result.folder)
    assert same_student(reference.path, result.path)
    assert result.curves == reference.curves
    assert [each.force for each in result.errors] == [each.force for each in reference.errors]


KILLED = """
import os, signal, sys, pickle
sys.path.insert(0, {helpers!r})
from md_bridge.distil import api
from md_bridge.distil.training import trainer
from md_bridge.errors import MDBridgeError
trainer.CHECKPOINT_SECONDS = api._TOLD_EVERY = 0.0
calls = 0
def progress(said, share, detail):
    global calls
    calls += said == sys.argv[2]
    if calls == 3:
        os.kill(os.getpid(), signal.SIGKILL)
api.perform(pickle.load(open(sys.argv[1], "rb")), progress)
"""


def test_killed_it_goes_on_from_what_is_written(request_of, reference, tmp_path):
    import pickle

    request = request_of()
    (tmp_path / "request").write_bytes(pickle.dumps(request))
    code = KILLED.format(helpers=str(tmp_path))
    for stage in ("frames", "training"):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "request"), stage])
        assert done.returncode == -9
    assert torch.load(StudentFolder(request.place).checkpoint, weights_only=True)["step"] == 3
    result = quietly(request)
    assert same_frames(reference.folder, result.folder)
    assert same_student(reference.path, result.path)


@pytest.mark.parametrize(("step", "seconds", "left"), [(7, 0.0, 7), (7, 3600.0, 0), (0, 3600.0, 0)])
def test_an_interruption_in_the_middle_of_a_step_leaves_the_checkpoint_before(
    request_of, reference, monkeypatch, step, seconds, left
):
    """Weights have moved, the averaged ones have not: such a state must not be written. There is
    always one before it, be it that of the beginning."""
    request = request_of()
    follow = trainer.Trainer._follow

    def interrupted(self):
        if self.step == step:
            raise KeyboardInterrupt
        follow(self)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", seconds)
    monkeypatch.setattr(trainer.Trainer, "_follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quietly(request)
    monkeypatch.undo()
    assert torch.load(StudentFolder(request.place).checkpoint, weights_only=True)["step"] == left
    assert same_student(quietly(request).path, reference.path)


def test_other_settings_are_refused_with_the_way_out(request_of, reference):
    request = request_of(out=reference.path, temperatures_k=(30.0, 90.0), steps=13)
    with pytest.raises(FrameFolderError) as caught:
        quietly(request)
    message = str(caught.value)
    assert "temperatures_K is [30.0, 60.0] there and [30.0, 90.0] now" in message
    assert "steps is 12 there and 13 now" in message
    assert "another folder" in message
    assert "from_student" in message


def test_a_folder_of_something_else_is_refused(request_of):
    request = request_of()
    (request.place / "frames").mkdir(parents=True)
    with pytest.raises(FrameFolderError, match="holds frames but no settings"):
        quietly(request)


def test_one_process_at_a_time(request_of):
    request = request_of()
    with (
        StudentFolder(request.place).alone(),
        pytest.raises(FrameFolderError, match="another md-bridge distil works in"),
    ):
        quietly(request)


@pytest.mark.parametrize(
    ("name", "content", "way_out"),
    [
        ("frames/run-2/00001.npz", b"PK", "delete it and those after it"),
        ("training.pt", b"torn", "the training begins anew"),
        ("settings.json", b"{", "give another folder"),
    ],
)
def test_a_damaged_file_is_named(request_of, reference, name, content, way_out):
    (reference.folder / name).write_bytes(content)
    with pytest.raises(FrameFolderError, match=way_out) as caught:
        quietly(request_of(out=reference.path))
    assert str(reference.folder / name) in str(caught.value)


def test_a_full_disk_loses_one_block_at_most(request_of, reference, monkeypatch):
    request = request_of()
    write = frames_module._save
    written = 0

    def full(path, block):
        nonlocal written
        written += 1
        if written == 3:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(path, block)

    monkeypatch.setattr(frames_module, "_save", full)
    with pytest.raises(DistilError, match=r"No space left on device.*the same command goes on"):
        quietly(request)
    assert len({name.split()[0] for name in frames_of(request.place)}) == 2
    monkeypatch.undo()
    assert same_frames(reference.folder, quietly(request).folder)


def test_a_full_disk_leaves_the_checkpoint_before(request_of, reference, monkeypatch):
    request = request_of()
    replace_atomically = trainer.replace_atomically
    written = 0

    def full(path, write):
        nonlocal written
        written += 1
        if written >= 4:
            raise OSError(28, "No space left on device")
        replace_atomically(path, write)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(trainer, "replace_atomically", full)
    with pytest.raises(DistilError, match=r"training.pt: No space left.*the same command goes on"):
        quietly(request)
    monkeypatch.undo()
    assert same_student(quietly(request).path, reference.path)


def test_hours_become_counts_once(request_of, monkeypatch):
    """They are measured, written down, and taken from there; given as counts they make the same."""
    monkeypatch.setattr("md_bridge.distil.budget._block_seconds", lambda *_: 10.0)
    monkeypatch.setattr("md_bridge.distil.budget._step_seconds", lambda *_: 10.0)
    request = request_of(frames=None, steps=None, hours=0.05)
    result = quietly(request)
    assert (result.counts.blocks, result.counts.steps) == (3, 12)  # 60 s of frames in two runs
    settings = json.loads((result.folder / "settings.json").read_text())
    assert settings["decided"]["counts"] == {"starts": 1, "blocks": 3, "steps": 12}
    monkeypatch.setattr("md_bridge.distil.budget._block_seconds", lambda *_: 1 / 0)
    assert quietly(request).counts == result.counts
    counted = replace(request, frames=42, steps=12, hours=None, out=request.out.with_name("2.pt"))
    again = quietly(counted)
    assert same_student(again.path, result.path)


def test_the_costs_that_hours_are_divided_by_are_measured(request_of):
    result = quietly(request_of(frames=None, steps=None, hours=1e-4))
    assert result.counts.blocks >= 2
    assert result.counts.steps >= 1
    assert np.isfinite(result.curves.held_out[-1])


@pytest.mark.parametrize("where", ["settings", "student"])
def test_a_full_disk_keeps_an_earlier_student(request_of, reference, monkeypatch, where):
    """Of the same name; and once there is room the same command goes on."""
    request = request_of()
    request.out.write_bytes(b"an earlier one")

    def full(*_):
        raise OSError(28, "No space left on device")

    name = {"settings": "distil.settings.replace_atomically", "student": "export.files._reserve"}
    monkeypatch.setattr(f"md_bridge.{name[where]}", full)
    with pytest.raises(MDBridgeError, match=r"No space left on device"):
        quietly(request)
    assert request.out.read_bytes() == b"an earlier one"
    monkeypatch.undo()
    assert same_student(quietly(request).path, reference.path)
