"""What several campaigns, and the two halves of one that was resumed, have in common."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from click.testing import CliRunner

from md_bridge.cli.energy.drift import drift
from md_bridge.drift.records.csv import read_csv, write_csv
from md_bridge.drift.records.run import RunRecord
from md_bridge.drift.runs import campaign as campaign_module
from md_bridge.drift.runs.campaign import Campaign, CampaignOutcome
from md_bridge.drift.runs.lammps import LAST_FRAME, remove_output
from md_bridge.drift.runs.plan import CampaignPlan
from md_bridge.drift.runs.versions import installed_versions, version_warnings

OPTIONS = ["--timestep", "4", "--ps", "1.6", "--forces", "conservative", "--equilibrate", "0"]


@pytest.fixture
def start(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    path = tmp_path / "start.xyz"
    ase.io.write(path, atoms)
    return path


@pytest.fixture
def host(monkeypatch):
    """Synthetic runs that conserve energy, in place of those of a host; their starts."""
    starts = []

    def run_dynamics(start, model, run, folder, progress, threads):
        starts.append(start)
        time = np.arange(401) * 0.004
        noise = 1e-6 * np.random.default_rng(1).normal(size=len(time))
        return RunRecord(
            run.method, 32, 1.0, time, noise, 80 + 0 * time, replica=run.replica, seed=run.seed
        )

    monkeypatch.setattr(campaign_module, "run_dynamics", run_dynamics)
    return starts


def plan(**changes):
    return CampaignPlan(Path("m"), Path("s"), **changes)


def performed(model, start, folder, **changes):
    options = {"equilibration_ps": 0.0, "forces": (("conservative", None),), **changes}
    outcome = CampaignOutcome()
    Campaign(CampaignPlan(model, start, **options), folder).perform(1, lambda *_: None, outcome)
    return outcome.records


def test_no_two_campaigns_share_a_start():
    seeds = [plan(seed=seed).replica_seed(replica) for seed in range(50) for replica in range(1, 9)]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**53  # exact in JSON
    # the same seed gives the same replicas, however many there are
    assert plan(seed=3, replicas=2).replica_seed(2) == plan(seed=3, replicas=8).replica_seed(2)
    assert plan(seed=1).replica_seed(1) == 4117112474581694


def test_starts_of_two_seeds_differ(model_file, start, tmp_path, host):
    performed(model_file("curl"), start, tmp_path / "one", seed=1, replicas=2)
    performed(model_file("curl"), start, tmp_path / "two", seed=2, replicas=2)
    energies = [atoms.get_kinetic_energy() for atoms in host]
    assert len({round(energy, 6) for energy in energies}) == 4
    performed(model_file("curl"), start, tmp_path / "again", seed=2, replicas=2)
    np.testing.assert_array_equal(host[-1].get_momenta(), host[-3].get_momenta())


def test_a_campaign_of_an_earlier_version_goes_on(model_file, start, tmp_path, host):
    """Its starts are what they are, with the seed that made them."""
    folder, model = tmp_path / "out", model_file("curl")
    performed(model, start, folder, seed=7, replicas=2)
    old = folder / "starts" / "replica-2.xyz"
    atoms = ase.io.read(old)
    del atoms.info["thermostat_seed"]
    ase.io.write(old, atoms)
    for series in (folder / "series").iterdir():
        series.unlink()
    records = performed(model, start, folder, seed=7, replicas=3)
    assert [record.seed for record in records] == [
        plan(seed=7).replica_seed(1),
        8,
        plan(seed=7).replica_seed(3),
    ]


def test_velocities_that_are_kept_have_no_seed(model_file, start, tmp_path, host):
    atoms = ase.io.read(start)
    atoms.set_momenta(np.random.default_rng(3).normal(size=(len(atoms), 3)))
    ase.io.write(start, atoms)
    (record,) = performed(
        model_file("curl"), start, tmp_path / "out", replicas=1, keep_velocities=True
    )
    assert record.seed is None


def test_every_run_knows_its_versions(model_file, start, tmp_path, host):
    (record,) = performed(model_file("curl"), start, tmp_path / "out", replicas=1)
    assert {"md-bridge", "torch", "metatomic-torch", "lammps", "ipi"} <= set(record.versions)
    assert record.versions == installed_versions()
    assert version_warnings([record], installed_versions()) == []


def test_runs_of_other_versions_are_named(model_file, start, tmp_path, host):
    """Half a campaign before an update of torch, half after it."""
    folder = tmp_path / "out"
    arguments = [str(model_file("curl")), str(start), "--out", str(folder), *OPTIONS]
    assert CliRunner().invoke(drift, [*arguments, "--replicas", "1"]).exit_code == 0
    (series,) = (folder / "series").iterdir()
    record = read_csv(series)
    # a run in LAMMPS has nothing to do with i-PI
    write_csv(replace(record, versions={**record.versions, "torch": "1.0", "ipi": "1.0"}), series)
    result = CliRunner().invoke(drift, [*arguments, "--replicas", "2", "--json"])
    text = " ".join(result.stderr.split())
    torch = installed_versions()["torch"]
    assert (
        f"warning: LAMMPS conservative #1: made with torch 1.0, and {torch} is installed now"
        in text
    )
    assert "--from-scratch" in text
    assert text.count("warning") == 1
    first, second = json.loads(result.stdout)["runs"]
    assert (first["versions"]["torch"], second["versions"]["torch"]) == ("1.0", torch)


def test_a_model_is_hashed_once(model_file, start, tmp_path, monkeypatch):
    """``tune`` makes a campaign for every trial and replica."""
    model, count = tmp_path / "model.pt", []
    model.write_bytes(model_file("curl").read_bytes())
    sha256 = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda data: (count.append(len(data)), sha256(data))[1])
    for name in ("a", "b"):
        Campaign(CampaignPlan(model, start), tmp_path / name)
    assert count.count(model.stat().st_size) == 1
    model.write_bytes(model.read_bytes() + b" ")  # another model
    Campaign(CampaignPlan(model, start), tmp_path / "c")
    assert count.count(model.stat().st_size) == 1


def test_output_of_an_earlier_run_is_removed(tmp_path):
    for name in ("log.lammps", "screen.txt", "last.20.lammpstrj", LAST_FRAME, "mine.txt"):
        (tmp_path / name).write_text("old\n")
    remove_output(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
