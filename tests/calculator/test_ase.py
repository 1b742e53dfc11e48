"""The ASE calculator."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet

from md_bridge.ase import MDBridgeCalculator
from md_bridge.engine import ModelError


@pytest.fixture
def argon() -> Atoms:
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return atoms


def test_conservative_forces_and_stress_against_finite_differences(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("two_layers"))
    np.testing.assert_allclose(
        argon.get_forces()[:2],
        calculate_numerical_forces(argon, eps=1e-4, iatoms=[0, 1]),
        atol=1e-7,
    )
    np.testing.assert_allclose(
        argon.get_stress(), calculate_numerical_stress(argon, eps=1e-5), atol=1e-8
    )


def test_direct_forces_and_stress(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"), forces="direct")
    direct, stress = argon.get_forces(), argon.get_stress()
    energy = argon.get_potential_energy()
    argon.calc = MDBridgeCalculator(model_file("curl"))
    assert energy == pytest.approx(argon.get_potential_energy(), abs=1e-12)
    assert np.abs(direct - argon.get_forces()).max() > 1e-4
    assert np.abs(stress - argon.get_stress()).max() > 1e-7


def test_atomic_energies_add_up(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("lennard_jones"))
    assert argon.get_potential_energies().sum() == pytest.approx(argon.get_potential_energy())


def test_dynamics_conserve_energy(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("two_layers"))
    MaxwellBoltzmannDistribution(argon, temperature_K=60, rng=np.random.default_rng(0))
    dynamics = VelocityVerlet(argon, 2 * units.fs)
    start = argon.get_total_energy()
    dynamics.run(100)
    assert argon.get_kinetic_energy() > 0
    assert argon.get_total_energy() == pytest.approx(start, abs=2e-4 * len(argon))


def test_unknown_kind_of_forces(model_file):
    with pytest.raises(ValueError, match="forces must be 'conservative' or 'direct', got 'fast'"):
        MDBridgeCalculator(model_file("curl"), forces="fast")


def test_direct_forces_of_a_model_without(model_file):
    with pytest.raises(ModelError, match="cannot give direct forces"):
        MDBridgeCalculator(model_file("lennard_jones"), forces="direct")


def test_stress_of_a_slab(model_file, argon):
    argon.pbc = [True, True, False]
    argon.calc = MDBridgeCalculator(model_file("curl"))
    argon.get_forces()
    with pytest.raises(ValueError, match="not periodic in all directions"):
        argon.get_stress()
