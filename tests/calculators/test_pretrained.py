"""Packages whose wheels bring trained weights, through all that is done with a model.

Left out unless asked for (``-m slow``), and without the extra ``pretrained``.
"""

import importlib.util
import json

import argon_levels
import lammps_tools as tools
import mts_reference
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.io import read, write
from click.testing import CliRunner
from ipi_tools import ANGSTROM

from md_bridge.calculators.factories import make
from md_bridge.cli import main
from md_bridge.engine import Engine, structure_from_ase
from md_bridge.ipi.session import SessionOptions, open_session

NAMES = {
    "chgnet": (
        "python:md_bridge.calculators.chgnet:chgnet_calculator",
        "python:chgnet.model.dynamics:CHGNetCalculator",
    ),
    "sevenn": (
        "python:md_bridge.calculators.sevennet:sevennet_calculator",
        "python:sevenn.calculator:SevenNetCalculator",
    ),
}
ROUNDING = 3e-5  # eV/Å, of single precision

pytestmark = pytest.mark.slow


@pytest.fixture(
    params=[
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(name) is None, reason="needs md-bridge[pretrained]"
            ),
        )
        for name in NAMES
    ]
)
def package(request):
    return request.param


@pytest.fixture
def model(package):
    return NAMES[package][0]


@pytest.fixture
def own(package):
    """The package's own calculator."""
    return make(NAMES[package][1])[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write(tmp_path / "moved.xyz", salt())
    write(tmp_path / "rest.xyz", salt(0.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def salt(rattle=0.1):
    """Eight ions: narrower than the cutoffs."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(rattle, seed=1)
    atoms.wrap()
    return atoms


def run(*arguments, statuses=(0,)):
    """What a command of ours prints as JSON."""
    words = [str(argument) for argument in (*arguments, "--json", "--threads", "1")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code in statuses, result.output
    return json.loads(result.stdout)


def test_energies_forces_and_stress_are_its_own(model, own):
    atoms = salt()
    found = Engine(model).evaluate(
        structure_from_ase(atoms),
        conservative_forces=True,
        conservative_virial=True,
        atomic_energies=True,
    )
    expected = atoms.copy()
    expected.calc = own
    forces = expected.get_forces()
    assert np.abs(forces).max() > 0.3
    np.testing.assert_allclose(found.conservative_forces, forces, atol=1e-9)
    # the engine adds up energies of atoms in double precision, the packages in single
    assert found.energy == pytest.approx(expected.get_potential_energy(), abs=1e-5)
    assert found.energy == pytest.approx(found.atomic_energies.sum(), abs=1e-4)
    stress = np.reshape(own.get_property("stress", expected), -1)
    if stress.size == 6:
        stress = np.array([stress[k] for k in (0, 5, 4, 5, 1, 3, 4, 3, 2)])
    virial = -np.reshape(stress, (3, 3)) * atoms.get_volume()
    np.testing.assert_allclose(found.conservative_virial, virial, atol=1e-5)


def test_every_host_has_its_numbers(model, own, folder):
    atoms = read("moved.xyz")
    atoms.calc = own
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    session = open_session(SessionOptions(folder / "moved.xyz", model))
    session.serve("conservative")
    cell, positions = atoms.cell.array.T * ANGSTROM, atoms.positions * ANGSTROM
    of_ipi, forces_of_ipi, *_ = session.evaluate("conservative", [cell], [positions])[0]
    assert of_ipi * units.Hartree == pytest.approx(energy, abs=1e-4)
    forces_of_ipi = np.reshape(forces_of_ipi, (-1, 3)) * units.Hartree / units.Bohr
    np.testing.assert_allclose(forces_of_ipi, forces, atol=ROUNDING)
    pair = f"pair_style mdbridge {model} threads 1\npair_coeff * * Na Cl"
    found = tools.evaluate(atoms, pair, ["Na", "Cl"])
    assert found.energy == pytest.approx(energy, abs=1e-4)
    np.testing.assert_allclose(found.forces, forces, atol=ROUNDING)


def test_its_elements_and_range(package, model):
    info = Engine(model).info
    assert set(info.atomic_types) >= set(range(1, 84))
    assert info.interaction_range == (25.0 if package == "sevenn" else np.inf)


def test_energy_is_conserved(model, folder):
    found = run(
        *("drift", model, "rest.xyz", "--forces", "conservative", "--timestep", "4"),
        *("--ps", "0.4", "--equilibrate", "0.1", "--replicas", "1"),
        statuses=(0, 3),
    )
    (method,) = found["methods"]
    assert method["verdict"] in ("conserves", "inconclusive")
    assert method["rms_fluctuation_meV_per_atom"] < 0.1
    assert method["mean_temperature_K"] > 50


def test_it_is_as_symmetric_as_it_was_built(model, folder):
    found = run(
        *("symmetry", model, "moved.xyz", "--lmax", "2", "--orientations", "0"),
        *("--quantity", "energy,conservative_forces,conservative_stress"),
    )
    forces = found["quantities"]["conservative_forces"]
    assert forces["relative"] < 1e-3
    assert forces["rms"] < 0.1  # meV/Å
    # mirrored cells are left-handed, and CHGNet divides by a signed volume
    assert found["quantities"]["conservative_stress"]["relative"] < 1e-3


def test_rock_salt_comes_to_rest(model, own, folder):
    found = run(*("relax", model, "moved.xyz", "--cell", "full", "--fmax", "0.002"))
    (result,) = found["rows"]["conservative"]["results"]
    end = read(folder / "md-bridge-relax" / "relaxed.extxyz")
    end.calc = own
    assert np.abs(end.get_forces()).max() < 0.003
    assert 5.4 < np.mean(np.linalg.norm(result["cell_angstrom"], axis=1)) < 5.9


def test_the_optical_mode_is_that_of_a_frozen_phonon(model, own, folder):
    """All sodium against all chlorine, with the package's own calculator."""
    found = run(
        *("phonons", model, "rest.xyz", "--supercell", "1,1,1", "--fc", "symfc"),
        *("--displacements", "0.03", "--mesh", "4"),
    )
    atoms = salt(0.0)
    sodium = atoms.numbers == 11
    forces = []
    for shift in (0.03, -0.03):
        moved = atoms.copy()
        moved.positions[sodium, 0] += shift
        moved.calc = own
        forces.append(moved.get_forces()[sodium, 0].mean())
    stiffness = (forces[1] - forces[0]) / 0.06
    masses = atoms.get_masses()
    inverse_mass = 1 / masses[sodium][0] + 1 / masses[~sodium][0]
    expected = np.sqrt(stiffness * inverse_mass) / (2 * np.pi) * 1000 * units.fs  # THz
    assert expected > 3
    (result,) = found["results"]
    assert result["gamma_optical_THz"] == pytest.approx([expected] * 3, rel=0.01)


def test_multiple_time_stepping_with_a_student_is_the_reference(model, folder):
    """A student of twenty steps is poor, and the scheme the same."""
    run(
        *("distil", model, "moved.xyz", "-o", "inner.pt", "--frames", "14", "--steps", "20"),
        *("--temperature", "300", "--no-tune"),
    )
    atoms, m, steps, inner_step = read("moved.xyz"), 4, 5, 2e-3
    masses = atoms.get_masses() / argon_levels.FTM2V
    rng = np.random.default_rng(3)
    velocities = np.sqrt(8.617343e-5 * 300 / masses)[:, None] * rng.normal(size=(len(atoms), 3))
    respa = f"timestep {m * inner_step}\nrun_style respa 2 {m} inner 1 3.0 4.0 outer 2\n"
    pair = f"pair_style mdbridge {model} inner inner.pt threads 1 max_correction 100\n"
    box = tools.box_from_file(atoms, ["Na", "Cl"], folder / "box.data", velocities=velocities)
    commands = box, pair + "pair_coeff * * Na Cl", respa, f"run {steps}"
    with tools.lammps(*commands) as lmp:
        end = tools.results(lmp)
    expected = mts_reference.multiple_time_step(
        atoms.positions,
        velocities,
        masses,
        mts_reference.forces_of(model, atoms, "conservative"),
        mts_reference.forces_of("inner.pt", atoms, "direct"),
        inner_step,
        m,
        steps,
    )[-1]
    # single precision, and coordinates that LAMMPS wraps
    tools.assert_same_positions(end.positions, expected.positions, atoms.cell, 1e-6)
    np.testing.assert_allclose(end.velocities, expected.velocities, rtol=0, atol=1e-4)
    assert np.abs(expected.positions - atoms.positions).max() > 0.05
