"""What `md-bridge tune` recommends, of searches whose outcomes are given."""

import math
from pathlib import Path

import ase.io
import models
import pytest
from ase import Atoms

from md_bridge.drift.judging.line import LineFit
from md_bridge.drift.judging.verdict import DriftStatistics, Verdict
from md_bridge.drift.report.tune import tuning_sentences, tuning_summary
from md_bridge.drift.tuning.inputs import write_inputs
from md_bridge.drift.tuning.search import StepResult, Trial, TuneRequest, Tuning

LINE = LineFit(0.0, 0.0, 0.01, 30.0, 0.1)
CONSERVES, DRIFTS, UNKNOWN = Verdict.CONSERVES, Verdict.DRIFTS, Verdict.INCONCLUSIVE


def trial(step, multiplicity, verdict, cost, bound=None):
    statistics = DriftStatistics(LINE, LINE, 0.1, 300.0, 0.1, verdict)
    return Trial(step, multiplicity, 2.0, 1, statistics, cost, None, bound)


def step(timestep, cost, verdict=CONSERVES, best=None):
    """An inner step whose conservative forces cost some s/ps; ``best``: M and S(M)."""
    found = None if best is None else trial(timestep, best[0], CONSERVES, cost, best[1])
    trials = () if found is None else (found,)
    return StepResult(timestep, trial(timestep, 1, verdict, cost), 3.0, True, trials, found)


@pytest.fixture
def tuning(tmp_path):
    """A function from steps to a whole tuning, with a model and a start that exist."""
    model = models.harmonic(9.4, 2.0, 4.7).export(tmp_path / "model.pt")
    start = tmp_path / "start.xyz"
    ase.io.write(start, Atoms("H2", [[5, 6, 6], [7, 6, 6]], cell=[12.0] * 3, pbc=True))

    def tuned(*steps: StepResult) -> Tuning:
        request = TuneRequest(model, start, timesteps_fs=tuple(s.timestep_fs for s in steps))
        return Tuning(request, steps, (), start)

    return tuned


def inputs(tuning: Tuning, folder: Path) -> str:
    lammps, _ = write_inputs(tuning, folder / "inputs")
    return lammps.read_text()


def test_a_longer_step_without_an_m_may_be_the_cheapest(tuning, tmp_path):
    """0.5 fs: 100/1.47 = 68 s/ps with M = 2; 1 fs: 50 s/ps with conservative forces."""
    found = tuning(step(0.5, 100.0, best=(2, 1.47)), step(1.0, 50.0))
    assert found.choice is not None
    assert found.choice.timestep_fs == 1.0
    assert found.has_multiplicity
    first = tuning_sentences(found)[0]
    assert "Use conservative forces with a step of 1 fs: a picosecond costs 50 s" in first
    assert "with M = 2 and 0.5 fs it would be 68 s" in first
    assert tuning_summary(found, [])["choice"]["timestep_fs"] == 1.0
    assert "respa" not in inputs(found, tmp_path)


def test_inputs_are_never_of_a_step_that_drifts(tuning, tmp_path):
    found = tuning(step(2.0, 25.0, DRIFTS), step(0.5, 100.0))
    assert found.choice is not None
    assert found.choice.timestep_fs == 0.5
    assert not found.has_multiplicity
    assert any("conservative forces with a step of 0.5 fs" in s for s in tuning_sentences(found))
    text = inputs(found, tmp_path)
    assert "0.0005" in text
    assert "0.002" not in text


def test_a_cheap_step_that_cannot_be_judged_is_not_preferred(tuning):
    found = tuning(step(0.5, 100.0, best=(2, 1.47)), step(1.0, 50.0, UNKNOWN))
    assert found.choice is not None
    assert found.choice.timestep_fs == 0.5
    alone = tuning(step(1.0, 50.0, UNKNOWN))
    assert any("do not tell whether these conserve it" in s for s in tuning_sentences(alone))


def test_without_any_step_that_conserves_there_are_no_inputs(tuning, tmp_path):
    found = tuning(step(2.0, 25.0, DRIFTS), step(4.0, math.inf, DRIFTS))
    assert found.choice is None
    assert write_inputs(found, tmp_path / "inputs") == []
    assert not (tmp_path / "inputs").exists()
    assert any("there are no inputs" in s for s in tuning_sentences(found))
