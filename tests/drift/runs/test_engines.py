"""NVE in the real LAMMPS and i-PI with the bundled water model: one start, one trajectory."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from programs import programs_in, wait_until

from md_bridge import demo as job
from md_bridge.cli import main
from md_bridge.cli.energy.demo import demo
from md_bridge.drift.records.method import Method
from md_bridge.drift.runs import dynamics
from md_bridge.drift.runs.force_difference import force_difference
from md_bridge.drift.runs.ipi import run_in_ipi
from md_bridge.drift.runs.lammps import TRAJECTORY, run_in_lammps
from md_bridge.drift.runs.plan import Run
from md_bridge.drift.runs.tasks import expected_cost
from md_bridge.processes import RunError

THREADS = 1


def silent(steps):
    pass


@pytest.fixture(scope="module")
def start():
    return job.read_start()


@pytest.fixture(scope="module")
def mts_runs(start, tmp_path_factory):
    """The same MTS run in both engines: (LAMMPS, i-PI)."""
    folder = tmp_path_factory.mktemp("mts")
    lammps = Run(Method("lammps", "mts", 4, 0.5), 8)
    ipi = Run(Method("i-pi", "mts", 4, 0.5), 8)
    return (
        run_in_lammps(start, job.MODEL, lammps, folder / "lammps", silent, THREADS),
        run_in_ipi(start, job.MODEL, ipi, folder / "i-pi", silent, THREADS),
    )


def test_both_engines_report_the_same_energy_and_temperature(mts_runs):
    lammps, ipi = mts_runs
    np.testing.assert_allclose(ipi.time_ps, lammps.time_ps, atol=1e-9)
    np.testing.assert_allclose(ipi.time_ps, 0.002 * np.arange(9), atol=1e-9)
    change = [r.conserved_energy - r.conserved_energy[0] for r in mts_runs]
    # float32 and i-PI's nine digits of 4240 eV; the changes themselves are 100 times larger
    np.testing.assert_allclose(change[1], change[0], atol=2e-4)
    assert np.ptp(change[0]) > 2e-3
    np.testing.assert_allclose(ipi.temperature, lammps.temperature, atol=0.02)


def test_the_conserved_quantity_has_the_conservative_potential(start, mts_runs):
    from md_bridge.engine import Engine, structure_from_ase

    potential = Engine(job.MODEL).evaluate(structure_from_ase(start)).energy
    for record in mts_runs:
        expected = potential + start.get_kinetic_energy()
        assert record.conserved_energy[0] == pytest.approx(expected, abs=1e-3)


def test_progress_counts_outer_steps_and_frames_are_kept(start, tmp_path):
    seen = []
    run = Run(Method("lammps", "conservative", None, 0.5), 10)
    record = run_in_lammps(start, job.MODEL, run, tmp_path, seen.append, THREADS, frame_interval=5)
    assert seen == sorted(seen)
    assert record.wall_s > 0
    frames = job.read_frames(tmp_path / TRAJECTORY, start)
    assert len(frames) == 3
    shift = frames[0].positions - start.positions
    cells = np.linalg.solve(start.cell.array.T, shift.T)
    np.testing.assert_allclose(cells, np.round(cells), atol=1e-7)
    difference = force_difference(job.MODEL, frames, THREADS)
    assert difference.configurations == 3
    # the card of the model says 0.043 eV/Å on held-out frames, where forces are 1.5 eV/Å
    assert 0.01 < difference.rms < 0.15
    assert difference.largest > difference.rms
    assert 0.5 < difference.conservative_rms < 3


def test_a_model_that_lammps_cannot_read_is_reported(start, tmp_path):
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a model")
    run = Run(Method("lammps", "direct", None, 0.5), 10)
    with pytest.raises(RunError, match=r"lmp failed with exit status[^$]*broken\.pt"):
        run_in_lammps(start, broken, run, tmp_path / "run", silent, THREADS)
    run = Run(Method("i-pi", "mts", 4, 0.5), 10)
    with pytest.raises(RunError, match=r"i-pi failed[^$]*broken\.pt"):
        run_in_ipi(start, broken, run, tmp_path / "run", silent, THREADS)


@pytest.fixture
def short_runs(monkeypatch):
    """The demo's runs, far shorter than a user may ask for."""

    def shorten(length_ps, inner=None):
        return [
            replace(run, outer_steps=steps)
            for run in PLANNED(0.15, inner)
            for steps in [max(16 // (run.method.multiplicity or 1), 2)]
        ]

    monkeypatch.setattr(job, "planned_runs", shorten)
    monkeypatch.setenv("OMP_NUM_THREADS", str(THREADS))


PLANNED = job.planned_runs


def test_the_demo_from_end_to_end(short_runs, tmp_path):
    result = CliRunner().invoke(demo, ["--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content == json.loads((tmp_path / "summary.json").read_text())
    assert [(entry["host"], entry["forces"], entry["M"]) for entry in content["runs"]] == [
        ("lammps", "conservative", None),
        ("lammps", "direct", None),
        ("lammps", "mts", 2),
        ("lammps", "mts", 4),
        ("lammps", "mts", 8),
        ("i-pi", "mts", 4),
        ("lammps", "mts", job.TWO_MODEL_MULTIPLICITY),
        ("i-pi", "mts", job.TWO_MODEL_MULTIPLICITY),
    ]
    assert [entry["two_models"] for entry in content["runs"]] == [False] * 6 + [True] * 2
    assert content["methods"][-1]["speedup_bound"] > 1
    assert content["cost_ratio_F"] > 0
    assert content["force_difference_eV_per_angstrom"]["rms"] > 0
    assert content["settings"]["atom_count"] == 81
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert len(list((tmp_path / "series").glob("*.csv"))) == 8


def test_the_demo_with_a_student_of_ones_own(short_runs, monkeypatch, tmp_path):
    plan = job.planned_runs
    monkeypatch.setattr(
        job,
        "planned_runs",
        lambda ps, inner: [
            run for run in plan(ps, inner) if run.method.two_models and run.method.host == "lammps"
        ],
    )
    own = shutil.copy(job.INNER_MODEL, tmp_path / "own.pt")
    result = CliRunner().invoke(demo, ["--inner", str(own), "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    (one,) = json.loads(result.stdout)["runs"]
    assert one["agreement_eV_per_angstrom"]["correction"] > 0
    text = (tmp_path / "runs" / "lammps-two-models-4" / "in.lammps").read_text()
    assert f"inner {own}\n" in text
    named = {run.method.two_models: run.model_options.inner for run in PLANNED(0.5, own)}
    assert named == {False: "", True: str(own)}


def test_a_student_that_cannot_stand_in_is_refused_at_once(tmp_path, model_file):
    def refused(inner):
        words = ["demo", "--inner", str(inner), "--out", str(tmp_path / "out")]
        result = CliRunner().invoke(main, words)
        assert result.exit_code in (1, 2)
        assert not (tmp_path / "out").exists()
        return " ".join(result.stderr.split())

    assert "does not exist" in refused(tmp_path / "nowhere.pt")
    assert "--inner names the outer model itself" in refused(job.MODEL)
    assert "does not know the element" in refused(model_file("stand_in"))


def test_the_runs_of_the_demo():
    """All of one length are of the same time, to the last inner step."""
    runs = job.planned_runs(0.5)
    steps = {run.name: run.outer_steps * (run.method.multiplicity or 1) for run in runs}
    assert len(steps) == 8
    assert steps["lammps-conservative"] == steps["lammps-mts-8"] == 1000
    assert steps["lammps-mts-4"] == steps["i-pi-two-models-4"] == steps["lammps-direct"] == 1504


def test_a_run_that_fails_does_not_lose_the_others(short_runs, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise RunError("i-pi failed with exit status 1")

    monkeypatch.setattr(dynamics, "run_in_ipi", fail)
    keep = {"direct", None}
    plan = job.planned_runs
    monkeypatch.setattr(
        job,
        "planned_runs",
        lambda ps, inner: [
            r
            for r in plan(ps, inner)
            if r.method.forces in keep or (r.method.host != "lammps" and not r.method.two_models)
        ],
    )
    result = CliRunner().invoke(demo, ["--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "i-PI MTS M=4 failed: i-pi failed with exit status 1" in result.stderr
    assert "LAMMPS direct" in result.stdout
    assert "The page says what each number means." in " ".join(result.stdout.split())
    content = json.loads((tmp_path / "summary.json").read_text())
    assert len(content["runs"]) == 1
    failure = {"run": "i-PI MTS M=4", "error": "i-pi failed with exit status 1"}
    assert content["failures"] == [failure]


def test_ctrl_c_keeps_what_is_done(short_runs, monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(dynamics, "run_in_ipi", interrupt)
    plan = job.planned_runs
    monkeypatch.setattr(
        job,
        "planned_runs",
        lambda *given: [
            r for r in plan(*given) if r.method.multiplicity in (4, 8) and not r.method.two_models
        ],
    )
    result = CliRunner().invoke(demo, ["--out", str(tmp_path)])
    assert result.exit_code == 130
    assert "Interrupted: 2 of 3 runs are complete." in result.stderr
    assert len(json.loads((tmp_path / "summary.json").read_text())["runs"]) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_engine_running(number, tmp_path):
    program = [sys.executable, "-m", "md_bridge"]
    with (tmp_path / "screen.txt").open("wb") as screen:
        process = subprocess.Popen(
            [*program, "demo", "--out", str(tmp_path / "out")],
            stdout=screen,
            stderr=screen,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    folder = tmp_path / "out" / "runs" / "lammps-conservative"
    try:
        log = folder / "log.lammps"
        wait_until(lambda: log.exists() or process.poll() is not None, 120)
        engines = programs_in(folder)
        assert engines, (tmp_path / "screen.txt").read_text()
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        wait_until(lambda: not programs_in(folder), 10)
        assert not programs_in(folder)
    finally:
        process.kill()
        for engine in programs_in(folder):
            os.kill(engine, signal.SIGKILL)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, md_bridge.cli.energy.demo\n"
        "print(sorted({'torch', 'scipy', 'matplotlib', 'ase'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("length", ["0.05", "-1", "nan", "1e9"])
def test_an_impossible_length_is_refused(length, tmp_path):
    result = CliRunner().invoke(demo, ["--out", str(tmp_path / "none"), "--ps", length])
    assert result.exit_code == 2
    assert "the conservative run must be 0.15 to 1000 ps long, found" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = CliRunner().invoke(demo, ["--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert "file/out: Not a directory" in " ".join(result.stderr.split())


def test_planned_runs_are_of_whole_outer_steps():
    """Cheap ones whose verdict needs it are longer, and all are as long as every M divides."""
    runs = job.planned_runs(0.5)
    lengths = [run.outer_steps * run.outer_timestep_fs for run in runs]
    assert lengths == [500.0, 752.0, 500.0, 752.0, 500.0, 752.0, 752.0, 752.0]
    assert job.planned_runs(0.301)[0].outer_steps == 600
    assert expected_cost(runs[0]) == 1.0
    assert expected_cost(runs[1]) < 0.5
    # an outer step of M = 8 costs less than eight conservative evaluations, more than one
    assert 1.0 < expected_cost(runs[4]) < 8.0
