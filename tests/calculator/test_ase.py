"""The ASE calculator: numbers, and what it can and cannot give."""

import models
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list

from md_bridge.ase import MDBridgeCalculator, ParameterError
from md_bridge.engine import Engine, ModelError, get_threads, set_threads, structure_from_ase
from md_bridge.errors import MDBridgeError

VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])  # xx, yy, zz, yz, xz, xy


@pytest.fixture
def argon() -> Atoms:
    """Sheared and rattled, so that all components of the stress differ from each other."""
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2)
    strain = np.array([[0.02, 0.03, 0.01], [0.0, -0.03, 0.02], [0.0, 0.0, 0.01]])
    atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture
def slab(argon) -> Atoms:
    """Periodic in two directions, with a vacuum in the third."""
    argon.pbc = [True, True, False]
    cell = argon.cell.array
    cell[2] *= 1.7
    argon.set_cell(cell)
    return argon


def passes(calculator: MDBridgeCalculator) -> int:
    return calculator.engine.timings.evaluations


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


def test_direct_forces_and_stress_are_those_of_the_engine(model_file, argon):
    expected = Engine(model_file("strong_curl")).evaluate(
        structure_from_ase(argon), direct_forces=True, direct_virial=True
    )
    argon.calc = MDBridgeCalculator(model_file("strong_curl"), forces="direct")
    np.testing.assert_allclose(argon.get_forces(), expected.direct_forces, atol=1e-12)
    stress = -expected.direct_virial / argon.get_volume()
    np.testing.assert_allclose(argon.get_stress(), stress[VOIGT], atol=1e-12)
    np.testing.assert_allclose(argon.get_stress(voigt=False), stress, atol=1e-12)

    conservative = argon.copy()
    conservative.calc = MDBridgeCalculator(model_file("strong_curl"))
    assert argon.get_potential_energy() == pytest.approx(
        conservative.get_potential_energy(), abs=1e-12
    )
    assert np.abs(argon.get_forces() - conservative.get_forces()).max() > 1e-3
    assert np.abs(argon.get_stress() - conservative.get_stress()).max() > 1e-5


def test_direct_equals_conservative_where_the_model_says_so(tmp_path, argon):
    """Without its swirl, the direct head of this model is exact: sign and order of both agree."""
    path = models.curl(size=0.0).export(tmp_path / "exact.pt")
    results = {}
    for kind in ("conservative", "direct"):
        argon.calc = MDBridgeCalculator(path, forces=kind)
        results[kind] = argon.get_forces(), argon.get_stress()
    np.testing.assert_allclose(results["direct"][0], results["conservative"][0], atol=1e-10)
    np.testing.assert_allclose(results["direct"][1], results["conservative"][1], atol=1e-10)
    assert len(set(np.round(np.abs(results["direct"][1]), 5))) == 6  # no two are mixed up unseen


@pytest.mark.parametrize(
    ("forces", "stress"), [("direct", "conservative"), ("conservative", "direct")]
)
def test_stress_of_the_other_kind(model_file, argon, forces, stress):
    expected = {}
    for kind in ("conservative", "direct"):
        argon.calc = MDBridgeCalculator(model_file("strong_curl"), forces=kind)
        expected[kind] = argon.get_forces(), argon.get_stress()
    argon.calc = MDBridgeCalculator(model_file("strong_curl"), forces=forces, stress=stress)
    np.testing.assert_allclose(argon.get_forces(), expected[forces][0], atol=1e-12)
    np.testing.assert_allclose(argon.get_stress(), expected[stress][1], atol=1e-12)


@pytest.mark.parametrize("order", [("get_forces", "get_stress"), ("get_stress", "get_forces")])
@pytest.mark.parametrize("kind", ["conservative", "direct"])
def test_forces_and_stress_asked_in_turn_take_one_pass(model_file, argon, kind, order):
    argon.calc = MDBridgeCalculator(model_file("curl"), forces=kind)
    for name in order:
        getattr(argon, name)()
    argon.get_potential_energy()
    assert passes(argon.calc) == 1


def test_direct_forces_make_no_gradient_for_a_stress_nobody_asked_for(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"), forces="direct", stress="conservative")
    argon.get_forces()
    assert set(argon.calc.results) == {"energy", "free_energy", "forces"}
    argon.get_stress()
    assert passes(argon.calc) == 2


def test_results_are_added_to_until_the_atoms_move(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    argon.get_forces()
    argon.get_potential_energies()
    argon.get_forces()
    assert passes(argon.calc) == 2
    argon.positions[0, 0] += 0.01
    argon.get_potential_energy()
    assert set(argon.calc.results) == {"energy", "free_energy"}
    assert passes(argon.calc) == 3


def test_charges_and_moments_that_the_model_does_not_see_change_nothing(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    argon.get_forces()
    argon.set_initial_charges(np.ones(len(argon)))
    argon.set_initial_magnetic_moments(np.ones(len(argon)))
    argon.get_forces()
    assert passes(argon.calc) == 1


def test_stress_of_a_slab_has_the_volume_of_its_cell(model_file, slab):
    slab.calc = MDBridgeCalculator(model_file("two_layers"))
    stress = slab.get_stress()
    np.testing.assert_allclose(stress, calculate_numerical_stress(slab, eps=1e-5), atol=1e-8)
    virial = (
        Engine(model_file("two_layers"))
        .evaluate(structure_from_ase(slab), conservative_virial=True)
        .conservative_virial
    )
    np.testing.assert_allclose(stress, (-virial / slab.get_volume())[VOIGT], atol=1e-12)
    assert np.abs(stress).max() > 1e-5


def test_direct_stress_of_a_slab(model_file, slab):
    slab.calc = MDBridgeCalculator(model_file("curl"), forces="direct")
    slab.get_forces()
    with pytest.raises(
        PropertyNotImplementedError, match=r"periodic in all directions, found pbc \[True, True, F"
    ):
        slab.get_stress()
    slab.calc.set(stress="conservative")
    np.testing.assert_allclose(
        slab.get_stress(), calculate_numerical_stress(slab, eps=1e-5), atol=1e-8
    )


@pytest.mark.parametrize("forces", ["conservative", "direct"])
def test_stress_of_a_molecule(model_file, argon, forces):
    molecule = Atoms(argon.symbols[:4], argon.positions[:4])
    molecule.calc = MDBridgeCalculator(model_file("curl"), forces=forces)
    assert np.abs(molecule.get_forces()).max() > 1e-4
    with pytest.raises(PropertyNotImplementedError, match="stress"):
        molecule.get_stress()


def test_direct_stress_of_a_model_without(model_file, argon):
    """two_layers predicts forces, but no stress."""
    argon.calc = MDBridgeCalculator(model_file("two_layers"), forces="direct")
    assert "stress" not in argon.calc.implemented_properties
    argon.get_forces()
    with pytest.raises(PropertyNotImplementedError, match=r"direct stress.*stress='conservative'"):
        argon.get_stress()
    argon.calc.set(stress="conservative")
    assert "stress" in argon.calc.implemented_properties
    np.testing.assert_allclose(
        argon.get_stress(), calculate_numerical_stress(argon, eps=1e-5), atol=1e-8
    )
    with pytest.raises(ModelError, match="cannot give a direct stress"):
        MDBridgeCalculator(model_file("two_layers"), stress="direct")


def test_uncertainty(model_file, argon):
    """0.01 eV for each neighbour within 8.5 Å, by the model's making."""
    argon.calc = MDBridgeCalculator(model_file("uncertain"))
    assert "energy_uncertainty" in argon.calc.implemented_properties
    counts = np.bincount(neighbor_list("i", argon, 8.5), minlength=len(argon))
    np.testing.assert_allclose(
        argon.calc.get_property("energy_uncertainty", argon), 0.01 * counts, atol=1e-12
    )
    # ASE's own list of properties has no place for it
    assert "energy" in argon.get_properties(["energy", "forces"])


def test_uncertainty_of_a_model_without(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    assert "energy_uncertainty" not in argon.calc.implemented_properties
    with pytest.raises(PropertyNotImplementedError, match=r"energy_uncertainty.*it has energy"):
        argon.calc.get_property("energy_uncertainty", argon)
    with pytest.raises(PropertyNotImplementedError, match="energy_uncertainty"):
        argon.calc.calculate(argon, ["energy_uncertainty"])


def test_what_is_printed_makes_it_again(model_file):
    path = str(model_file("curl"))
    calculator = MDBridgeCalculator(path, forces="direct")
    assert repr(calculator) == f"MDBridgeCalculator(forces='direct', model='{path}')"
    assert repr(eval(repr(calculator))) == repr(calculator)


def test_properties_of_others_are_not_implemented(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("curl"))
    with pytest.raises(PropertyNotImplementedError):
        argon.get_dipole_moment()


def test_atomic_energies_add_up(model_file, argon):
    argon.calc = MDBridgeCalculator(model_file("lennard_jones"))
    assert argon.get_potential_energies().sum() == pytest.approx(argon.get_potential_energy())


def test_dynamics_conserve_energy(model_file, argon):
    """The error of velocity Verlet is of second order: half the time step, a quarter of it."""
    argon.calc = MDBridgeCalculator(model_file("two_layers"))
    fluctuation = {}
    for step in (2.0, 1.0):
        atoms = argon.copy()
        atoms.calc = MDBridgeCalculator(model_file("two_layers"))
        MaxwellBoltzmannDistribution(atoms, temperature_K=60, rng=np.random.default_rng(0))
        energies = []
        dynamics = VelocityVerlet(atoms, step * units.fs)
        dynamics.attach(lambda e=energies, a=atoms: e.append(a.get_total_energy()), round(2 / step))
        dynamics.run(round(200 / step))
        assert np.ptp(energies) < 1e-5 * len(atoms)
        fluctuation[step] = np.std(energies)
    assert fluctuation[2.0] / fluctuation[1.0] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("name", ["forces", "stress"])
def test_unknown_kind(model_file, name):
    with pytest.raises(
        ParameterError, match=f"{name} must be 'conservative' or 'direct'.*, found 'fast'"
    ):
        MDBridgeCalculator(model_file("curl"), **{name: "fast"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("extensions_directory", "MD Bridge calls it extensions"),
        ("variants", "MD Bridge calls it variant, direct_variant"),
        ("simmetrize", "did you mean 'symmetrize'?"),
        ("nonsense", "There are model, forces, stress"),
    ],
)
def test_unknown_parameter(model_file, name, hint):
    with pytest.raises(ParameterError) as caught:
        MDBridgeCalculator(model_file("curl"), **{name: "x"})
    assert f"unknown parameter '{name}'" in str(caught.value)
    assert hint in str(caught.value)
    assert isinstance(caught.value, MDBridgeError)


def test_direct_forces_of_a_model_without(model_file):
    with pytest.raises(ModelError, match="cannot give direct forces"):
        MDBridgeCalculator(model_file("lennard_jones"), forces="direct")


def test_threads(model_file):
    before = get_threads()
    try:
        MDBridgeCalculator(model_file("curl"))
        assert get_threads() == before
        MDBridgeCalculator(model_file("curl"), threads=before + 1)
        assert get_threads() == before + 1
    finally:
        set_threads(before)
