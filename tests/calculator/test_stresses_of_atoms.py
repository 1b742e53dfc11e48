"""The property ``stresses``: shares of the atoms in the stress."""

import lammps_tools as tools
import models
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.lj import LennardJones

from md_bridge.ase import MDBridgeCalculator


@pytest.fixture
def argon() -> Atoms:
    return tools.argon(cells=(2, 2, 1), tilt=(1.0, 0.5, -0.5))


def test_equal_those_of_ase(model_file, argon):
    """One direction of the box is shorter than the cutoff."""
    argon.calc = MDBridgeCalculator(model_file("lennard_jones"))
    found = argon.get_stresses()
    parameters = models.ARGON
    argon.calc = LennardJones(
        epsilon=parameters["epsilon"], sigma=parameters["sigma"], rc=parameters["cutoff"]
    )
    expected = argon.get_stresses()
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("symmetrize", ["none", "octahedral"])
@pytest.mark.parametrize("name", ["lennard_jones", "two_layers", "curl"])
def test_add_up_to_the_stress(model_file, argon, name, symmetrize):
    argon.calc = MDBridgeCalculator(model_file(name), symmetrize=symmetrize)
    stress = argon.get_stress()
    np.testing.assert_allclose(
        argon.get_stresses().sum(axis=0), stress, rtol=0, atol=1e-10 * np.abs(stress).max()
    )
    assert argon.get_stresses().shape == (len(argon), 6)


def test_one_pass_gives_all(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    argon.get_stresses()
    argon.get_forces()
    argon.get_stress()
    assert argon.calc.engine.timings.evaluations == 1


def test_of_the_direct_stress(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"), forces="direct")
    assert "stresses" not in argon.calc.implemented_properties
    with pytest.raises(PropertyNotImplementedError, match="say stress='conservative'"):
        argon.get_stresses()
    argon.calc.set(stress="conservative")
    stress = argon.get_stress()
    np.testing.assert_allclose(
        argon.get_stresses().sum(axis=0), stress, rtol=0, atol=1e-10 * np.abs(stress).max()
    )


def test_of_a_model_of_positions(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("in_a_field"))
    assert "stresses" not in argon.calc.implemented_properties
    assert "stress" in argon.calc.implemented_properties
    with pytest.raises(PropertyNotImplementedError, match="no function of pair vectors alone"):
        argon.get_stresses()


def test_of_a_molecule(model_file, argon):
    molecule = Atoms(argon.symbols[:4], argon.positions[:4])
    molecule.calc = MDBridgeCalculator(model_file("curl"))
    with pytest.raises(PropertyNotImplementedError, match="three cell vectors"):
        molecule.get_stresses()
