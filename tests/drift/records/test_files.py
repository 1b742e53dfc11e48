"""`md-bridge judge`: the verdict on files of other programs, by exit status."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase.units import kB
from click.testing import CliRunner

from md_bridge.cli import main
from md_bridge.drift.records.csv import read_csv, write_csv
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord

ATOMS = 81


def record(slope: float, seed: int = 0) -> RunRecord:
    """Ten picoseconds of H with a slope in meV/atom/ps and a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(2001) * 0.005
    energy = -4243.0 + 1e-3 * ATOMS * (slope * time + 0.02 * rng.standard_normal(len(time)))
    temperature = 300.0 + rng.standard_normal(len(time))
    return RunRecord(Method("lammps", "mts", 4, 0.5), ATOMS, 12.0, time, energy, temperature)


def lammps_log(path, slope: float, digits: int = 10):
    """What LAMMPS prints of such a run, in units real; the readers' tests have real logs."""
    run = record(slope)
    kcal_per_mol = 23.060549
    lines = ["LAMMPS (22 Jul 2025)", "units real", "timestep 0.5", "run 20000"]
    lines += ["Per MPI rank memory allocation (min/avg/max) = 3 | 3 | 3 Mbytes"]
    lines += ["   Step          Temp          TotEng"]
    for time, energy, temperature in zip(
        run.time_ps, run.conserved_energy, run.temperature, strict=True
    ):
        printed = f"{energy * kcal_per_mol:.{digits}f}"
        lines.append(f"{round(time / 0.0005):10d} {temperature:.6f} {printed}")
    lines += [f"Loop time of 12.5 on 1 procs for 20000 steps with {ATOMS} atoms"]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def call(tmp_path, *arguments):
    return CliRunner().invoke(main, ["judge", *arguments, "--out", str(tmp_path / "out")])


def test_files_of_several_kinds(tmp_path):
    steady = lammps_log(tmp_path / "log.lammps", 0.0)
    write_csv(record(1.0), tmp_path / "run.csv")
    result = call(tmp_path, steady, str(tmp_path / "run.csv"), "--json")
    assert result.exit_code == 3, result.output
    methods = {entry["label"]: entry for entry in json.loads(result.stdout)["methods"]}
    assert methods["log.lammps"]["verdict"] == "conserves"
    assert methods["run.csv"]["verdict"] == "drifts"
    assert methods["run.csv"]["drift_meV_per_atom_per_ps"] == pytest.approx(1.0, abs=0.01)
    # LAMMPS tells the wall time of 10 ps
    assert methods["log.lammps"]["wall_s_per_ps"] == pytest.approx(1.25)
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert re.match(r"81 atoms, 10 ps; run 1 of the log", settings["files"]["log.lammps"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "run 1 of the log: steps 0 to 20000 (2001 samples); H is TotEng" in page
    assert {path.name for path in (tmp_path / "out" / "series").glob("*.csv")} == {
        "log.lammps.csv",
        "run.csv.csv",
    }


@pytest.mark.parametrize("command", [["judge"], ["drift", "--from"]])
def test_exit_status_zero_if_all_conserve(tmp_path, command):
    """In the old spelling, too, with a hint."""
    log = lammps_log(tmp_path / "log.lammps", 0.0)
    result = CliRunner().invoke(main, [*command, log, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert ("md-bridge judge FILES" in result.stderr) is (command[0] == "drift")
    assert "conserves" in result.stdout
    assert "report.html" in result.stdout


def test_files_of_one_name_stay_apart(tmp_path):
    paths = []
    for name, slope in (("a", 0.0), ("b", 1.0)):
        (tmp_path / name).mkdir()
        paths.append(lammps_log(tmp_path / name / "log.lammps", slope))
    content = json.loads(call(tmp_path, *paths, "--json").stdout)
    assert [(entry["label"], entry["verdict"]) for entry in content["methods"]] == [
        ("a/log.lammps", "conserves"),
        ("b/log.lammps", "drifts"),
    ]


def test_files_whose_names_are_alike_do_not_overwrite_each_other(tmp_path):
    """`a/log` and `a-log` would both be written to series/a-log.csv."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    names = ("a/log", "b/log", "a-log")
    paths = [lammps_log(tmp_path / name, slope) for slope, name in enumerate(names)]
    content = json.loads(call(tmp_path, *paths, "--json").stdout)
    assert [entry["label"] for entry in content["methods"]] == ["a/log", "b/log", "a-log (2)"]
    series = sorted((tmp_path / "out" / "series").glob("*.csv"))
    assert [path.name for path in series] == ["a-log-2.csv", "a-log.csv", "b-log.csv"]
    slopes = [read_csv(path).statistics().energy.slope for path in series]
    np.testing.assert_allclose(slopes, [2.0, 0.0, 1.0], atol=0.05)


def test_an_explosion_is_a_result(tmp_path):
    path = tmp_path / "log.lammps"
    lammps_log(path, 0.0)
    path.write_text(re.sub(r"^( +15000 \S+) \S+", r"\1 nan", path.read_text(), flags=re.MULTILINE))
    result = call(tmp_path, str(path), "--json")
    assert result.exit_code == 3
    (entry,) = json.loads(result.stdout)["methods"]
    assert (entry["verdict"], entry["exploded"]) == ("drifts", 1)
    assert "step 15000" in (tmp_path / "out" / "report.html").read_text()


def test_too_short_is_inconclusive(tmp_path):
    path = tmp_path / "log.lammps"
    lammps_log(path, 0.0)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:26], lines[-1]]) + "\n")  # 20 samples
    result = call(tmp_path, str(path), "--json")
    assert result.exit_code == 3
    (entry,) = json.loads(result.stdout)["methods"]
    assert entry["verdict"] == "inconclusive"
    assert entry["drift_stderr"] is None


@pytest.mark.parametrize(
    ("arguments", "message", "status"),
    [
        (["LOG", "--run", "2"], "expected a run from 1 to 1, found", 2),
        (["LOG", "--column", "toteng_"], "there is no column toteng_ (did you mean TotEng?)", 2),
        (["LOG", "--replicas", "3"], "No such option '--replicas'", 2),
        (["LOG", "--tolerance", "0"], "must be positive and finite, found 0", 2),
        (["COARSE"], "is printed in steps of 0.54 meV/atom", 1),
        (["EMPTY"], "EMPTY", 1),
        ([], "Missing argument 'FILES...'", 2),
        (["LOG", "missing.log"], "does not exist", 2),
    ],
)
def test_refused(tmp_path, arguments, message, status):
    """Status 2 for what was typed, 1 for what a file holds."""
    log = Path(lammps_log(tmp_path / "log.lammps", 0.0))
    coarse = tmp_path / "coarse.lammps"
    coarse.write_text(re.sub(r"(-\d+)\.\d+$", r"\1", log.read_text(), flags=re.MULTILINE))
    (tmp_path / "EMPTY").write_text("")
    logs = {"LOG": str(log), "COARSE": str(coarse), "EMPTY": str(tmp_path / "EMPTY")}
    result = call(tmp_path, *(logs.get(word, word) for word in arguments))
    assert result.exit_code == status, result.output
    assert message in re.sub(r"\s+", " ", result.output)


def test_options_of_files_are_none_of_a_campaign(tmp_path):
    result = CliRunner().invoke(main, ["drift", "--atoms", "81"])
    assert result.exit_code == 2
    assert "No such option '--atoms'" in result.output


def thermostatted_log(path, temperature: float, seed: int, samples: int = 3000, freedom: int = 60):
    """A log of 21 independent oscillators: kinetic and potential energy are canonical."""
    rng = np.random.default_rng(seed)
    atoms = 21
    energies = 0.5 * kB * temperature * np.sum(rng.standard_normal((2, samples, freedom)) ** 2, -1)
    lines = ["units metal", "timestep 0.001", "fix bath all nvt temp 300 300 0.1", "run 1"]
    lines += ["Per MPI rank memory allocation", "Step Temp KinEng PotEng Econserve"]
    for step, (kinetic, potential) in enumerate(energies.T):
        now = 2 * kinetic / (freedom * kB)
        noise = 1e-6 * rng.standard_normal()
        lines.append(f"{10 * step} {now:.8f} {kinetic:.8f} {potential:.8f} {5 + noise:.9f}")
    lines.append(f"Loop time of 12.5 on 1 procs for {10 * samples} steps with {atoms} atoms")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_thermostats_are_checked(tmp_path):
    cold, hot = (
        thermostatted_log(tmp_path / f"{t:.0f}.log", t, seed) for seed, t in enumerate((300.0, 330))
    )
    right = call(tmp_path, cold, hot, "--thermostat", "300,330", "--json")
    assert right.exit_code == 0, right.output
    checks = json.loads(right.stdout)["ensemble"]
    assert [(check["title"], check["passed"]) for check in checks] == [
        ("kinetic energy of 300.log", True),
        ("kinetic energy of 330.log", True),
        ("ensemble of 300.log and 330.log", True),
    ]
    wrong = call(tmp_path, cold, hot, "--thermostat", "300,360")
    assert wrong.exit_code == 3
    text = re.sub(r"\s+", " ", wrong.output)
    assert "kinetic energy of 300.log: as it should be" in text
    assert "kinetic energy of 330.log: is not what it should be" in text
    assert "ensemble of 300.log and 330.log: is not what it should be" in text


def test_a_thermostat_may_move_the_centre_of_mass(tmp_path):
    log = thermostatted_log(tmp_path / "langevin.log", 300.0, 3, freedom=63)
    options = (log, "--thermostat", "300")
    assert call(tmp_path, *options, "--dof", "63").exit_code == 0
    assert call(tmp_path, *options).exit_code == 3
    alone = call(tmp_path, log, "--dof", "63")
    assert alone.exit_code == 2
    assert "--dof needs --thermostat" in alone.output


@pytest.mark.parametrize(
    ("temperatures", "message", "status"),
    [("warm", "expected temperatures (K)", 2), ("300,310", "found 2 for 1 files", 1)],
)
def test_thermostats_that_are_refused(tmp_path, temperatures, message, status):
    log = thermostatted_log(tmp_path / "300.log", 300.0, 0, samples=50)
    result = call(tmp_path, log, "--thermostat", temperatures)
    assert result.exit_code == status
    assert message in re.sub(r"\s+", " ", result.output)
