"""Adapters for fairchem-core and orb-models, with the packages where they are installed.

Networks are the packages' own, with random weights. Left out unless asked for (``-m slow``): the
packages take most of a minute to import.
"""

import importlib.util

import numpy as np
import pytest
from ase.build import bulk
from python_models import packages, python_model

from md_bridge.calculators.opening import open_model
from md_bridge.engine import Engine, ModelError, structure_from_ase

pytestmark = pytest.mark.slow
NEEDS_FAIRCHEM = pytest.mark.skipif(
    importlib.util.find_spec("fairchem") is None, reason="needs fairchem-core"
)
NEEDS_ORB = pytest.mark.skipif(
    importlib.util.find_spec("orb_models") is None, reason="needs orb-models"
)


@pytest.fixture
def salt():
    """Eight ions, far from equilibrium."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def model_of(folder, call):
    code = f"from python_models import packages\n\ndef make():\n    return packages.{call}\n"
    return python_model(folder, code)


def forces_of(model):
    return {name for name in open_model(model).quantities if name.endswith("forces")}


@NEEDS_FAIRCHEM
@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_fairchem_gives_its_own_numbers_as_what_they_are(tmp_path, salt, kind):
    path = packages.write_esen(tmp_path / "esen.pt", kind == "direct", "omat")
    call = f"esen({str(path)!r}, 'omat', double=True)"
    model = model_of(tmp_path, call)
    assert forces_of(model) == {f"{kind}_forces"}
    found = Engine(model).evaluate(structure_from_ase(salt), **{f"{kind}_forces": True})
    own = salt.copy()
    own.calc = packages.esen(str(path), "omat", double=True)
    forces = own.get_forces()
    assert np.abs(forces).max() > 1e-4
    if kind == "direct":
        forces = forces - forces.mean(axis=0)  # the engine leaves no net force
    given = np.reshape(getattr(found, f"{kind}_forces"), (-1, 3))
    np.testing.assert_allclose(given, forces, rtol=0, atol=1e-8)
    assert found.energy == pytest.approx(own.get_potential_energy(), abs=1e-8)
    moved = salt.copy()
    moved.calc = own.calc
    energies = []
    for shift in (1e-4, -1e-4):
        moved.positions = salt.positions + shift * np.eye(8, 3)
        energies.append(moved.get_potential_energy())
    slope = (energies[0] - energies[1]) / 2e-4
    derived = slope == pytest.approx(-np.sum(own.get_forces() * np.eye(8, 3)), abs=1e-5)
    assert derived == (kind == "conservative")


@NEEDS_FAIRCHEM
def test_fairchem_counts_electrons_only_where_the_task_does(tmp_path, salt):
    path = packages.write_esen(tmp_path / "esen.pt", False, "omol")
    call = f"esen({str(path)!r}, 'omol')"
    neutral, charged, plain = (
        Engine(model_of(tmp_path, call), **options).evaluate(
            structure_from_ase(salt), conservative_forces=True
        )
        for options in ({"charge": 0, "spin_multiplicity": 1}, {"charge": 2}, {})
    )
    assert neutral.energy == pytest.approx(plain.energy, abs=1e-5)
    assert abs(charged.energy - neutral.energy) > 1e-4


@NEEDS_ORB
@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_orb_gives_its_own_numbers_as_what_they_are(tmp_path, salt, kind):
    name = f"orb_v3_{kind}_inf_omat"
    model = model_of(tmp_path, f"orb({name!r})")
    assert forces_of(model) == {f"{kind}_forces"}
    names = [f"{kind}_forces", f"{kind}_virial"]
    found = Engine(model).evaluate(structure_from_ase(salt), **dict.fromkeys(names, True))
    own = salt.copy()
    own.calc = packages.orb(name, own=True)
    assert np.abs(own.get_forces()).max() > 1e-4
    given = np.reshape(getattr(found, names[0]), (-1, 3))
    np.testing.assert_allclose(given, own.get_forces(), rtol=0, atol=1e-4)
    virial = -salt.get_volume() * own.get_stress(voigt=False)
    np.testing.assert_allclose(np.reshape(getattr(found, names[1]), (3, 3)), virial, atol=1e-3)
    assert found.energy == pytest.approx(float(np.squeeze(own.get_potential_energy())), abs=1e-4)


@NEEDS_ORB
def test_orb_that_counts_electrons_is_told_how_many(tmp_path, salt):
    salt.pbc = False
    model = model_of(tmp_path, "orb('orb_v3_conservative_omol')")
    found = Engine(model, charge=0, spin_multiplicity=1).evaluate(
        structure_from_ase(salt), conservative_forces=True
    )
    own = salt.copy()
    own.info |= {"charge": 0, "spin": 1}
    own.calc = packages.orb("orb_v3_conservative_omol", own=True)
    given = np.reshape(found.conservative_forces, (-1, 3))
    np.testing.assert_allclose(given, own.get_forces(), rtol=0, atol=1e-4)
    with pytest.raises(ModelError, match="charge"):
        Engine(model).evaluate(structure_from_ase(salt), conservative_forces=True)
