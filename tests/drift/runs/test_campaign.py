"""Campaigns: plans, starts, resuming, exit status. Engines run where the point is an engine."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.md.velocitydistribution import Stationary
from click.testing import CliRunner
from programs import programs_in, wait_until

from md_bridge.cli.energy.drift import drift
from md_bridge.drift.records.csv import read_csv
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs import campaign as campaign_module
from md_bridge.drift.runs.campaign import Campaign, CampaignError, CampaignOutcome
from md_bridge.drift.runs.plan import CampaignPlan
from md_bridge.drift.runs.starts import read_periodic_structure, thermalise
from md_bridge.forces import forces_text, parse_kinds
from md_bridge.processes import RunError

# short runs of an analytic model: seconds in the real LAMMPS
OPTIONS = ["--timestep", "4", "--ps", "1.6", "--temperature", "80", "--equilibrate", "0.2"]


@pytest.fixture
def start(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    path = tmp_path / "start.xyz"
    ase.io.write(path, atoms)
    return path


@pytest.fixture
def model(model_file):
    return model_file("strong_curl")


def record_of(run, drift=0.0, noise=0.001):
    """A synthetic result of a run (drift in meV/atom/ps, noise in meV/atom)."""
    time_ps = np.arange(run.outer_steps + 1) * run.outer_timestep_fs / 1000
    rng = np.random.default_rng(run.seed or 0)
    per_atom = drift * time_ps + noise * rng.normal(size=len(time_ps))
    return RunRecord(
        run.method,
        32,
        5.0,
        time_ps,
        0.032 * per_atom,
        80 + 0 * time_ps,
        element_temperatures={"Ar": 80 + 0 * time_ps},
        replica=run.replica,
        seed=run.seed,
    )


class Host:
    """Stands for an engine: synthetic results, and what a test wants to happen."""

    def __init__(self, monkeypatch, result=record_of):
        self.result, self.labels = result, []
        monkeypatch.setattr(campaign_module, "run_dynamics", self)

    def __call__(self, start, model, run, folder, progress, threads):
        self.labels.append(run.label)
        folder.mkdir(parents=True)
        (folder / "log").write_text("started\n")
        progress(1)
        return self.result(run)


def command(model, start, out, *options):
    arguments = [str(model), str(start), "--out", str(out), *OPTIONS, *options]
    return CliRunner().invoke(drift, arguments)


def test_forces_are_parsed_strictly():
    kinds = parse_kinds("conservative, direct,mts:2,mts:16")
    assert kinds == (("conservative", None), ("direct", None), ("mts", 2), ("mts", 16))
    assert forces_text(kinds) == "conservative,direct,mts:2,mts:16"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conservativ", "'conservativ' is none of .*, did you mean conservative?"),
        ("mts", "'mts' is none of .*, did you mean mts:"),
        ("mts:1", "whole number above 1"),
        ("mts:4.5", "whole number above 1"),
        ("mts:4,mts:4", "'mts:4' is given twice"),
        ("", "found nothing"),
        ("direct,", "found nothing"),
    ],
)
def test_impossible_forces_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_kinds(text)


def test_a_plan_has_every_kind_of_forces_from_every_start():
    plan = CampaignPlan(
        Path("m"), Path("s"), "lammps", parse_kinds("direct,mts:3"), 0.5, 1.0, replicas=2, seed=5
    )
    assert [run.name for run in plan.runs()] == [
        "lammps-direct-replica-1",
        "lammps-mts-3-replica-1",
        "lammps-direct-replica-2",
        "lammps-mts-3-replica-2",
    ]
    assert [run.outer_steps for run in plan.runs()] == [2000, 667, 2000, 667]
    first, second = plan.replica_seed(1), plan.replica_seed(2)
    assert [run.seed for run in plan.runs()] == [first, first, second, second]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestep_fs": 0.0}, "timestep_fs must be positive"),
        ({"length_ps": float("nan")}, "length_ps must be positive"),
        ({"temperature_k": float("inf")}, "temperature_k must be positive and finite"),
        ({"equilibration_ps": -1.0}, "equilibration_ps must be 0 ps or more"),
        ({"keep_velocities": True}, "keep_velocities is for one replica"),
        ({"length_ps": 0.001}, "shorter than an outer step of 2 fs"),
    ],
)
def test_impossible_plans_are_refused(changes, message):
    plan = CampaignPlan(Path("m"), Path("s"), "lammps", (("mts", 4),))
    with pytest.raises(ValueError, match=message):
        replace(plan, **changes)


class Springs(Calculator):
    """Every atom on a spring of its own: equipartition is exact."""

    implemented_properties = ("energy", "forces")

    def __init__(self, centres, k):
        super().__init__()
        self.centres, self.k = centres, k

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        away = atoms.positions - self.centres
        self.results = {"energy": 0.5 * self.k * np.sum(away**2), "forces": -self.k * away}


def test_starts_are_canonical_and_repeatable():
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    springs = Springs(atoms.positions.copy(), k=0.2)

    def one(seed):
        return thermalise(atoms, springs, 80.0, 5.0, 200, seed, lambda steps: None)

    starts = [one(seed) for seed in range(1, 21)]
    kinetic = np.array([s.get_kinetic_energy() for s in starts]) / (1.5 * 31 * units.kB)
    stretch = np.array([np.sum((s.positions - atoms.positions) ** 2) for s in starts])
    # 20 starts of 93 degrees of freedom: 2.3 % of standard error, here four of them
    assert kinetic.mean() == pytest.approx(80.0, rel=0.1)
    assert np.mean(0.2 * stretch / (96 * units.kB)) == pytest.approx(80.0, rel=0.1)
    assert np.std(kinetic, ddof=1) == pytest.approx(80 * np.sqrt(2 / 93), rel=0.6)
    for entry in starts:
        assert np.abs(entry.get_momenta().sum(axis=0)).max() < 1e-10
    np.testing.assert_array_equal(one(3).positions, starts[2].positions)
    assert np.abs(starts[0].positions - starts[1].positions).max() > 0.01
    assert thermalise(atoms, springs, 80.0, 5.0, 0, 1, lambda steps: None) != starts[0]


def test_a_start_that_cannot_be_used_is_refused(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True)
    atoms.pbc = (True, True, False)
    ase.io.write(tmp_path / "slab.xyz", atoms)
    with pytest.raises(ValueError, match=r"slab\.xyz: expected .* periodic .* found pbc T T F"):
        read_periodic_structure(tmp_path / "slab.xyz")
    (tmp_path / "noise.xyz").write_text("no structure\n")
    with pytest.raises(ValueError, match=r"cannot read a structure from .*noise\.xyz"):
        read_periodic_structure(tmp_path / "noise.xyz")


def test_a_campaign_in_lammps_from_end_to_end(model, start, tmp_path):
    out = tmp_path / "out"
    result = command(
        model, start, out, "--replicas", "2", "--forces", "conservative,direct", "--json"
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content == json.loads((out / "summary.json").read_text())
    conservative, direct = content["methods"]
    assert conservative["verdict"] == "conserves"
    assert conservative["replicas"] == 2
    assert direct["drift_meV_per_atom_per_ps"] > 1.0  # what does not conserve is not judged
    assert len(content["runs"]) == 4
    assert {path.name for path in out.iterdir() if path.suffix} == {
        "campaign.json",
        "report.html",
        "report.png",
        "report.svg",
        "summary.json",
    }
    first, second = (
        read_csv(out / "series" / f"lammps-conservative-replica-{i}.csv") for i in (1, 2)
    )
    assert list(first.element_temperatures) == ["Ar"]
    np.testing.assert_allclose(first.element_temperatures["Ar"], first.temperature, rtol=1e-9)
    assert first.conserved_energy[0] != second.conserved_energy[0]
    # both kinds of forces run from the same start
    other = read_csv(out / "series" / "lammps-direct-replica-1.csv")
    assert other.conserved_energy[0] == pytest.approx(first.conserved_energy[0], abs=1e-9)
    before = {path: path.stat().st_mtime_ns for path in (out / "series").iterdir()}
    again = command(
        model, start, out, "--replicas", "2", "--forces", "conservative,mts:4", "--json"
    )
    assert again.exit_code == 0, again.output
    assert [entry["label"] for entry in json.loads(again.stdout)["methods"]] == [
        "LAMMPS conservative",
        "LAMMPS MTS M=4",
    ]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_both_engines_run_from_the_same_starts(model, start, tmp_path):
    options = ["--replicas", "1", "--forces", "mts:2", "--ps", "0.4", "--equilibrate", "0.02"]
    records = []
    for engine in ("lammps", "ipi"):
        result = command(model, start, tmp_path / engine, *options, "--host", engine)
        assert result.exit_code in (0, 3), result.output  # 51 samples need not be enough to judge
        (path,) = (tmp_path / engine / "series").iterdir()
        records.append(read_csv(path))
    lammps, ipi = records
    assert (lammps.name, ipi.name) == ("lammps-mts-2-replica-1", "i-pi-mts-2-replica-1")
    # i-PI prints nine digits; its atomic units differ from ASE's in the ninth
    np.testing.assert_allclose(ipi.conserved_energy, lammps.conserved_energy, atol=1e-5)
    np.testing.assert_allclose(ipi.temperature, lammps.temperature, rtol=1e-4)


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    model, start, tmp_path, monkeypatch
):
    def interrupt(run):
        if run.label == "LAMMPS conservative #2":
            raise KeyboardInterrupt
        return record_of(run)

    options = ["--replicas", "2", "--forces", "conservative,mts:2"]
    Host(monkeypatch, interrupt)
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 130
    assert "Stopped: 2 of 4 runs are complete." in result.stderr
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<dt>complete runs</dt><dd>2 of 4</dd>" in page
    assert "LAMMPS MTS M=2" in result.stdout
    host = Host(monkeypatch)
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert host.labels == ["LAMMPS conservative #2", "LAMMPS MTS M=2 #2"]
    host = Host(monkeypatch)
    assert command(model, start, tmp_path / "out", *options).exit_code == 0
    assert host.labels == []


@pytest.mark.parametrize(
    ("drift", "noise", "status", "word"),
    [
        (0.0, 0.001, 0, "conserves"),
        (5.0, 0.001, 3, "drifts"),
        (0.0, 5.0, 3, "inconclusive"),
    ],
)
def test_the_exit_status_is_a_gate(model, start, tmp_path, monkeypatch, drift, noise, status, word):
    Host(monkeypatch, lambda run: record_of(run, drift, noise))
    options = ["--replicas", "2", "--forces", "mts:2", "--equilibrate", "0"]
    result = command(model, start, tmp_path / "out", *options)
    assert word in result.stdout
    assert result.exit_code == status


def test_a_start_may_keep_its_velocities(model, start, tmp_path, monkeypatch):
    """No thermostat, one replica; options of the thermostat are refused."""
    starts = []

    def result(run):
        starts.append(ase.io.read(tmp_path / "out" / "starts" / "replica-1.xyz"))
        return record_of(run)

    Host(monkeypatch, result)
    arguments = [str(model), str(start), "--out", str(tmp_path / "out"), "--keep-velocities"]
    options = ["--timestep", "4", "--ps", "1.6", "--forces", "mts:2"]
    cold = CliRunner().invoke(drift, [*arguments, *options])
    assert cold.exit_code == 2
    assert "needs velocities, and" in cold.stderr
    atoms = ase.io.read(start)
    atoms.set_momenta(np.random.default_rng(3).normal(size=(len(atoms), 3)))
    ase.io.write(start, atoms)
    assert CliRunner().invoke(drift, [*arguments, *options]).exit_code == 0
    assert len(starts) == 1
    Stationary(atoms, preserve_temperature=False)
    assert starts[0].get_momenta() == pytest.approx(atoms.get_momenta(), abs=1e-6)
    for option in ("--replicas", "--equilibrate", "--temperature", "--seed"):
        refused = CliRunner().invoke(drift, [*arguments, *options, option, "1"])
        assert refused.exit_code == 2
        assert f"{option} means nothing with --keep-velocities" in refused.stderr


def test_direct_forces_alone_do_not_decide(model, start, tmp_path, monkeypatch):
    Host(monkeypatch, lambda run: record_of(run, 50.0 * (run.method.forces == "direct")))
    options = ["--replicas", "1", "--forces", "direct,conservative", "--equilibrate", "0"]
    assert command(model, start, tmp_path / "out", *options).exit_code == 0


def test_a_failed_run_loses_no_other_and_is_tried_again(model, start, tmp_path, monkeypatch):
    def fail(run):
        if run.method.forces == "conservative":
            raise RunError("lmp failed with exit status 1. The end of [log]")
        return record_of(run)

    options = ["--replicas", "1", "--forces", "conservative,mts:2", "--equilibrate", "0"]
    Host(monkeypatch, fail)
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 1
    assert "LAMMPS conservative #1 failed: lmp failed with exit status 1" in result.stderr
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["failures"][0]["run"] == "LAMMPS conservative #1"
    host = Host(monkeypatch)
    assert command(model, start, tmp_path / "out", *options).exit_code == 0
    assert host.labels == ["LAMMPS conservative #1"]


def test_nothing_but_failures_is_still_json(model, start, tmp_path, monkeypatch):
    def fail(run):
        raise RunError("no lmp")

    Host(monkeypatch, fail)
    options = ["--replicas", "1", "--forces", "mts:2", "--equilibrate", "0", "--json"]
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert content["methods"] == []
    assert content["failures"] == [{"run": "LAMMPS MTS M=2 #1", "error": "no lmp"}]


def test_an_explosion_is_a_result(model, start, tmp_path, monkeypatch):
    def explode(run):
        frame = tmp_path / "out" / "runs" / run.name / "last-good.xyz"
        frame.write_text("a frame\n")
        whole = record_of(run)
        return replace(
            whole,
            time_ps=whole.time_ps[:1],
            conserved_energy=whole.conserved_energy[:1],
            temperature=whole.temperature[:1],
            element_temperatures={"Ar": whole.temperature[:1]},
            exploded="exploded at step 1 (0.008 ps): Lost atoms: original 32 current 31",
        )

    options = ["--replicas", "1", "--forces", "mts:2", "--equilibrate", "0"]
    Host(monkeypatch, explode)
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 3
    assert "1 of 1 exploded" in result.stdout
    words = result.stderr.replace("\n", "")
    assert "LAMMPS MTS M=2 #1 exploded at step 1 (0.008 ps): Lost atoms" in words
    assert "lammps-mts-2-replica-1/last-good.xyz" in words
    host = Host(monkeypatch)
    assert command(model, start, tmp_path / "out", *options).exit_code == 3
    assert host.labels == []  # it would explode again


def test_other_settings_in_the_folder_are_named(model, start, tmp_path, monkeypatch):
    Host(monkeypatch)
    out = tmp_path / "out"
    options = ["--replicas", "1", "--forces", "mts:2", "--equilibrate", "0"]
    assert command(model, start, out, *options).exit_code == 0
    result = command(model, start, out, *options, "--ps", "3.2")
    assert result.exit_code == 2
    words = " ".join(result.stderr.split())
    assert "holds runs with other settings: --ps is 1.6 there and 3.2 now" in words
    host = Host(monkeypatch)
    assert command(model, start, out, *options, "--ps", "3.2", "--from-scratch").exit_code == 0
    assert host.labels == ["LAMMPS MTS M=2 #1"]
    assert read_csv(out / "series" / "lammps-mts-2-replica-1.csv").length_ps == pytest.approx(3.2)


def test_a_folder_of_something_else_is_left_alone(model, start, tmp_path):
    out = tmp_path / "out"
    (out / "series").mkdir(parents=True)
    (out / "series" / "mine.csv").write_text("precious")
    for options in ([], ["--from-scratch"]):
        result = command(model, start, out, *options)
        assert result.exit_code == 2
        assert "holds series but no campaign.json" in " ".join(result.stderr.split())
    assert (out / "series" / "mine.csv").read_text() == "precious"


def test_a_damaged_series_is_named(model, start, tmp_path, monkeypatch):
    Host(monkeypatch)
    options = ["--replicas", "1", "--forces", "mts:2", "--equilibrate", "0"]
    command(model, start, tmp_path / "out", *options)
    path = tmp_path / "out" / "series" / "lammps-mts-2-replica-1.csv"
    path.write_text(path.read_text().replace("# wall_s: 5.0", "# wall_s: soon"))
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 2
    assert "Delete that file to run it again" in " ".join(result.stderr.split())


def test_two_at_once_are_kept_apart(model, start, tmp_path, monkeypatch):
    plan = CampaignPlan(model, start, "lammps", (("mts", 2),), 4.0, 1.6, 80.0, 1, 0.0)
    first = Campaign(plan, tmp_path / "out")

    def second(run):
        with pytest.raises(CampaignError, match="another md-bridge drift works in"):
            Campaign(plan, tmp_path / "out")
        return record_of(run)

    Host(monkeypatch, second)
    outcome = CampaignOutcome()
    first.perform(1, lambda task, steps: None, outcome)
    assert len(outcome.records) == 1


def test_a_model_without_direct_forces_is_refused_at_once(model_file, start, tmp_path):
    result = command(model_file("lennard_jones"), start, tmp_path / "out")
    assert result.exit_code == 1
    assert "direct" in result.stderr or "non_conservative" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--forces", "mst:4"], "did you mean mts:4?"),
        (["--tolerance", "0"], "must be positive and finite, found 0"),
        (["--ps", "-1"], "--ps must be positive"),
        (["--replicas", "0"], "not in the range x>=1"),
    ],
)
def test_bad_options_are_refused(model, start, tmp_path, options, message):
    result = command(model, start, tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_sigterm_stops_the_engine_and_the_same_command_goes_on(model, start, tmp_path):
    """The real LAMMPS; the second run goes on for hours."""
    out = tmp_path / "out"
    program = [sys.executable, "-m", "md_bridge", "drift"]
    options = ["--forces", "conservative", "--replicas", "1", "--equilibrate", "0"]
    with (tmp_path / "screen.txt").open("wb") as screen:
        process = subprocess.Popen(
            [*program, model, start, "--out", out, *options, "--ps", "5000", "--timestep", "4"],
            stdout=screen,
            stderr=screen,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    folder = out / "runs" / "lammps-conservative-replica-1"
    try:
        wait_until(lambda: (folder / "log.lammps").exists() or process.poll() is not None, 120)
        assert programs_in(folder), (tmp_path / "screen.txt").read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        assert not programs_in(folder)
    finally:
        process.kill()
        for engine in programs_in(folder):
            os.kill(engine, signal.SIGKILL)
    assert "0 of 1 runs are complete" in (tmp_path / "screen.txt").read_text()
    assert not (out / "series").exists()
    assert (out / "starts" / "replica-1.xyz").exists()


def test_help_loads_nothing_heavy():
    code = (
        "import sys, md_bridge.cli.energy.drift\n"
        "print(sorted({'torch', 'scipy', 'matplotlib', 'ase', 'plotly'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_a_start_that_was_cut_short_is_named(tmp_path, model, start):
    campaign = Campaign(CampaignPlan(model, start, forces=(("conservative", None),)), tmp_path)
    path = campaign.start_file(1)
    path.parent.mkdir()
    path.write_text("32\nLattice=")
    with pytest.raises(CampaignError, match=rf"{path.name}.*Delete that file"):
        campaign.perform(1, lambda *_: None, CampaignOutcome())
