"""Calculators under the engine give what they give by themselves, and files what the engine gives.

The files go through metatomic's own calculator, which shares nothing with the engine but the file.
"""

import models
import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.lj import LennardJones
from python_models import argon, of_file, python_model

from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import Engine, ModelError, Pairs, structure_from_ase

ALL = {
    "conservative_forces": True,
    "conservative_virial": True,
    "direct_forces": True,
    "direct_virial": True,
    "atomic_energies": True,
}
EMT_MODEL = "python:ase.calculators.emt:EMT"
SPRINGS = """
import numpy as np

def make():
    def springs(atoms):
        r = atoms.positions - np.arange(3 * len(atoms)).reshape(-1, 3) / 10
        return {"energy": 0.5 * (r**2).sum(), "forces": -r}
    return springs
"""


def copper():
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    cell = atoms.cell.array @ [[1.02, 0.0, 0.0], [0.03, 0.97, 0.0], [0.01, 0.02, 1.01]]
    atoms.set_cell(cell, scale_atoms=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def assert_same(found, expected, names, tolerance=1e-11):
    assert found.energy == pytest.approx(expected.energy, rel=0, abs=10 * tolerance)
    for name in names:
        value = getattr(expected, name)
        assert np.abs(value).max() > 1e-5, name
        np.testing.assert_allclose(getattr(found, name), value, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["strong_curl", "two_layers"])
def test_a_file_through_metatomic(model_file, tmp_path, name):
    file = model_file(name)
    engines = Engine(of_file(tmp_path, file)), Engine(file)
    wanted = dict(ALL)
    if name == "two_layers":  # it has no direct stress, and direct forces with a net force
        del wanted["direct_virial"]
    found, expected = (engine.evaluate(structure_from_ase(argon()), **wanted) for engine in engines)
    assert_same(found, expected, wanted)
    assert found.energy == pytest.approx(found.atomic_energies.sum(), abs=1e-10)


def test_the_bundled_model(water_model, water, tmp_path):
    """In single precision, which the engine and metatomic add up in another order."""
    engines = Engine(of_file(tmp_path, water_model)), Engine(water_model)
    names = ["conservative_forces", "direct_forces"]
    found, expected = (
        engine.evaluate(structure_from_ase(water), **dict.fromkeys(names, True))
        for engine in engines
    )
    for name in names:
        difference = np.abs(getattr(found, name) - getattr(expected, name)).max()
        assert difference < 2e-5, name
    assert found.energy == pytest.approx(expected.energy, abs=2e-3)  # of -470 eV


def test_batches_and_averages(model_file, tmp_path):
    models.anisotropic({0: 0.0, 2: 2e-3}, direct=0.05).export(tmp_path / "tilted.pt")
    structures = [structure_from_ase(argon(lattice)) for lattice in (5.3, 5.5)]
    names = ["conservative_forces", "conservative_virial", "direct_forces"]
    options = {"symmetrize": "octahedral", "direct_symmetrize": "none"}
    files = of_file(tmp_path, tmp_path / "tilted.pt"), tmp_path / "tilted.pt"
    results = [
        Engine(file, **options).evaluate(
            structures, **dict.fromkeys(names, True), conservative_forces_rot_std=True
        )
        for file in files
    ]
    for found, expected in zip(*results, strict=True):
        assert_same(found, expected, [*names, "conservative_forces_rot_std"])


@pytest.mark.parametrize("pbc", [(True, True, False), (False, True, False), False])
def test_open_directions(model_file, tmp_path, pbc):
    atoms = argon()
    atoms.pbc = pbc
    file = model_file("strong_curl")
    names = ["conservative_forces", "conservative_virial", "direct_forces"]
    found, expected = (
        Engine(model).evaluate(structure_from_ase(atoms), **dict.fromkeys(names, True))
        for model in (of_file(tmp_path, file), file)
    )
    assert_same(found, expected, names)


def test_emt_is_emt():
    atoms = copper()
    expected = copper()
    expected.calc = EMT()
    atoms.calc = MDBridgeCalculator(EMT_MODEL)
    assert atoms.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-10)
    np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(atoms.get_stress(), expected.get_stress(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        atoms.get_potential_energies(), expected.get_potential_energies(), rtol=0, atol=1e-11
    )
    np.testing.assert_allclose(
        atoms.get_forces()[:2], calculate_numerical_forces(atoms, 1e-4, iatoms=[0, 1]), atol=1e-6
    )
    np.testing.assert_allclose(
        atoms.get_stress(), calculate_numerical_stress(atoms, 1e-4), atol=1e-7
    )


def test_a_slab_and_a_molecule():
    slab, dimer = fcc111("Cu", (2, 2, 3), vacuum=6.0), molecule("N2")
    for atoms in (slab, dimer):
        atoms.rattle(0.05, seed=4)
        expected = atoms.copy()
        expected.calc = EMT()
        atoms.calc = MDBridgeCalculator(EMT_MODEL)
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(slab.get_stress(), calculate_numerical_stress(slab, 1e-4), atol=1e-7)


def test_virial_of_a_molecule_follows_from_its_forces(tmp_path):
    """W = -dE/d(strain), by finite differences."""
    path = python_model(tmp_path, "from ase.calculators.lj import LennardJones as make")
    engine, atoms = Engine(path), argon()[:9]
    atoms.set_cell(None)
    atoms.pbc = False
    found = engine.evaluate(structure_from_ase(atoms), conservative_virial=True)
    strain = np.zeros((3, 3))
    for a, b in ((0, 0), (0, 2), (1, 2)):
        energies = []
        for size in (1e-4, -1e-4):
            strain[:] = 0.0
            strain[a, b] = size
            moved = atoms.copy()
            moved.positions = atoms.positions @ (np.eye(3) + 0.5 * (strain + strain.T))
            energies.append(engine.evaluate(structure_from_ase(moved)).energy)
        expected = (energies[1] - energies[0]) / 2e-4
        assert found.conservative_virial[a, b] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_function(tmp_path):
    model = python_model(tmp_path, SPRINGS)
    atoms = argon()
    atoms.calc = MDBridgeCalculator(model)
    assert atoms.calc.implemented_properties == ["energy", "free_energy", "forces"]
    forces = atoms.get_forces()
    centred = forces - forces.mean(axis=0)  # the engine takes a common translation off
    r = atoms.positions - np.arange(3 * len(atoms)).reshape(-1, 3) / 10
    np.testing.assert_allclose(centred, -(r - r.mean(axis=0)), rtol=0, atol=1e-10)
    with pytest.raises(Exception, match="cannot give a conservative stress: its calculator gives"):
        atoms.get_stress()


def test_direct_forces_alone(tmp_path):
    code = """
from ase.calculators.lj import LennardJones

class Direct(LennardJones):
    forces_kind = "direct"
    atomic_numbers = [18]

def make():
    return Direct(sigma=3.4, epsilon=0.0104, rc=8.0)
"""
    engine = Engine(python_model(tmp_path, code))
    assert engine.info.atomic_types == [18]
    found = engine.evaluate(structure_from_ase(argon()), direct_forces=True, direct_virial=True)
    expected = argon()
    expected.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0)
    np.testing.assert_allclose(found.direct_forces, expected.get_forces(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(
        found.direct_virial, -expected.get_volume() * expected.get_stress(voigt=False), atol=1e-9
    )
    with pytest.raises(ModelError, match="are not the gradient of its energy: use direct forces"):
        engine.evaluate(structure_from_ase(argon()), conservative_forces=True)
    with pytest.raises(ModelError, match="does not know the element Cu"):
        engine.evaluate(structure_from_ase(copper()))


def test_uncertainties_and_committees(tmp_path):
    code = """
import numpy as np

def make():
    def model(atoms):
        n = len(atoms)
        return {
            "energy": 1.0, "forces": np.zeros((n, 3)),
            "energy_uncertainty": 0.1 * np.arange(n), "energy_ensemble": [1.0, 2.0, 4.0],
        }
    model.implemented_properties = ["energy", "forces", "energy_uncertainty", "energy_ensemble"]
    return model
"""
    structure = structure_from_ase(argon())
    found = Engine(python_model(tmp_path, code)).evaluate(
        [structure, structure], uncertainty=True, committee=True
    )
    for each in found:
        np.testing.assert_allclose(each.uncertainty, 0.1 * np.arange(len(structure)))
        np.testing.assert_allclose(each.committee, [1.0, 2.0, 4.0])


def test_one_copy_in_a_process(tmp_path):
    """As of a file: two engines, one calculator, and none where nobody holds one."""
    code = "made = []\nfrom ase.calculators.emt import EMT\n"
    code += (
        "def make():\n    made.append(1)\n    return EMT()\ndef count():\n    return len(made)\n"
    )
    model = python_model(tmp_path, code)
    engines = [Engine(model), Engine(model, symmetrize="octahedral")]
    assert engines[0].model is engines[1].model
    del engines
    structure, pairs = structure_from_ase(copper()), Pairs(1.0)
    Engine(model).evaluate(structure, pairs)
    assert pairs.builds == 0  # it makes its own


def test_a_calculator_of_ours_inside(model_file, tmp_path):
    """A factory may use the engine itself."""
    code = "from md_bridge.ase import MDBridgeCalculator\n"
    code += f"def make():\n    return MDBridgeCalculator({str(model_file('strong_curl'))!r})\n"
    structure = structure_from_ase(argon())
    found, expected = (
        Engine(model).evaluate(structure, conservative_forces=True)
        for model in (python_model(tmp_path, code), model_file("strong_curl"))
    )
    assert_same(found, expected, ["conservative_forces"])


def test_entries_for_every_structure(tmp_path):
    code = """
def make():
    def charged(atoms):
        return {"energy": atoms.info["charge"], "forces": 0 * atoms.positions}
    charged.structure_info = {"charge": -2.0}
    return charged
"""
    engine = Engine(python_model(tmp_path, code))
    assert engine.evaluate(structure_from_ase(argon())).energy == -2.0


@pytest.mark.parametrize("pbc", [(True, True, True), (False, True, False)])
def test_left_handed_cells(tmp_path, pbc):
    """Of calculators that divide by a signed volume, and none of which mixes up what is open."""
    code = """
import numpy as np
from ase.calculators.lj import LennardJones

class Signed(LennardJones):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        if "stress" in self.results:
            self.results["stress"] *= np.sign(np.linalg.det(self.atoms.cell))

def make():
    return Signed(sigma=3.4, epsilon=0.0104, rc=5.0)
"""
    atoms = argon()
    atoms.pbc = pbc
    swapped = atoms.copy()
    swapped.set_cell(atoms.cell.array[[1, 0, 2]])
    swapped.pbc = np.array(pbc)[[1, 0, 2]]
    engine = Engine(python_model(tmp_path, code))
    found, expected = (
        engine.evaluate(
            structure_from_ase(each), conservative_forces=True, conservative_virial=True
        )
        for each in (swapped, atoms)
    )
    assert_same(found, expected, ["conservative_forces", "conservative_virial"], 1e-10)
