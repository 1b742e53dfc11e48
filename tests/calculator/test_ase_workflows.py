"""The ASE calculator in ASE's own tools: copies, files, optimisers, phonons."""

import copy
import pickle

import models
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.db import connect
from ase.filters import FrechetCellFilter
from ase.io import Trajectory, read, write
from ase.optimize import BFGS
from ase.phonons import Phonons

from md_bridge.ase import MDBridgeCalculator, ParameterError
from md_bridge.engine import ModelError

OPTIONS = {"forces": "direct", "stress": "conservative", "skin": 0.5, "symmetrize": "octahedral"}


@pytest.fixture
def argon() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture
def dimer() -> Atoms:
    """Hydrogen on the spring of :func:`models.harmonic`: k = 2 eV/Å², r0 = 2 Å."""
    return Atoms("H2", [[0, 0, 0], [1.7, 0, 0]])


def same_results(a: Atoms, b: Atoms) -> None:
    assert a.get_potential_energy() == pytest.approx(b.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(a.get_forces(), b.get_forces(), atol=1e-12)
    np.testing.assert_allclose(a.get_stress(), b.get_stress(), atol=1e-12)


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
    ids=["deepcopy", "pickle"],
)
def test_copies(model_file, argon, duplicate):
    argon.calc = MDBridgeCalculator(model_file("curl"), **OPTIONS)
    argon.get_forces()
    twin = duplicate(argon)
    assert twin.calc is not argon.calc
    assert twin.calc.parameters == argon.calc.parameters
    assert twin.calc.engine is not argon.calc.engine
    # what was computed is copied too
    assert twin.calc.engine.timings.evaluations == 0
    np.testing.assert_array_equal(twin.get_forces(), argon.get_forces())
    assert twin.calc.engine.timings.evaluations == 0
    twin.positions[0, 0] += 0.1
    before = argon.get_forces()
    assert np.abs(twin.get_forces() - before).max() > 1e-3
    argon.positions[0, 0] += 0.1
    same_results(twin, argon)


def test_parameters_rebuild_the_calculator(model_file, argon):
    path = model_file("curl")
    calculator = MDBridgeCalculator(path, **OPTIONS)
    assert calculator.name == "mdbridge"
    assert calculator.todict() == {"model": str(path), **OPTIONS}
    assert MDBridgeCalculator(path).todict() == {"model": str(path)}
    argon.calc = calculator
    twin = argon.copy()
    twin.calc = MDBridgeCalculator(**calculator.todict())
    assert twin.calc.parameters == calculator.parameters
    same_results(argon, twin)


def test_trajectory(model_file, argon, tmp_path):
    argon.calc = MDBridgeCalculator(model_file("curl"), **OPTIONS)
    argon.get_stress()
    with Trajectory(tmp_path / "argon.traj", "w", argon) as trajectory:
        trajectory.write()
    stored = read(tmp_path / "argon.traj")
    assert stored.calc.name == "mdbridge"
    same_results(stored, argon)
    again = stored.copy()
    again.calc = MDBridgeCalculator(**stored.calc.parameters)
    assert again.calc.parameters == argon.calc.parameters
    same_results(again, argon)


def test_database(model_file, argon, tmp_path):
    argon.calc = MDBridgeCalculator(model_file("curl"), **OPTIONS)
    argon.get_stress()
    with connect(tmp_path / "argon.db") as database:
        row = database.get(database.write(argon))
    assert row.calculator == "mdbridge"
    assert row.energy == pytest.approx(argon.get_potential_energy())
    again = row.toatoms()
    same_results(again, argon)
    again.calc = MDBridgeCalculator(**row.calculator_parameters)
    assert again.calc.parameters == argon.calc.parameters
    same_results(again, argon)


def test_extended_xyz(model_file, argon, tmp_path):
    argon.calc = MDBridgeCalculator(model_file("uncertain"))
    argon.get_stress()
    argon.calc.get_property("energy_uncertainty", argon)
    write(tmp_path / "argon.xyz", argon)
    stored = read(tmp_path / "argon.xyz")
    assert stored.get_potential_energy() == pytest.approx(argon.get_potential_energy())
    np.testing.assert_allclose(stored.get_forces(), argon.get_forces(), atol=1e-7)


def test_set_forgets_results_when_something_changes(model_file, argon):
    argon.calc = calculator = MDBridgeCalculator(model_file("strong_curl"))
    conservative = argon.get_forces()
    assert calculator.set(forces="conservative", model=model_file("strong_curl")) == {}
    assert "forces" in calculator.results
    assert calculator.set(forces="direct") == {"forces": "direct"}
    assert calculator.results == {}
    assert np.abs(argon.get_forces() - conservative).max() > 1e-3
    calculator.set(forces="conservative")
    np.testing.assert_allclose(argon.get_forces(), conservative, atol=1e-12)


def test_set_that_fails_changes_nothing(model_file, argon):
    argon.calc = calculator = MDBridgeCalculator(model_file("lennard_jones"))
    before, forces = dict(calculator.parameters), argon.get_forces()
    with pytest.raises(ModelError, match="cannot give direct forces"):
        calculator.set(forces="direct", skin=0.3)
    with pytest.raises(ParameterError, match="did you mean 'forces'"):
        calculator.set(force="direct")
    assert dict(calculator.parameters) == before
    np.testing.assert_array_equal(argon.get_forces(), forces)


def test_reset(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    argon.get_forces()
    assert argon.calc.check_state(argon) == []
    argon.calc.reset()
    assert argon.calc.results == {}
    assert set(argon.calc.check_state(argon)) == set(all_changes)
    assert argon.get_potential_energy() < 0


def test_optimiser_finds_the_length_of_the_spring(model_file, dimer):
    dimer.calc = MDBridgeCalculator(model_file("harmonic"))
    BFGS(dimer, logfile=None).run(fmax=1e-6, steps=50)
    assert dimer.get_distance(0, 1) == pytest.approx(2.0, abs=1e-6)


def test_cell_filter_finds_the_lattice_constant(tmp_path):
    """Lennard-Jones, cut off beyond the neighbours of fcc's third shell.

    The lattice sums over its first three shells (12 at d, 6 at √2 d, 24 at √3 d) give the minimum
    at d/σ = (2 Σ n/s¹² / Σ n/s⁶)^(1/6).
    """
    shells = np.array([[12, 1.0], [6, np.sqrt(2)], [24, np.sqrt(3)]])
    twelfth, sixth = (np.sum(shells[:, 0] / shells[:, 1] ** power) for power in (12, 6))
    nearest = models.ARGON["sigma"] * (2 * twelfth / sixth) ** (1 / 6)
    module = models.LennardJones(
        [18], [[models.ARGON["epsilon"]]], [[models.ARGON["sigma"]]], [[7.0]]
    )
    path = models.AnalyticModel(module, ["Ar"], 7.0).export(tmp_path / "three-shells.pt")

    atoms = bulk("Ar", "fcc", a=np.sqrt(2) * nearest * 1.01)
    atoms.calc = MDBridgeCalculator(path)
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-6, steps=50)
    lengths = atoms.cell.lengths()
    np.testing.assert_allclose(lengths, nearest, rtol=1e-5)
    assert atoms.calc.engine.timings.evaluations < 20


def test_phonons_of_a_chain(model_file, tmp_path):
    """A chain of hydrogen on springs at rest: ħω = 2 ħ √(k/m) at the edge of its zone."""
    atoms = Atoms("H", cell=[2.0, 12.0, 12.0], pbc=True)
    phonons = Phonons(
        atoms, MDBridgeCalculator(model_file("harmonic")), supercell=(6, 1, 1), name=tmp_path / "ph"
    )
    phonons.run()
    phonons.read(acoustic=True)
    highest = phonons.band_structure([[0.5, 0.0, 0.0]])[0].max()
    hbar = units._hbar * units.J * units.s  # eV × ASE's unit of time
    expected = 2 * hbar * np.sqrt(2.0 / atoms.get_masses()[0])
    assert highest == pytest.approx(expected, rel=1e-3)
