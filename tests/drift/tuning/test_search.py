"""The search of `md-bridge tune` with several replicas and inner steps, on runs made of numbers."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from md_bridge.drift import tune
from md_bridge.drift.judging.verdict import Verdict
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs import campaign as campaign_module
from md_bridge.drift.tuning.inputs import write_inputs

CONSERVES, DRIFTS = Verdict.CONSERVES, Verdict.DRIFTS
COST = {"conservative": 3.0, "direct": 1.0}
"""Of an evaluation, in s for a thousand."""


def made_up_run(drift_at):
    """Runs whose H drifts by ``drift_at(inner step, M)`` meV/atom/ps, with noise about it that is
    different in every replica, in place of those of a host."""

    def run_dynamics(start, model, run, folder, progress, threads):
        m = run.method.multiplicity or 1
        time = np.arange(run.outer_steps + 1) * run.outer_timestep_fs / 1000
        noise = 0.01 * np.random.default_rng([run.replica, m]).normal(size=len(time))
        drift = 50.0 if run.method.forces == "direct" else drift_at(run.method.timestep_fs, m)
        evaluations = COST.get(run.method.forces, COST["conservative"] + (m - 1) * COST["direct"])
        return RunRecord(
            run.method,
            32,
            evaluations * run.outer_steps / 1000,
            time,
            0.032 * (drift * time + noise),
            80 + 0 * time,
            replica=run.replica,
            seed=run.seed,
        )

    return run_dynamics


@pytest.fixture
def start(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    ase.io.write(tmp_path / "start.xyz", atoms)
    return tmp_path / "start.xyz"


def test_several_replicas_of_several_steps(model_file, start, tmp_path, monkeypatch):
    """An outer step of up to 4 fs conserves energy. Of 4 x 1 and 8 x 0.5 fs the longer inner step
    is the cheaper one: (3 + 3)/4 s/ps against (3 + 7)/4."""
    monkeypatch.setattr(
        campaign_module, "run_dynamics", made_up_run(lambda step, m: 0.3 if step * m > 4 else 0.0)
    )
    found = tune(
        model_file("strong_curl"),
        start,
        timesteps_fs=(0.5, 1.0),
        replicas=3,
        equilibration_ps=0.0,
        worth=1.0,
        folder=tmp_path / "out",
    )
    assert [[trial.multiplicity for trial in step.trials] for step in found.steps] == [
        [2, 4, 8, 9, 10, 12, 16],
        [2, 4, 5, 6, 8],
    ]
    for step in found.steps:
        for trial in step.trials:
            good = trial.outer_timestep_fs <= 4
            # where the first replica drifts, the others need not run
            assert (trial.verdict, trial.replicas) == ((CONSERVES, 3) if good else (DRIFTS, 1))
            assert trial.length_ps == 2.0  # nothing was inconclusive
        assert step.ratio == pytest.approx(3.0)
    assert [step.best.multiplicity for step in found.steps] == [8, 4]
    assert found.choice.timestep_fs == 1.0
    assert found.choice.cost_s_per_ps == pytest.approx(1.5)
    assert found.steps[0].cost_s_per_ps == pytest.approx(2.5)
    # the replicas of both steps have the same three starts
    starts = {path.read_bytes() for path in (tmp_path / "out").glob("*/starts/*.xyz")}
    assert len(starts) == 3
    lammps, _ = write_inputs(found, tmp_path / "inputs")
    assert "run_style       respa 2 4 inner" in lammps.read_text()


def test_a_replica_that_drifts_decides(model_file, start, tmp_path, monkeypatch):
    """The second start of M = 2 heats up; the first does not."""

    def run_dynamics(*arguments):
        run = arguments[2]
        bad = run.method.multiplicity == 2 and run.replica == 2
        return made_up_run(lambda step, m: 1.0 if bad else 0.0)(*arguments)

    monkeypatch.setattr(campaign_module, "run_dynamics", run_dynamics)
    found = tune(
        model_file("strong_curl"), start, replicas=3, equilibration_ps=0.0, folder=tmp_path / "out"
    )
    (trial,) = found.steps[0].trials
    assert (trial.multiplicity, trial.verdict, trial.replicas) == (2, DRIFTS, 2)
    assert found.steps[0].best is None
    assert found.choice.recommended.multiplicity == 1
    assert Path(found.start).exists()
