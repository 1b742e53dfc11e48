"""A student that goes on from another: whose frames it learns from."""

import json
import shutil
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase import Atoms
from distil_tools import argon, quietly

from md_bridge.distil import DistilError
from md_bridge.distil.errors import FrameFolderError
from md_bridge.distil.report.tables import sentences
from md_bridge.distil.report.write import numbers_of
from md_bridge.distil.training.batches import Frames
from md_bridge.export.checks.costs import EvaluationCosts


@pytest.fixture
def few(request_of, tmp_path):
    """A request of a student from a dozen frames."""

    def made(name, **changes):
        values = {"frames": 14, "steps": 1, "temperatures_k": (30.0,), "starts": [argon(size=1)]}
        return request_of(out=tmp_path / name, **{**values, **changes})

    return made


def test_frames_are_found_in_another_folder_and_along_a_chain(few, tmp_path, monkeypatch):
    """Three generations, the first with a folder of its own; what was held out stays so."""
    first = few("first.pt", folder=tmp_path / "elsewhere" / "frames-of-first")
    quietly(first)
    second = few("second.pt", from_student=first.out, temperatures_k=(40.0,))
    quietly(second)
    held_out = []
    add = Frames.add

    def added(self, block, held_out_=None, **keywords):
        held_out.append(keywords.get("held_out", held_out_))
        add(self, block, held_out=held_out[-1])

    monkeypatch.setattr(Frames, "add", added)
    request = few("third.pt", from_student=second.out, temperatures_k=(50.0,), hours=None)
    third = quietly(request)
    assert held_out[:6] == [False, True] * 3
    assert third.earlier.frames == 2 * 13
    assert third.frames == 3 * 13
    assert "26 of the frames are those of earlier students." in sentences(third)
    assert numbers_of(third, request)["frames_of_earlier_students"] == 26
    settings = json.loads((third.folder / "settings.json").read_text())
    assert settings["decided"]["earlier"] == ["../second.distil", "../elsewhere/frames-of-first"]
    again = quietly(request)
    assert again.earlier == third.earlier


def test_each_run_is_looked_at_and_lost_frames_are_told(few, tmp_path):
    first = few("first.pt", temperatures_k=(30.0, 60.0), frames=28)
    folder = quietly(first).folder
    block = folder / "frames" / "run-2" / "00001.npz"
    # labels of another model in the second run only
    with np.load(block) as arrays:
        values = dict(arrays)
    values["forces"] = 2 * values["forces"] + 0.1
    np.savez(block, **values)
    second = quietly(few("second.pt", from_student=first.out, seed=2))
    assert second.earlier.frames == 0
    assert f"The frames in {folder} are of another teacher: none was taken." in sentences(second)
    shutil.rmtree(folder)
    third = quietly(few("third.pt", from_student=first.out, seed=3))
    assert f"No earlier frames were found in {folder}." in sentences(third)


def test_a_training_does_not_go_on_without_the_frames_that_it_began_with(few):
    first = few("first.pt")
    folder = quietly(first).folder
    second = few("second.pt", from_student=first.out, seed=2)
    quietly(second)
    shutil.rmtree(folder)
    with pytest.raises(FrameFolderError, match="put back the frames of the earlier student"):
        quietly(second)


def test_a_student_that_is_too_dear_is_no_gain(few):
    result = quietly(few("dear.pt"))

    def told(outer, inner):
        return sentences(replace(result, costs=EvaluationCosts(outer, inner)))[2]

    assert "no gain, not even with M = 8" in told(0.001, 0.002)
    assert "at most 3.92 times its speed with M = 4, 7.69 times" in told(1.0, 0.005)
    assert "conservative forces 12346 ms" in told(12.3456, 0.005)
    assert "e+" not in told(12.3456, 1.2345)


def test_the_file_of_a_start_of_one_atom_is_named(few, tmp_path):
    ase.io.write(tmp_path / "starts.xyz", [argon(size=1), Atoms("Ar")])
    with pytest.raises(DistilError, match=r"starts.xyz: structure 2 has 1 atom: "):
        quietly(few("one.pt", starts=[tmp_path / "starts.xyz"]))
