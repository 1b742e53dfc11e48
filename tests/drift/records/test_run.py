"""Run records and their CSV files."""

import numpy as np
import pytest

from md_bridge.drift.records.csv import read_csv, write_csv
from md_bridge.drift.records.method import Method
from md_bridge.drift.records.run import RunRecord

METHOD = ("host", "forces", "multiplicity", "timestep_fs")


def record(**changes):
    values = {
        "host": "lammps",
        "forces": "mts",
        "multiplicity": 4,
        "timestep_fs": 0.5,
        "atom_count": 81,
        "wall_s": 12.5,
        "time_ps": np.array([0.0, 0.002, 0.004]),
        "conserved_energy": np.array([-4243.64307604, -4243.64307605, -4243.64307603]),
        "temperature": np.array([300.0, 301.5, 299.25]),
    }
    values |= changes
    method = Method(*(values.pop(name) for name in METHOD))
    return RunRecord(method, **values)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"host": "i-pi"},
        {"forces": "direct", "multiplicity": None},
        {"replica": 2, "seed": 17, "element_temperatures": {"O": np.arange(3.0)}},
        {"resolution": 1e-5, "versions": {"md-bridge": "0.1.0", "torch": "2.13.0+cpu"}},
        {"exploded": "exploded at step 3 (0.006 ps): Lost atoms"},
        {"host": "other", "forces": "unknown", "multiplicity": None, "source": "log.lammps"},
    ],
)
def test_csv_round_trip(tmp_path, changes):
    written = record(**changes)
    write_csv(written, tmp_path / "run.csv")
    read = read_csv(tmp_path / "run.csv")
    for name in (
        "method",
        "atom_count",
        "wall_s",
        "replica",
        "seed",
        "source",
        "exploded",
        "resolution",
        "versions",
        "label",
        "name",
    ):
        assert getattr(read, name) == getattr(written, name)
    for name in ("time_ps", "conserved_energy", "temperature"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert read.element_temperatures.keys() == written.element_temperatures.keys()
    for element, temperatures in written.element_temperatures.items():
        np.testing.assert_array_equal(read.element_temperatures[element], temperatures)
    assert [path.name for path in tmp_path.iterdir()] == ["run.csv"]


def test_numpy_reads_the_columns(tmp_path):
    write_csv(record(), tmp_path / "run.csv")
    table = np.genfromtxt(tmp_path / "run.csv", delimiter=",", names=True, skip_header=6)
    assert table.dtype.names == ("time_ps", "conserved_eV", "temperature_K")
    np.testing.assert_array_equal(table["temperature_K"], [300.0, 301.5, 299.25])


def test_names_and_costs():
    assert record().label == "LAMMPS MTS M=4"
    assert record().name == "lammps-mts-4"
    assert record(replica=2).name == "lammps-mts-4-replica-2"
    assert record(replica=2).label == "LAMMPS MTS M=4 #2"
    assert record(source="my runs/log.lammps").name == "my-runs-log.lammps"
    assert record(host="i-pi", forces="direct", multiplicity=None).label == "i-PI direct"
    assert record().length_ps == pytest.approx(0.004)
    assert record().wall_s_per_ps == pytest.approx(12.5 / 0.004)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "gromacs"}, "host must be one of lammps, i-pi, ase, other; found 'gromacs'"),
        (
            {"forces": "mixed"},
            "forces must be one of conservative, direct, mts, unknown; found 'mixed'",
        ),
        ({"multiplicity": None}, "a multiplicity M belongs to forces 'mts'"),
        ({"forces": "direct"}, "a multiplicity M belongs to forces 'mts'"),
        ({"time_ps": np.array([0.0, 1.0])}, "LAMMPS MTS M=4: expected .* found time_ps: 2"),
        ({"element_temperatures": {"O": np.ones(2)}}, "temperature of O: 2"),
    ],
)
def test_impossible_records_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        record(**changes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# wall_s: 12.5\n", "", "expected a line '# wall_s: ...'"),
        ("# wall_s: 12.5", "# wall_s: soon", "'wall_s' must be a number, found 'soon'"),
        ("time_ps,conserved_eV", "time,conserved_eV", "expected the columns time_ps"),
        ("301.5", "warm", "line 9: expected 3 numbers, found '0.002,"),
        (",301.5", "", "line 9: expected 3 numbers"),
    ],
)
def test_damaged_files_are_refused_with_their_line(tmp_path, old, new, message):
    path = tmp_path / "run.csv"
    write_csv(record(), path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        ("301.5", "nan", r"run\.csv, line \d+: expected finite numbers, found .*nan"),
        ("-4243.64307605", "inf", r"run\.csv, line \d+: expected finite numbers"),
        ("host: lammps", "host: lamps", r"run\.csv: host must be one of"),
        ("atom_count: 81", "atom_count: 0", r"run\.csv: .*expected at least one atom, found 0"),
    ],
)
def test_csv_that_is_refused_by_name_and_line(tmp_path, pattern, replacement, message):
    path = tmp_path / "run.csv"
    write_csv(record(), path)
    path.write_text(path.read_text().replace(pattern, replacement))
    with pytest.raises(ValueError, match=message):
        read_csv(path)
