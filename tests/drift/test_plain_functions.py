"""`judge`, `measure` and `tune`: the main jobs as plain functions, with known answers."""

from pathlib import Path

import ase.io
import models
import numpy as np
import pytest
from ase import Atoms
from drift_models import argon_crystal, einstein_crystal, einstein_start

import md_bridge.drift
from md_bridge.drift import Verdict, judge, measure, tune
from md_bridge.drift.runs.campaign import CampaignError
from md_bridge.errors import ArgumentError, MDBridgeError
from md_bridge.model_options import ModelOptions

SHORT = {"timestep_fs": 2.0, "length_ps": 0.4, "temperature_k": 40.0, "replicas": 1}


def line(slope, atom_count=81):
    """Times (ps) and H (eV) that drifts by ``slope`` (meV/atom/ps) under white noise."""
    time = np.linspace(0, 10, 2001)
    noise = 0.02 * np.random.default_rng(0).normal(size=len(time))
    return time, atom_count * (slope * time + noise) / 1000


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "conserves"), (0.05, "conserves"), (1.0, "drifts")]
)
def test_judge_needs_nothing_but_arrays(slope, verdict):
    found = judge(*line(slope), atom_count=81)
    assert found.verdict is Verdict(verdict)
    assert found.energy.slope == pytest.approx(slope, abs=3 * found.energy.stderr)
    assert found.energy.rms == pytest.approx(0.02, rel=0.1)
    assert np.isnan(found.mean_temperature)
    assert (
        judge(*line(slope), atom_count=81, temperature=np.full(2001, 300.0)).mean_temperature == 300
    )


def test_judge_takes_a_tolerance_and_refuses_nonsense():
    assert judge(*line(1.0), atom_count=81, tolerance=2.0).verdict is Verdict.CONSERVES
    with pytest.raises(ValueError, match="atom_count must be at least 1"):
        judge([0, 1], [0, 1], atom_count=0)
    with pytest.raises(TypeError):
        judge([0, 1], [0, 1])


@pytest.fixture(scope="module")
def swirl(tmp_path_factory):
    """Independent oscillators; the direct forces turn, and heat at a rate known on paper."""
    model = einstein_crystal(k=2.0, swirl=0.02)
    return model.export(tmp_path_factory.mktemp("swirl") / "swirl.pt")


def exact_rate(atoms, length_ps, k=2.0, swirl=0.02):
    """Mean heating rate of the swirling oscillators (meV/atom/ps), without integration."""
    from ase import units

    site = np.round(atoms.positions / 3.0) * 3.0
    mass = atoms.get_masses()[0]
    z, dz = (x[:, 0] + 1j * x[:, 1] for x in (atoms.positions - site, atoms.get_velocities()))
    t = np.linspace(0, length_ps, 2001)[:, None]
    time = t * 1000 * units.fs
    omega = np.sqrt((k - 1j * swirl) / mass)
    place = z * np.cos(omega * time) + dz / omega * np.sin(omega * time)
    speed = dz * np.cos(omega * time) - z * omega * np.sin(omega * time)
    energy = np.sum(0.5 * mass * np.abs(speed) ** 2 + 0.5 * k * np.abs(place) ** 2, axis=1)
    return 1000 * np.polyfit(t[:, 0], energy, 1)[0] / len(atoms)


def test_measure_finds_the_rate_that_is_known_on_paper(swirl):
    atoms, seen = einstein_start(), []
    before = atoms.copy()
    analysis = measure(
        swirl,
        atoms,
        forces="conservative,direct,mts:2",
        timestep_fs=1.0,
        length_ps=2.0,
        keep_velocities=True,
        progress=lambda what, share: seen.append((what, share)),
    )
    conservative, direct, mts = analysis.results
    expected = exact_rate(atoms, 2.0)
    assert abs(expected) > 0.5
    assert direct.statistics.energy.slope == pytest.approx(expected, rel=0.05)
    assert direct.statistics.verdict is Verdict.DRIFTS
    assert conservative.statistics.verdict is Verdict.CONSERVES
    assert mts.statistics.verdict is Verdict.CONSERVES
    assert mts.label == "LAMMPS MTS M=2"
    assert mts.speedup is not None
    assert seen[-1] == ("LAMMPS MTS M=2 #1", 1.0)
    assert atoms == before


def test_a_folder_keeps_runs_and_the_same_call_reads_them(model_file, tmp_path):
    atoms = argon_crystal()
    arguments = {"forces": "conservative", "equilibration_ps": 0.1, "folder": tmp_path, **SHORT}
    first = measure(model_file("curl"), atoms, **arguments)
    series = tmp_path / "series" / "lammps-conservative-replica-1.csv"
    written = series.stat().st_mtime_ns
    again = measure(model_file("curl"), atoms, **arguments)
    assert series.stat().st_mtime_ns == written
    assert again.results[0].statistics.energy.slope == pytest.approx(
        first.results[0].statistics.energy.slope
    )
    with pytest.raises(CampaignError, match="seed is 1 there and 2 now"):
        measure(model_file("curl"), atoms, **arguments, seed=2)


def test_a_file_is_as_good_as_atoms_and_ipi_as_good_as_lammps(model_file, tmp_path):
    atoms = argon_crystal()
    ase.io.write(tmp_path / "start.xyz", atoms)
    options = {**SHORT, "forces": "conservative", "keep_velocities": True}
    energies = {}
    for host, start in (("lammps", atoms), ("i-pi", tmp_path / "start.xyz")):
        analysis = measure(model_file("curl"), start, host=host, **options)
        (result,) = analysis.results
        energies[host] = result.runs[0].record.conserved_energy
        assert result.method.host == host
    np.testing.assert_allclose(energies["lammps"], energies["i-pi"], atol=1e-5)


def test_options_of_the_model_reach_both_hosts(tmp_path):
    """An averaged model has another energy: the same one in both hosts and in ASE."""
    from md_bridge.ase import MDBridgeCalculator

    model = models.anisotropic({1: 0.3, 2: 0.2}).export(tmp_path / "model.pt")
    atoms = argon_crystal()
    energies = {}
    for symmetrize in ("none", "octahedral"):
        options = ModelOptions(symmetrize=symmetrize, threads=1)
        for host in ("lammps", "i-pi"):
            (result,) = measure(
                model,
                atoms,
                host=host,
                forces="conservative",
                keep_velocities=True,
                model_options=options,
                timestep_fs=1.0,
                length_ps=0.005,
            ).results
            energies[symmetrize, host] = result.runs[0].record.conserved_energy[0]
        atoms.calc = MDBridgeCalculator(model, symmetrize=symmetrize)
        expected = atoms.get_potential_energy() + atoms.get_kinetic_energy()
        atoms.calc = None
        assert energies[symmetrize, "lammps"] == pytest.approx(expected, abs=1e-5)
        assert energies[symmetrize, "i-pi"] == pytest.approx(expected, abs=1e-5)
    assert abs(energies["none", "lammps"] - energies["octahedral", "lammps"]) > 2e-3


def test_tune_finds_the_largest_stable_multiplicity(tmp_path):
    """The oscillator of test_tune: M = 3 is stable, M = 4 is not."""
    model = models.harmonic(9.4, 2.0, 4.7).export(tmp_path / "dimer.pt")
    atoms = Atoms("H2", positions=[[5.0, 6.0, 6.0], [7.0, 6.0, 6.0]], cell=[12.0] * 3, pbc=True)
    seen = []
    tuning = tune(
        model,
        atoms,
        timesteps_fs=(1.5,),
        most=4,
        tolerance=1.0,
        length_ps=4.0,
        longest_ps=4.0,
        replicas=1,
        equilibration_ps=0.0,
        worth=1.0,
        progress=lambda what, share: seen.append(what),
    )
    assert tuning.choice is not None
    assert tuning.choice.best.multiplicity == 3
    assert any("M = 4" in what for what in seen)


@pytest.mark.parametrize(
    ("changes", "argument"),
    [
        ({"timestep_fs": -1.0}, "timestep_fs"),
        ({"length_ps": 0.0}, "length_ps"),
        ({"replicas": 0}, "replicas"),
        ({"host": "lamps"}, "host"),
        ({"host": "ase"}, "host"),
        ({"forces": "mts:1"}, "forces"),
        ({"forces": "conservativ"}, "forces"),
    ],
)
def test_errors_name_the_argument(changes, argument):
    with pytest.raises(ArgumentError, match=f"^{argument} ") as caught:
        measure("model.pt", argon_crystal(), **changes)
    assert caught.value.argument == argument
    assert isinstance(caught.value, MDBridgeError)


@pytest.mark.parametrize("function", [measure, tune])
def test_a_model_that_is_not_there_is_named(function, tmp_path):
    with pytest.raises(ArgumentError, match=r"^model .*found no file 'nope.pt'") as caught:
        function("nope.pt", argon_crystal(), folder=tmp_path)
    assert caught.value.argument == "model"


def test_a_single_inner_step_need_not_be_a_tuple(tmp_path):
    with pytest.raises(ArgumentError, match=r"^model "):  # and not about the step
        tune("nope.pt", argon_crystal(), timesteps_fs=0.5, folder=tmp_path)


def test_a_structure_that_does_not_repeat_is_refused():
    with pytest.raises(MDBridgeError, match="expected a structure that is periodic"):
        measure("model.pt", Atoms("Ar2", positions=np.eye(3)[:2]))


def test_every_name_of_the_package_is_there():
    for name in md_bridge.drift.__all__:
        assert getattr(md_bridge.drift, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'measur'"):
        md_bridge.drift.measur  # noqa: B018


def test_nothing_is_left_behind(model_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    options = {**SHORT, "length_ps": 0.01, "forces": "conservative", "keep_velocities": True}
    measure(model_file("curl"), argon_crystal(), **options)
    assert list(Path(tmp_path).iterdir()) == []
