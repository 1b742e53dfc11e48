"""Relaxation and phonons of a model that Python evaluates are those of its file."""

import numpy as np
import pytest
from ase.build import bulk
from ase.io import write
from python_models import TWO_FACTORIES, of_file, python_model

from md_bridge.model_options import ModelOptions
from md_bridge.statics.phonons.hosts import ipi, lammps
from md_bridge.statics.relaxing.lammps import relax_with_lammps
from md_bridge.statics.relaxing.settings import RelaxSettings
from md_bridge.statics.rows import Row


@pytest.fixture
def names(tmp_path, model_file):
    file = model_file("strong_curl")
    return of_file(tmp_path, file), file


def argon():
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    atoms.rattle(0.1, seed=3)
    return atoms


@pytest.mark.parametrize("host", [lammps, ipi], ids=["lammps", "i-pi"])
def test_force_constants(names, host):
    found, expected = (
        host.force_constants(name, ModelOptions(threads=1), Row("conservative"), argon(), 0.01)
        for name in names
    )
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_relaxation_in_lammps(names, tmp_path):
    settings = RelaxSettings(fmax=1e-3, steps=60)
    ends = [
        relax_with_lammps(
            name, ModelOptions(threads=1), Row("conservative"), argon(), settings, tmp_path / "run"
        )
        for name in names
    ]
    np.testing.assert_allclose(ends[0].end.positions, ends[1].end.positions, rtol=0, atol=1e-6)
    assert np.abs(ends[1].end.positions - argon().positions).max() > 0.02


def test_the_command(names, tmp_path, monkeypatch):
    import json

    from click.testing import CliRunner

    from md_bridge.cli import main

    monkeypatch.chdir(tmp_path)
    write("start.xyz", argon())
    ends = []
    for number, name in enumerate(names):
        result = CliRunner().invoke(
            main, ["relax", str(name), "start.xyz", "--out", f"out-{number}", "--json"]
        )
        assert result.exit_code in (0, 3), result.output
        (end,) = json.loads(result.stdout)["rows"]["conservative"]["results"]
        assert end["status"] == "converged"
        ends.append(end)
    found, expected = ends
    assert found["steps"] == expected["steps"] > 3
    for name in ("start_energy_eV", "energy_eV", "largest_force_eV_per_angstrom"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)
    assert expected["start_energy_eV"] - expected["energy_eV"] > 1e-3


def test_what_one_factory_left_is_not_taken_for_another(tmp_path, monkeypatch):
    """Of two in one file, whose checksum is the same."""
    import json

    from click.testing import CliRunner

    from md_bridge.cli import main

    monkeypatch.chdir(tmp_path)
    write("start.xyz", argon())
    one = python_model(tmp_path, TWO_FACTORIES, "one")
    kept = []
    for name in (one, one.replace(":one", ":other"), one):
        words = ["relax", name, "start.xyz", "--fmax", "0.001", "--out", "out", "--json"]
        result = CliRunner().invoke(main, words)
        assert result.exit_code in (0, 3), result.output
        kept.append(json.loads(result.stdout)["kept_results"])
    assert kept == [0, 0, 1]
