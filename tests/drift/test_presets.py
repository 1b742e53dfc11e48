"""Presets of published protocols: their settings, what they ask of a start, their reports."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from click.testing import CliRunner

from md_bridge.ase import MDBridgeCalculator
from md_bridge.cli import main
from md_bridge.drift import measure, preset_settings
from md_bridge.drift.presets import MELTING_POINTS, PRESETS, find_preset, is_isolated
from md_bridge.drift.runs.plan import CampaignPlan
from md_bridge.drift.runs.starts import minimise, thermalise
from md_bridge.errors import ArgumentError

COPPER = bulk("Cu", cubic=True) * (2, 2, 2)
ARGON = ["--temperature", "60", "--ps", "0.4"]


def in_a_box(atoms, side=15.0):
    atoms = atoms.copy()
    atoms.set_cell([side] * 3)
    atoms.center()
    atoms.pbc = True
    return atoms


BUTANE = in_a_box(molecule("trans-butane"))


@pytest.mark.parametrize(
    ("name", "atoms", "step", "length", "temperature", "fmax"),
    [
        ("tm23", COPPER, 5.0, 100.0, 1.25 * 1358, 0.05),
        ("md22", BUTANE, 1.0, 100.0, 500.0, 0.05),
        ("lambench", COPPER, 1.0, 10.0, 300.0, 0.0),
        ("ml-peg", BUTANE, 1.0, 50.0, 300.0, 0.0),
    ],
)
def test_settings_of_each_protocol(tmp_path, name, atoms, step, length, temperature, fmax):
    settings = preset_settings(name, atoms)
    plan = CampaignPlan(model=tmp_path / "m", start=tmp_path / "s", **settings)
    assert (plan.timestep_fs, plan.length_ps) == (step, length)
    assert plan.temperature_k == pytest.approx(temperature)
    assert plan.minimise_fmax == fmax
    assert plan.equilibration_ps == 0  # no thermostat
    assert plan.replicas == 1
    assert plan.forces == (("conservative", None),)
    assert plan.zero_rotation is (name == "lambench")
    assert plan.preset == name


def test_explicit_settings_win():
    settings = preset_settings("tm23", COPPER, timestep_fs=2.0, temperature_k=400.0)
    assert (settings["timestep_fs"], settings["temperature_k"]) == (2.0, 400.0)
    kept = preset_settings("lambench", COPPER, keep_velocities=True)
    assert "zero_rotation" not in kept
    assert "temperature_k" not in kept


def test_large_hydrocarbons_of_md22_are_cooler():
    grid = np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3)[:148] * 1.5
    catcher = in_a_box(Atoms("C120H28", positions=grid), 30.0)
    assert preset_settings("md22", catcher)["temperature_k"] == 400.0
    assert preset_settings("md22", BUTANE)["temperature_k"] == 500.0


@pytest.mark.parametrize(
    ("name", "atoms", "message"),
    [
        ("tm23", bulk("NaCl", "rocksalt", a=5.6), "one metal .* found Cl, Na in the start"),
        ("tm23", bulk("Al"), "known for Ag, .* and not for Al: give the temperature"),
        ("md22", COPPER, "md22 is for a molecule .* found Cu32 that fills its box"),
        ("tm-23", COPPER, "must be one of tm23, .* did you mean tm23?"),
    ],
)
def test_what_the_start_does_not_have_is_said(name, atoms, message):
    with pytest.raises(ArgumentError, match=message):
        preset_settings(name, atoms)


def test_a_temperature_stands_in_for_an_unknown_melting_point():
    assert preset_settings("tm23", bulk("Al"), temperature_k=1167.0)["temperature_k"] == 1167.0


def test_empty_space_around_a_molecule(water):
    assert is_isolated(BUTANE)
    assert not is_isolated(water)
    wrapped = BUTANE.copy()
    wrapped.positions += 7.0  # across the faces of the box
    wrapped.wrap()
    assert is_isolated(wrapped)
    wire = BUTANE.copy()
    wire.cell[2, 2] = np.ptp(BUTANE.positions[:, 2]) + 2.0
    assert not is_isolated(wire)
    free = BUTANE.copy()
    free.pbc = False
    assert is_isolated(free)


def test_there_are_27_metals():
    assert len(MELTING_POINTS) == 27
    assert all(find_preset(name).source for name in PRESETS)


def test_minimise_and_zero_rotation(model_file):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    calculator = MDBridgeCalculator(model_file("curl"))
    seen = []
    found = minimise(atoms, calculator, 0.005, 100, seen.append)
    found.calc = calculator
    assert np.abs(found.get_forces()).max() < 0.005
    assert len(seen) > 2
    assert found.get_potential_energy() < calculator.get_potential_energy(atoms)
    for zero in (True, False):
        start = thermalise(atoms, calculator, 60.0, 1.0, 0, 1, lambda _: None, zero)
        turning = np.abs(start.get_angular_momentum()).max()
        assert bool(turning < 1e-9) is zero


@pytest.fixture
def argon(tmp_path):
    atoms = bulk("Ar", "fcc", a=5.5, cubic=True) * (2, 2, 2)
    atoms.rattle(0.2, seed=0)
    write(tmp_path / "argon.xyz", atoms)
    return tmp_path / "argon.xyz"


def drift(model, start, out, *options):
    words = ["drift", str(model), str(start), "--out", str(out), *options]
    return CliRunner().invoke(main, words, env={"OMP_NUM_THREADS": "1", "COLUMNS": "100"})


def test_a_preset_on_the_command_line(model_file, argon, tmp_path):
    """Published numbers beside ours in table, page and JSON; the start is at a minimum."""
    result = drift(model_file("curl"), argon, tmp_path / "out", "--preset", "tm23", *ARGON)
    assert result.exit_code in (0, 3), result.output
    assert "FAIR-Chem" in result.stdout
    assert "LAMBench" in result.stdout
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["settings"]["preset"] == "tm23"
    (method,) = content["methods"]
    assert method["timestep_fs"] == 5.0
    published = method["published"]
    assert published["fairchem_meV_per_atom_per_ps"] is None  # 9 samples
    assert published["lambench_meV_per_atom_per_ps"] >= 0
    assert published["ml_peg_drift_ratio"] >= 0
    assert content["runs"][0]["published"] == published
    page = (tmp_path / "out" / "report.html").read_text()
    assert "By published formulas" in page
    assert "after a minimisation to 0.05 eV/Å" in page
    start = read(tmp_path / "out" / "starts" / "replica-1.xyz")
    start.calc = MDBridgeCalculator(model_file("curl"))
    assert np.abs(start.get_forces()).max() < 0.05
    settings = json.loads((tmp_path / "out" / "campaign.json").read_text())
    assert settings["minimise_fmax"] == 0.05
    other = drift(model_file("curl"), argon, tmp_path / "out", "--preset", "lambench", *ARGON)
    assert other.exit_code == 2
    assert "minimise_fmax is 0.05 there and 0.0 now" in " ".join(other.stderr.split())


def test_options_win_over_the_preset(model_file, argon, tmp_path):
    options = ["--preset", "ml-peg", *ARGON, "--timestep", "4", "--forces", "direct", "--json"]
    result = drift(model_file("curl"), argon, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert [method["forces"] for method in content["methods"]] == ["direct"]
    assert content["settings"]["timestep_fs"] == 4.0
    assert content["settings"]["temperature_k"] == 60.0


def test_the_command_says_what_is_missing(model_file, argon, tmp_path):
    result = drift(model_file("curl"), argon, tmp_path / "out", "--preset", "tm23")
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "--preset tm23 runs at 1.25 times the melting temperature" in message
    assert "not for Ar: give the temperature (--temperature)" in message


def test_in_python(model_file, argon, tmp_path):
    atoms = read(argon)
    settings = preset_settings("lambench", atoms, length_ps=0.4, temperature_k=60.0)
    analysis = measure(model_file("curl"), atoms, **settings, folder=tmp_path / "out")
    (result,) = analysis.results
    assert result.published.lambench == pytest.approx(result.runs[0].published.lambench)
    assert result.published.fairchem is not None
