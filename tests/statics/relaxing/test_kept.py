"""What is done is not done again, as long as nothing that decides it changes."""

from dataclasses import replace

import ase.io
import crystals
import pytest

from md_bridge.statics.relaxing import api
from md_bridge.statics.relaxing.kept import KEPT
from md_bridge.statics.relaxing.request import KINDS, RelaxRequest
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.report.relaxation_sentences import sentences
from md_bridge.statics.rows import make_rows
from md_bridge.statics.starts import Start


@pytest.fixture(scope="module")
def springs(tmp_path_factory):
    return crystals.springs(swirl=0.1).export(tmp_path_factory.mktemp("models") / "springs.pt")


def request_of(path, folder, count=3, forces=("conservative", "direct"), **settings):
    starts = []
    for seed in range(count):
        atoms = crystals.fcc(cubic=True)
        atoms.rattle(0.05, seed=seed)
        starts.append(Start(f"s{seed}", atoms))
    values = {"fmax": 1e-3, "optimizer": "lbfgs", **settings}
    rows = tuple(make_rows(forces, ["none"], KINDS))
    return RelaxRequest(path, tuple(starts), rows, RelaxSettings(**values), folder=folder)


def test_an_interrupted_run_goes_on(springs, tmp_path):
    """The second of three structures ends, and then someone presses Ctrl-C."""
    whole = api.relax(request_of(springs, None))

    def stop_after_two(*_):
        if len(list((tmp_path / KEPT).rglob("*.json"))) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.relax(request_of(springs, tmp_path), stop_after_two)
    assert len(list((tmp_path / KEPT).rglob("*.json"))) == 2
    found = api.relax(request_of(springs, tmp_path))
    assert found.kept == 2
    for row in found.request.rows:
        for one, other in zip(found.relaxed[row], whole.relaxed[row], strict=True):
            assert one.end.positions == pytest.approx(other.end.positions, abs=1e-12)
            assert one.evaluations == other.evaluations
            assert one.residual_work == pytest.approx(other.residual_work)
            assert one.kinds == other.kinds
    assert api.relax(request_of(springs, tmp_path)).kept == 6


def test_other_settings_begin_anew(springs, tmp_path):
    assert api.relax(request_of(springs, tmp_path, count=1)).kept == 0
    assert api.relax(request_of(springs, tmp_path, count=2)).kept == 2
    assert api.relax(request_of(springs, tmp_path, count=1, fmax=1e-2)).kept == 0
    assert api.relax(request_of(springs, tmp_path, count=1, optimizer="bfgs")).kept == 0
    other = request_of(springs, tmp_path, count=1)
    other.starts[0].atoms.positions[0] += 0.01  # of the same name
    assert api.relax(other).kept == 0
    assert api.relax(request_of(springs, tmp_path, count=1)).kept == 2


def test_what_cannot_be_read_is_made_anew(springs, tmp_path):
    request = request_of(springs, tmp_path, count=1, forces=["conservative"])
    api.relax(request)
    (path,) = (tmp_path / KEPT).rglob("*.json")
    path.write_text('{"half": 1')
    assert api.relax(request).kept == 0
    assert api.relax(request).kept == 1


def test_a_path_that_is_wanted_later(springs, tmp_path):
    """What was kept without a path, or with one of another format, is made again, once."""
    counts = []
    for trajectory in ("none", "extxyz", "extxyz", "none", "traj", "extxyz"):
        request = replace(request_of(springs, tmp_path, count=2), trajectory=trajectory)
        found = api.relax(request)
        counts.append((found.kept, found.made_again))
        if trajectory != "none":
            for row in request.rows:
                path = tmp_path / "trajectories" / row.file_name / f"s1.{trajectory}"
                assert len(ase.io.read(path, ":")) == found.relaxed[row][1].steps + 1
        told = [text for text in sentences(found) if "were made again" in text]
        assert len(told) == (found.made_again > 0)
    assert counts == [(0, 0), (0, 4), (4, 0), (4, 0), (0, 4), (0, 4)]


def test_paths_are_written(springs, tmp_path):
    request = request_of(springs, tmp_path, count=1)
    found = api.relax(request)
    for row in request.rows:
        frames = ase.io.read(tmp_path / "trajectories" / row.file_name / "s0.extxyz", ":")
        each = found.relaxed[row][0]
        assert len(frames) == each.steps + 1
        assert frames[0].positions == pytest.approx(each.start.positions, abs=1e-7)
        assert frames[-1].get_potential_energy() == pytest.approx(each.energy, abs=1e-7)
