"""What drives the dynamics of a teacher, and teachers that fail now and then."""

import json

import ase.build
import models
import numpy as np
import pytest
from ase.neighborlist import neighbor_list
from distil_tools import Moody, argon, frames_of, quietly

from md_bridge.ase import force_levels
from md_bridge.distil import DistilError, open_teacher, read_frames
from md_bridge.distil.labelling import sampling
from md_bridge.distil.labelling.driving import choose_driving
from md_bridge.distil.labelling.frames import FrameStore
from md_bridge.distil.report.tables import sentences

AT_REST = ase.build.bulk("Ar", "fcc", a=5.4, cubic=True).repeat((2, 2, 2))


@pytest.fixture
def evaluations(monkeypatch):
    """How often the engine was asked for inner and outer forces by multiple time stepping."""
    counts = {"inner": 0, "outer": 0}

    def counted(name):
        method = getattr(force_levels._OneEngine, name)

        def count(self, *arguments, **keywords):
            counts[name] += 1
            return method(self, *arguments, **keywords)

        monkeypatch.setattr(force_levels._OneEngine, name, count)

    counted("inner")
    counted("outer")
    return counts


def test_direct_forces_drive_a_teacher_that_has_good_ones(request_of, evaluations):
    result = quietly(request_of(frames=14, temperatures_k=(30.0,), steps=1))
    assert result.driving.multiple_time_stepping
    assert result.driving.why == ""
    outer_steps = 2 * 12  # of two blocks
    assert evaluations["inner"] == 5 * outer_steps  # one more where it begins: known already
    assert evaluations["outer"] >= 2 * outer_steps


def test_frames_are_at_the_temperature_that_was_asked_for(model_file, tmp_path, monkeypatch):
    """The mean over 1.3 ps after 0.3 ps, with a standard error of about 5 %: a false alarm in
    10,000 seeds, and this seed is fixed. Without a thermostat half of it would be left."""
    found = []
    step = sampling.Sampler._step

    def watched(self, dynamics, outer_steps):
        for _ in range(outer_steps):
            step(self, dynamics, 1)
            found.append(dynamics.atoms.get_temperature())

    monkeypatch.setattr(sampling.Sampler, "_step", watched)
    sampler = sampling.Sampler(open_teacher(model_file("curl")), 2.0, 1, 10_000, True)
    store, run = FrameStore(tmp_path), sampling.Run(1, AT_REST, 40.0)
    for number in range(1, 18):
        sampler.make(store, run, number, distort=False)
    assert len(found) == 17 * sampling.OUTER_STEPS_OF_BLOCK
    assert np.mean(found[36:]) == pytest.approx(40.0, rel=0.2)


def test_a_teacher_whose_direct_forces_are_poor(request_of, evaluations, tmp_path):
    """Multiple time stepping would stop in its first steps."""
    poor = models.curl(5.0).export(tmp_path / "poor.pt")
    few = {
        "teacher": poor,
        "starts": [argon(size=1)],
        "steps": 1,
        "frames": 14,
        "temperatures_k": (30.0,),
    }
    result = quietly(request_of(**few))
    assert evaluations == {"inner": 0, "outer": 0}
    settings = json.loads((result.folder / "settings.json").read_text())
    assert settings["decided"]["driving"]["multiple_time_stepping"] is False
    told = " ".join(sentences(result))
    assert "The direct forces of Curl are far from its conservative ones" in told
    assert "the conservative ones alone drove the dynamics" in told
    assert quietly(request_of(**few)).driving == result.driving


def test_direct_forces_are_looked_at_away_from_rest(tmp_path):
    """In a crystal at rest nothing can differ."""
    teacher = open_teacher(models.curl(5.0).export(tmp_path / "poor.pt"))
    assert not choose_driving(teacher, [AT_REST]).multiple_time_stepping


def test_springs_of_another_strength(request_of, tmp_path):
    """Direct forces of ten times the size, of a molecule."""
    stiff = models.harmonic(k=2.0, k_direct=20.0).export(tmp_path / "stiff.pt")
    dimer = ase.Atoms("H2", [[0, 0, 0], [0, 0, 2.1]])
    result = quietly(
        request_of(teacher=stiff, starts=[dimer], steps=1, frames=14, temperatures_k=(50.0,))
    )
    assert not result.driving.multiple_time_stepping


def test_the_cost_is_measured_in_spite_of_steps_without_finite_forces(request_of):
    """With hours, costs are measured before frames are made."""
    teacher = Moody(10_000, first=5)  # the start is looked at, and steps fail after it
    result = quietly(
        request_of(
            teacher=teacher,
            starts=[argon(size=1)],
            frames=None,
            hours=1e-4,
            steps=1,
            temperatures_k=(20.0,),
        )
    )
    assert result.counts.blocks >= 2


def test_a_cost_that_cannot_be_measured_says_what_to_do(request_of):
    request = request_of(
        teacher=Moody(2), starts=[argon(size=1)], frames=None, hours=1.0, temperatures_k=(20.0,)
    )
    with pytest.raises(DistilError, match=r"Moody gave no finite forces in the first 4 steps of 3"):
        quietly(request)


def test_an_exported_model_that_breaks_once(request_of, tmp_path, monkeypatch):
    """NaN of an exported model is an error of the engine: the frame is dropped, and another one is
    made. Here the one in which two atoms are closest."""
    monkeypatch.setattr(sampling, "MOST_DROPPED", 0.5)
    few = {"starts": [argon(size=1)], "frames": 14, "steps": 1, "temperatures_k": (20.0,)}
    sound = models.lennard_jones().export(tmp_path / "sound.pt")
    frames = read_frames(quietly(request_of(teacher=sound, **few)).folder)
    closest, next_closest = sorted(min(neighbor_list("d", one, 5.0)) for one in frames)[:2]
    once = models.nan_when_close(0.5 * (closest + next_closest)).export(tmp_path / "once.pt")
    result = quietly(request_of(teacher=once, out=tmp_path / "other.pt", **few))
    assert 1 <= result.dropped <= 6
    assert result.frames == len(frames)
    assert all(np.isfinite(array).all() for array in frames_of(result.folder).values())
